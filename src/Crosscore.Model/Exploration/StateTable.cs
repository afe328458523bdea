using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>
/// The states found so far, each stored once and compared exactly: no hash stands for a state. Each belongs to one of
/// <see cref="Parts"/> parts and keeps its position there, so the search needs no queue, and in each part states of one
/// distance from the start are neighbors.
/// </summary>
/// <remarks>
/// Cost of a state: its record (<see cref="StateCodec"/>), 8 bytes for each 64 bits of state and 24 at most; 5 to 7.5
/// bytes of index; and what its words cost that no other state has, which is nothing up to 192 bits. Parts grow one
/// after the other, so that growth never holds twice the index, and threads can add to different parts at once
/// (<see cref="StateBlock"/>). Which part a state belongs to is decided by the state alone, not by the numbers that its
/// words have, so that the order of states does not depend on which thread was first. A state's number:
/// <code>
/// | position in its part : 26 | part : 5 |
/// </code>
/// </remarks>
internal sealed class StateTable
{
    /// <summary>
    /// The most states there can be: half of what positions allow, for parts are not of exactly one size.
    /// </summary>
    public const int MostStates = 1 << 30;

    /// <summary>How many parts there are.</summary>
    public const int Parts = 1 << PartBits;

    private const int PartBits = 5;

    private readonly StatePart[] _parts = new StatePart[Parts];
    private readonly NumberSpare _spare = new();

    public StateTable(int words)
    {
        Codec = new StateCodec(words);
        for (int part = 0; part < Parts; part++)
        {
            _parts[part] = new StatePart(Codec.RecordWords);
        }
    }

    /// <summary>How states become records.</summary>
    public StateCodec Codec { get; }

    /// <summary>How many states there are.</summary>
    public int Count
    {
        get
        {
            int count = 0;
            foreach (StatePart part in _parts)
            {
                count += part.Count;
            }

            return count;
        }
    }

    /// <summary>Bytes held.</summary>
    public long Bytes => _parts.Sum(part => part.Bytes) + Codec.Bytes;

    /// <summary>One of the parts.</summary>
    public StatePart this[int part] => _parts[part];

    /// <summary>The part that a state with this hash belongs to.</summary>
    public static int PartOf(ulong hash) => (int)(hash >> (64 - PartBits));

    /// <summary>The number of a state.</summary>
    public static int Number(int part, int position) => (position << PartBits) | part;

    /// <summary>Where the state with a number is.</summary>
    public static (int Part, int Position) Place(int number) => (number & (Parts - 1), number >> PartBits);

    /// <summary>How many states each part has.</summary>
    public int[] Counts()
    {
        int[] counts = new int[Parts];
        for (int part = 0; part < Parts; part++)
        {
            counts[part] = _parts[part].Count;
        }

        return counts;
    }

    /// <summary>Reads a state and its foldings (<see cref="StateCodec"/>).</summary>
    public void Read(int number, Span<ulong> tree)
    {
        (int part, int position) = Place(number);
        Codec.Unfold(_parts[part][position], tree);
    }

    /// <summary>Adds one state unless it is known.</summary>
    /// <returns>Whether it was new.</returns>
    public bool TryAdd(ReadOnlySpan<ulong> state)
    {
        Span<ulong> tree = stackalloc ulong[Codec.TreeWords];
        state.CopyTo(tree);
        while (!Codec.TryFold(tree, default, _spare))
        {
            Codec.Grow();
        }

        StatePart part = _parts[PartOf(StateHash.Of(state))];
        part.MakeRoom(1);
        ReadOnlySpan<ulong> record = tree[^Codec.RecordWords..];
        int count = part.Count;
        return part.Add(StateHash.Of(record), record) == count;
    }
}
