namespace Crosscore.Code;

/// <summary>One instruction of live code that changes, and what stands in its place afterwards: one instruction, or several shorter ones.</summary>
/// <param name="Offset">Of the instruction, in its code.</param>
/// <param name="Old">Its bytes.</param>
/// <param name="New">As many bytes, whole instructions.</param>
/// <param name="Instructions">How many instructions <paramref name="New"/> are.</param>
/// <param name="FirstChanged">The first byte that differs, from <paramref name="Offset"/>.</param>
/// <param name="LastChanged">The last one.</param>
internal readonly record struct PatchSite(int Offset, InstructionBytes Old, InstructionBytes New, int Instructions, int FirstChanged, int LastChanged)
{
    public int Length => Old.Length;

    /// <summary>Whether all changed bytes lie in the same aligned 8 bytes; the code begins on a page.</summary>
    public bool FitsOneStore => (Offset + FirstChanged) / 8 == (Offset + LastChanged) / 8;

    public bool IsOneByte => FirstChanged == LastChanged;
}

/// <summary>Up to 15 bytes of instructions by value, so that they can be a key.</summary>
internal readonly record struct InstructionBytes(UInt128 Bits)
{
    public InstructionBytes(ReadOnlySpan<byte> bytes)
        : this(Pack(bytes))
    {
    }

    public int Length => (int)(Bits >> 120);

    public byte this[int index] => (byte)(Bits >> (index * 8));

    /// <summary>Writes them and returns how many they are.</summary>
    public int CopyTo(Span<byte> bytes)
    {
        for (int index = 0; index < Length; index++)
        {
            bytes[index] = this[index];
        }

        return Length;
    }

    private static UInt128 Pack(ReadOnlySpan<byte> bytes)
    {
        UInt128 bits = (UInt128)(uint)bytes.Length << 120;
        for (int index = 0; index < bytes.Length; index++)
        {
            bits |= (UInt128)bytes[index] << (index * 8);
        }

        return bits;
    }
}
