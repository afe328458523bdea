using System.Numerics;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>A relation on at most 64 events: for each, the set of those it goes to.</summary>
internal sealed class Relation(int count)
{
    private readonly ulong[] _to = new ulong[count];

    public ulong this[int from] => _to[from];

    public bool Has(int from, int to) => (_to[from] >> to & 1) != 0;

    public void Add(int from, int to) => _to[from] |= 1UL << to;

    /// <summary>An edge from each member of a set.</summary>
    public void AddAll(ulong from, int to)
    {
        for (; from != 0; from &= from - 1)
        {
            Add(BitOperations.TrailingZeroCount(from), to);
        }
    }

    public void Add(Relation other)
    {
        for (int index = 0; index < _to.Length; index++)
        {
            _to[index] |= other._to[index];
        }
    }

    public Relation Copy()
    {
        var copy = new Relation(_to.Length);
        copy.Add(this);
        return copy;
    }

    public Relation Closure()
    {
        Relation closure = Copy();
        for (int middle = 0; middle < _to.Length; middle++)
        {
            for (int from = 0; from < _to.Length; from++)
            {
                if (closure.Has(from, middle))
                {
                    closure._to[from] |= closure._to[middle];
                }
            }
        }

        return closure;
    }

    /// <summary>Whether it has no cycle: events without a predecessor are taken away until none is left.</summary>
    public bool IsAcyclic()
    {
        ulong left = _to.Length == 64 ? ulong.MaxValue : (1UL << _to.Length) - 1;
        while (left != 0)
        {
            ulong reached = 0;
            for (ulong rest = left; rest != 0; rest &= rest - 1)
            {
                reached |= _to[BitOperations.TrailingZeroCount(rest)];
            }

            ulong sources = left & ~reached;
            if (sources == 0)
            {
                return false;
            }

            left &= ~sources;
        }

        return true;
    }
}
