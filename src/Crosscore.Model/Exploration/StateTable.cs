using System.Numerics;
using System.Runtime.CompilerServices;

namespace Crosscore.Model.Exploration;

/// <summary>
/// The states found so far, each stored once, in the order in which they were found, and compared exactly: no hash stands for a state.
/// A state's number is its position, so the search needs no queue, and states of one distance from the start are neighbours.
/// </summary>
/// <remarks>
/// Cost: 8 bytes a word of the state, and 8 bytes a slot of an index that is at most 3/4 full. A slot holds the hash beside the number, so that a probe
/// that meets another state nearly never has to look at it, which would be one more miss of every cache.
/// </remarks>
internal sealed class StateTable(int words)
{
    /// <summary>How many states the largest index has room for: 2^30 slots, the largest power of two that an array can have.</summary>
    public const int MostStates = (1 << 30) / 4 * 3;

    private const int ChunkBits = 10;
    private const int ChunkStates = 1 << ChunkBits;

    private readonly List<ulong[]> _chunks = [];

    // Open addressing with linear probing. A slot:  | hash : 32 | number of the state plus one : 32 |, and 0 is empty.
    private ulong[] _index = new ulong[64];

    /// <summary>How many states there are.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes held.</summary>
    public long Bytes => ((long)_chunks.Count * ChunkStates * words * sizeof(ulong)) + ((long)_index.Length * sizeof(ulong));

    /// <summary>Bytes that the next state would add to <see cref="Bytes"/>.</summary>
    public long BytesOfNext =>
        (Count == _chunks.Count << ChunkBits ? (long)ChunkStates * words * sizeof(ulong) : 0) +
        (IndexIsFull ? 2L * _index.Length * sizeof(ulong) : 0);

    private bool IndexIsFull => Count >= _index.Length / 4 * 3;

    public ReadOnlySpan<ulong> this[int number]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _chunks[number >> ChunkBits].AsSpan((number & (ChunkStates - 1)) * words, words);
    }

    /// <summary>Adds a state unless it is known.</summary>
    /// <returns>Whether it was new.</returns>
    public bool TryAdd(ReadOnlySpan<ulong> state)
    {
        if (IndexIsFull)
        {
            Grow();
        }

        uint hash = Hash(state);
        int mask = _index.Length - 1;
        int slot = (int)hash & mask;
        while (_index[slot] != 0)
        {
            if ((uint)(_index[slot] >> 32) == hash && this[(int)(uint)_index[slot] - 1].SequenceEqual(state))
            {
                return false;
            }

            slot = (slot + 1) & mask;
        }

        if (Count == _chunks.Count << ChunkBits)
        {
            _chunks.Add(GC.AllocateUninitializedArray<ulong>(ChunkStates * words));
        }

        int number = Count++;
        state.CopyTo(_chunks[number >> ChunkBits].AsSpan((number & (ChunkStates - 1)) * words, words));
        _index[slot] = ((ulong)hash << 32) | ((uint)number + 1);
        return true;
    }

    /// <summary>Whether a state is known.</summary>
    public bool Contains(ReadOnlySpan<ulong> state)
    {
        uint hash = Hash(state);
        int mask = _index.Length - 1;
        for (int slot = (int)hash & mask; _index[slot] != 0; slot = (slot + 1) & mask)
        {
            if ((uint)(_index[slot] >> 32) == hash && this[(int)(uint)_index[slot] - 1].SequenceEqual(state))
            {
                return true;
            }
        }

        return false;
    }

    private void Grow()
    {
        ulong[] old = _index;
        _index = new ulong[old.Length * 2];
        int mask = _index.Length - 1;
        foreach (ulong entry in old)
        {
            if (entry == 0)
            {
                continue;
            }

            int slot = (int)(entry >> 32) & mask;
            while (_index[slot] != 0)
            {
                slot = (slot + 1) & mask;
            }

            _index[slot] = entry;
        }
    }

    // Multiply and fold: packed states differ in a few bits, which the product spreads over the word and the rotation carries on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Hash(ReadOnlySpan<ulong> state)
    {
        ulong hash = 0x9E37_79B9_7F4A_7C15;
        foreach (ulong word in state)
        {
            ulong high = Math.BigMul(hash ^ word, 0xD6E8_FEB8_6659_FD93, out ulong low);
            hash = BitOperations.RotateLeft(high ^ low, 23);
        }

        return (uint)(hash ^ (hash >> 32));
    }
}
