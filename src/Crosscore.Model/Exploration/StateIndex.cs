namespace Crosscore.Model.Exploration;

/// <summary>
/// Finds records by their hashes: the index of a <see cref="StatePart"/>. It knows numbers and bits of hashes, not the
/// records themselves.
/// </summary>
/// <remarks>
/// Open addressing with linear probing, 4 bytes a slot, at most 4/5 of them taken, 0 is empty. Growth is by half, so
/// that at least 8/15 are taken: 5 to 7.5 bytes a number. It holds all numbers from 0 on, each in b bits. A slot:
/// <code>
/// | tag : 32 - b | number plus one : b |
/// </code>
/// The tag, bits of the hash, has all the room that numbers leave, so that a record with another hash is nearly never
/// looked at, which would be one more miss of every cache. With 100 million states in 32 parts the tag has 10 bits.
/// </remarks>
internal sealed class StateIndex
{
    private const int LeastSlots = 16;

    private uint[] _slots = [];
    private int _numberBits;
    private int _count;

    /// <summary>How many slots there are.</summary>
    public int Slots => _slots.Length;

    /// <summary>The slots that are needed for some more numbers.</summary>
    public int SlotsFor(int more)
    {
        int slots = Math.Max(_slots.Length, LeastSlots);
        while (_count + (long)more > MostIn(slots))
        {
            slots = checked(slots + (slots / 2));
        }

        return slots;
    }

    /// <summary>The slot where the search for a hash begins.</summary>
    public int Home(ulong hash) => (int)(((hash & uint.MaxValue) * (ulong)_slots.Length) >> 32);

    /// <summary>
    /// Reads the first slot of a search and does nothing with it: many such reads wait for memory together, where the
    /// searches would wait one by one.
    /// </summary>
    public uint Touch(ulong hash) => _slots[Home(hash)];

    /// <summary>Finds the next number whose hash may be the given one, from a slot on.</summary>
    /// <param name="hash">The hash.</param>
    /// <param name="slot">In: where to begin. Out: the slot of that number, or the empty slot that ended the
    /// search.</param>
    /// <returns>The number, or -1 when there is none.</returns>
    public int Next(ulong hash, ref int slot)
    {
        uint[] slots = _slots;
        uint tag = Tag(hash);
        for (int at = slot; ; at++)
        {
            if (at == slots.Length)
            {
                at = 0;
            }

            uint found = slots[at];
            if (found == 0 || (found ^ tag) >> _numberBits == 0)
            {
                slot = at;
                return (int)(found & NumberMask) - 1;
            }
        }
    }

    /// <summary>The slot after one.</summary>
    public int After(int slot) => slot + 1 == _slots.Length ? 0 : slot + 1;

    /// <summary>Puts a number into the empty slot that <see cref="Next"/> found.</summary>
    public void Put(ulong hash, int slot, int number)
    {
        _slots[slot] = (Tag(hash) & ~NumberMask) | ((uint)number + 1);
        _count++;
    }

    /// <summary>Begins anew with other slots; the numbers have to be put in again.</summary>
    public void Clear(int slots)
    {
        // The old slots need not be there at the same time as the new ones.
        _slots = [];
        _slots = new uint[slots];
        _numberBits = System.Numerics.BitOperations.Log2((uint)MostIn(slots)) + 1;
        _count = 0;
    }

    /// <summary>Puts a number in that is not there.</summary>
    public void Put(ulong hash, int number)
    {
        int slot = Home(hash);
        while (_slots[slot] != 0)
        {
            slot = After(slot);
        }

        Put(hash, slot, number);
    }

    private static int MostIn(int slots) => (int)(slots / 5L * 4);

    private uint NumberMask => (1u << _numberBits) - 1;

    // Home depends on the bits below more than on these, the choice of the part on those above.
    private static uint Tag(ulong hash) => (uint)(hash >> 26);
}
