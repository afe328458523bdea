using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Some of the states: their records in the order in which they were found, and the index that finds them. One thread
/// at a time adds to it, after it has made room; any number may concurrently read what was there before.
/// </summary>
internal sealed class StatePart
{
    // 8 to 24 KiB a chunk: with many parts, larger ones would leave much room empty. All but the first are of one size;
    // the first grows up to it.
    private const int ChunkBits = 10;
    private const int ChunkStates = 1 << ChunkBits;
    private const int LeastChunkStates = 8;

    private readonly int _words;
    private readonly StateIndex _index = new();
    private ulong[][] _chunks = [];
    private int _capacity;

    public StatePart(int recordWords) => _words = recordWords;

    /// <summary>How many states there are.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes held.</summary>
    public long Bytes => BytesWith(0);

    /// <summary>The record of a state.</summary>
    public ReadOnlySpan<ulong> this[int number] =>
        _chunks[number >> ChunkBits].AsSpan((number & (ChunkStates - 1)) * _words, _words);

    /// <summary>Bytes that would be held with room for some more states.</summary>
    public long BytesWith(int more) =>
        ((long)CapacityFor(more) * _words * sizeof(ulong))
        + ((long)(more == 0 ? _index.Slots : _index.SlotsFor(more)) * sizeof(uint));

    /// <summary>Makes room for some more states.</summary>
    public void MakeRoom(int more)
    {
        int slots = _index.SlotsFor(more);
        if (slots != _index.Slots)
        {
            _index.Clear(slots);
            for (int number = 0; number < Count; number++)
            {
                _index.Put(StateHash.Of(this[number]), number);
            }
        }

        int capacity = CapacityFor(more);
        if (_capacity < ChunkStates && capacity > _capacity)
        {
            ulong[] chunk = GC.AllocateUninitializedArray<ulong>(Math.Min(capacity, ChunkStates) * _words);
            _chunks.FirstOrDefault()?.CopyTo(chunk, 0);
            _chunks = [chunk];
        }

        int old = _chunks.Length;
        if (capacity >> ChunkBits > old)
        {
            Array.Resize(ref _chunks, capacity >> ChunkBits);
            for (int chunk = old; chunk < _chunks.Length; chunk++)
            {
                // Pinned, so that the collector does not copy what stays to the end.
                _chunks[chunk] = GC.AllocateUninitializedArray<ulong>(ChunkStates * _words, pinned: true);
            }
        }

        _capacity = capacity;
    }

    /// <summary>
    /// Reads what <see cref="Add"/> of a record with this hash will read first, and does nothing with it: many such
    /// reads wait for memory together, where the additions would wait one after the other.
    /// </summary>
    public uint Touch(ulong hash) => _index.Touch(hash);

    /// <summary>Adds a record unless it is there. There must be room.</summary>
    /// <param name="hash">The hash of the record.</param>
    /// <param name="record">The record.</param>
    /// <returns>Its number.</returns>
    public int Add(ulong hash, ReadOnlySpan<ulong> record)
    {
        int known = Find(hash, record, out int slot);
        if (known >= 0)
        {
            return known;
        }

        _index.Put(hash, slot, Count);
        record.CopyTo(_chunks[Count >> ChunkBits].AsSpan((Count & (ChunkStates - 1)) * _words, _words));
        return Count++;
    }

    /// <summary>Whether a record is there.</summary>
    public bool Contains(ulong hash, ReadOnlySpan<ulong> record) => Count > 0 && Find(hash, record, out _) >= 0;

    // Returns -1 where it is not.
    private int Find(ulong hash, ReadOnlySpan<ulong> record, out int slot)
    {
        slot = _index.Home(hash);
        for (int number; (number = _index.Next(hash, ref slot)) >= 0; slot = _index.After(slot))
        {
            if (record.SequenceEqual(this[number]))
            {
                return number;
            }
        }

        return -1;
    }

    private int CapacityFor(int more)
    {
        int capacity = _capacity;
        while (capacity < Count + more)
        {
            capacity = capacity < ChunkStates ? Math.Max(LeastChunkStates, capacity * 2) : capacity + ChunkStates;
        }

        return capacity;
    }
}
