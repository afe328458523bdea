using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Outcomes, each once: the values that the program observes in final states, or <see langword="null"/> where they mean
/// nothing. Threads may ask concurrently while no thread adds.
/// </summary>
internal sealed class OutcomeSet
{
    private readonly HashSet<ulong[]> _set = new(new Comparer());
    private readonly HashSet<ulong[]>.AlternateLookup<ReadOnlySpan<ulong>> _lookup;

    public OutcomeSet() => _lookup = _set.GetAlternateLookup<ReadOnlySpan<ulong>>();

    /// <summary>Whether the outcome without meaning is among them.</summary>
    public bool HasUndefined { get; private set; }

    public bool Contains(ReadOnlySpan<ulong> outcome) => _lookup.Contains(outcome);

    /// <summary>Adds an outcome, which must not change afterwards; returns whether it is new.</summary>
    public bool Add(ulong[]? outcome)
    {
        if (outcome is not null)
        {
            return _set.Add(outcome);
        }

        bool first = !HasUndefined;
        HasUndefined = true;
        return first;
    }

    private sealed class Comparer : IEqualityComparer<ulong[]>, IAlternateEqualityComparer<ReadOnlySpan<ulong>, ulong[]>
    {
        public bool Equals(ulong[]? x, ulong[]? y) => x.AsSpan().SequenceEqual(y);

        public bool Equals(ReadOnlySpan<ulong> alternate, ulong[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ulong[] obj) => GetHashCode(obj.AsSpan());

        public int GetHashCode(ReadOnlySpan<ulong> alternate) => (int)StateHash.Of(alternate);

        public ulong[] Create(ReadOnlySpan<ulong> alternate) => alternate.ToArray();
    }
}
