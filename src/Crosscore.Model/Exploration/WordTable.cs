using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Gives each different 64-bit word a number of 32 bits, and the word back for the number. States wider than a record
/// are made narrower with it: their words repeat, because most of a state stays as it is from step to step (tree
/// compression: Laarman, van de Pol and Weber, SPIN 2011).
/// </summary>
/// <remarks>
/// Any number of threads may look up, add and read at once. The table never grows under their hands: when it is full
/// <see cref="TryNumber"/> says so, and the caller that directs the threads calls <see cref="Grow"/> while none of them
/// is inside.
/// </remarks>
internal sealed class WordTable
{
    private const int ChunkBits = 10;
    private const int ChunkWords = 1 << ChunkBits;

    // Open addressing with linear probing. A slot: | upper half of the hash : 32 | number plus one : 32 |, and 0 is
    // empty.
    private ulong[] _slots = new ulong[64];

    // Words by number. The directory has room for as many chunks as the slots have for numbers.
    private ulong[]?[] _chunks = new ulong[1][];
    private int _count;

    /// <summary>
    /// How many numbers were given; a few may be spares (<see cref="NumberSpare"/>) that stand for nothing yet.
    /// </summary>
    public int Count => _count;

    /// <summary>Bytes held when it is full.</summary>
    public long Bytes => BytesWith(_slots.Length);

    /// <summary>Bytes that would be held right after <see cref="Grow"/>.</summary>
    public long BytesAfterGrowth => BytesWith(2L * _slots.Length);

    private int Limit => _slots.Length / 4 * 3;

    /// <summary>The word with a number.</summary>
    public ulong this[uint number] => _chunks[number >> ChunkBits]![number & (ChunkWords - 1)];

    /// <summary>The number of a word, new or known.</summary>
    /// <param name="word">The word.</param>
    /// <param name="spare">This thread's own.</param>
    /// <param name="number">The number.</param>
    /// <returns><see langword="false"/> when the word is new and the table full.</returns>
    public bool TryNumber(ulong word, NumberSpare spare, out uint number)
    {
        ulong hash = StateHash.Of(new ReadOnlySpan<ulong>(in word)) & 0xFFFF_FFFF_0000_0000;
        ulong[] slots = _slots;
        int mask = slots.Length - 1;
        int slot = (int)(hash >> 32) & mask;
        while (true)
        {
            // Pairs with the exchange below: who sees a number in a slot sees the word that was written before it, and
            // the chunk that the word is in.
            ulong found = Volatile.Read(ref slots[slot]);
            if (found == 0)
            {
                if (!TryWrite(word, spare, out number))
                {
                    return false;
                }

                // Pairs with the read above. A full fence, so the word is there before its number is. Only one thread
                // gets the slot: who comes second looks at what the first has put there, so a word cannot get two
                // numbers.
                found = Interlocked.CompareExchange(ref slots[slot], hash | (number + 1), 0);
                if (found == 0)
                {
                    spare.Number = -1;
                    return true;
                }
            }

            if ((found & 0xFFFF_FFFF_0000_0000) == hash && this[(uint)found - 1] == word)
            {
                number = (uint)found - 1;
                return true;
            }

            slot = (slot + 1) & mask;
        }
    }

    /// <summary>
    /// Doubles the room. No other thread may use the table concurrently, and all must learn by a barrier that it is
    /// done.
    /// </summary>
    public void Grow()
    {
        ulong[] old = _slots;
        var slots = new ulong[old.Length * 2];
        int mask = slots.Length - 1;
        foreach (ulong entry in old)
        {
            if (entry != 0)
            {
                int slot = (int)(entry >> 32) & mask;
                while (slots[slot] != 0)
                {
                    slot = (slot + 1) & mask;
                }

                slots[slot] = entry;
            }
        }

        _slots = slots;
        Array.Resize(ref _chunks, Math.Max(1, slots.Length >> ChunkBits));
    }

    // Room for words is counted as taken, so that no bound on bytes is passed between two growths.
    private static long BytesWith(long slots)
    {
        long chunks = ((slots / 4 * 3) + ChunkWords - 1) >> ChunkBits;
        return (slots * sizeof(ulong)) + (chunks * ((ChunkWords * sizeof(ulong)) + IntPtr.Size));
    }

    // Writes the word under a number that no thread has seen: a fresh one, or the one that the last attempt of this
    // thread left over.
    private bool TryWrite(ulong word, NumberSpare spare, out uint number)
    {
        if (spare.Number < 0)
        {
            // As many threads as there are may pass here at once and take a number each; a quarter of the slots is left
            // for them.
            if (Volatile.Read(ref _count) >= Limit)
            {
                number = 0;
                return false;
            }

            spare.Number = Interlocked.Increment(ref _count) - 1;
        }

        number = (uint)spare.Number;
        ref ulong[]? chunk = ref _chunks[number >> ChunkBits];
        if (Volatile.Read(ref chunk) is null)
        {
            // The first to come puts the chunk there for all; its exchange pairs with the read in the line above.
            Interlocked.CompareExchange(ref chunk, GC.AllocateUninitializedArray<ulong>(ChunkWords), null);
        }

        chunk![number & (ChunkWords - 1)] = word;
        return true;
    }
}

/// <summary>
/// A number that a thread took from a <see cref="WordTable"/> for a word to which another thread gave one first: it is
/// kept for the next new word.
/// </summary>
internal sealed class NumberSpare
{
    /// <summary>The number; -1 for none.</summary>
    public int Number { get; set; } = -1;
}
