using System.Numerics;
using System.Runtime.CompilerServices;

namespace Crosscore.Model.State;

/// <summary>Some bits of a packed state, all in one word.</summary>
/// <param name="Word">Which word.</param>
/// <param name="Shift">The lowest bit.</param>
/// <param name="Mask">The largest value it holds, all ones.</param>
internal readonly record struct BitField(int Word, int Shift, ulong Mask)
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Get(ReadOnlySpan<ulong> state) => (int)((state[Word] >> Shift) & Mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Set(Span<ulong> state, int value)
    {
        System.Diagnostics.Debug.Assert((ulong)value <= Mask, "A field cannot hold the value.");
        ref ulong word = ref state[Word];
        word = (word & ~(Mask << Shift)) | ((ulong)value << Shift);
    }
}

/// <summary>Hands out the bits of a packed state. A field never straddles two words.</summary>
internal sealed class StateLayout
{
    // Bits taken of each word. First fit: small fields fill the ends that large ones leave.
    private readonly List<int> _taken = [];

    /// <summary>Words of a state; at least one.</summary>
    public int Words => Math.Max(1, _taken.Count);

    /// <summary>Bits in use.</summary>
    public int Bits => _taken.Sum();

    /// <summary>
    /// A field that can hold the values 0 to <paramref name="largest"/>. A field with only one value takes no bits.
    /// </summary>
    public BitField Add(int largest)
    {
        int bits = BitOperations.Log2((uint)largest) + (largest == 0 ? 0 : 1);
        int word = _taken.FindIndex(taken => taken + bits <= 64);
        if (word < 0)
        {
            word = _taken.Count;
            _taken.Add(0);
        }

        // A shift of 64 would be one of 0: a field without bits sits anywhere below.
        var field = new BitField(word, Math.Min(_taken[word], 63), bits == 0 ? 0 : (1UL << bits) - 1);
        _taken[word] += bits;
        return field;
    }
}
