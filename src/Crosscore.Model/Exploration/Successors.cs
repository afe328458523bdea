using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>
/// What a run of neighboring states (its origins) leads to: the records of successors, known or not, in the order in
/// which they are found, and the origins where nothing follows. One thread fills it; it is used again and again.
/// </summary>
internal sealed class Successors(StateCodec codec)
{
    /// <summary>The most origins of one run.</summary>
    public const int MostOrigins = 512;

    private readonly int _words = codec.RecordWords;

    // Up to three words a state is its record, and one hash serves both purposes.
    private readonly bool _folded = codec.RecordWords != codec.Words;
    private int[] _ends = new int[16];
    private readonly int[] _perPart = new int[StateTable.Parts];
    private readonly int[] _partEnds = new int[StateTable.Parts];
    private ulong[] _records = [];
    private ulong[] _hashes = [];
    private byte[] _parts = [];
    private int[] _numbers = [];
    private int[] _order = [];

    /// <summary>The part of the origins.</summary>
    public int Part { get; private set; }

    /// <summary>The position of the first origin.</summary>
    public int First { get; private set; }

    /// <summary>How many origins there are.</summary>
    public int Length { get; private set; }

    /// <summary>How many of them have been expanded.</summary>
    public int Expanded { get; private set; }

    /// <summary>How many successors there are.</summary>
    public int Count { get; private set; }

    /// <summary>
    /// Final origins with an outcome that was not known before the block, by their place in the run; an outcome without
    /// meaning is <see langword="null"/>.
    /// </summary>
    public List<(int Origin, ulong[]? Outcome)> Finals { get; } = [];

    /// <summary>Final origins, by their place in the run, in order.</summary>
    public List<int> Ended { get; } = [];

    /// <summary>Origins that are not final and lead nowhere, by their place in the run.</summary>
    public List<int> Stuck { get; } = [];

    /// <summary>What went wrong with the origin after the last expanded one.</summary>
    public Exception? Failure { get; set; }

    /// <summary>How many successors belong to each part.</summary>
    public ReadOnlySpan<int> PerPart => _perPart;

    public void Begin(int part, int first, int length)
    {
        Part = part;
        First = first;
        Length = length;
        if (_ends.Length <= length)
        {
            _ends = new int[MostOrigins + 1];
        }

        Expanded = 0;
        Count = 0;
        Finals.Clear();
        Ended.Clear();
        Stuck.Clear();
        Failure = null;
        Array.Clear(_perPart);
    }

    /// <summary>Adds a successor of the origin that is being expanded.</summary>
    /// <param name="tree">The successor and its foldings.</param>
    public void Add(ReadOnlySpan<ulong> tree)
    {
        if (Count == _hashes.Length)
        {
            int room = Math.Max(8, 2 * Count);
            Array.Resize(ref _hashes, room);
            Array.Resize(ref _parts, room);
            Array.Resize(ref _numbers, room);
            Array.Resize(ref _records, room * _words);
        }

        ReadOnlySpan<ulong> record = tree[^_words..];
        record.CopyTo(_records.AsSpan(Count * _words));
        ulong hash = StateHash.Of(record);
        int part = StateTable.PartOf(_folded ? StateHash.Of(tree[..codec.Words]) : hash);
        _hashes[Count] = hash;
        _parts[Count++] = (byte)part;
        _perPart[part]++;
    }

    /// <summary>Ends the expansion of an origin.</summary>
    public void EndOrigin() => _ends[++Expanded] = Count;

    /// <summary>Removes what was added since the last <see cref="EndOrigin"/>.</summary>
    public void TakeBack()
    {
        while (Count > CountBefore(Expanded))
        {
            _perPart[_parts[--Count]]--;
        }
    }

    /// <summary>How many successors the origins before one have.</summary>
    public int CountBefore(int origin) => origin == 0 ? 0 : _ends[origin];

    public ReadOnlySpan<ulong> Record(int index) => _records.AsSpan(index * _words, _words);

    /// <summary>The numbers that the successors have in the table, once all of them are there.</summary>
    public ReadOnlySpan<int> Numbers => _numbers.AsSpan(0, Count);

    public void SetNumber(int index, int number) => _numbers[index] = number;

    public ulong Hash(int index) => _hashes[index];

    public int PartOf(int index) => _parts[index];

    /// <summary>
    /// Sorts the successors by the part that they belong to, each part in the order in which they were found.
    /// </summary>
    public void SortByPart()
    {
        if (_order.Length < Count)
        {
            _order = new int[_hashes.Length];
        }

        Span<int> next = stackalloc int[StateTable.Parts];
        int end = 0;
        for (int part = 0; part < StateTable.Parts; part++)
        {
            next[part] = end;
            end += _perPart[part];
            _partEnds[part] = end;
        }

        for (int index = 0; index < Count; index++)
        {
            _order[next[_parts[index]]++] = index;
        }
    }

    /// <summary>The successors of one part, after <see cref="SortByPart"/>.</summary>
    public ReadOnlySpan<int> InPart(int part) => _order.AsSpan(_partEnds[part] - _perPart[part], _perPart[part]);
}
