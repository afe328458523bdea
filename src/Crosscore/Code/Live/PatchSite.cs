using System.Buffers.Binary;

namespace Crosscore.Code;

/// <summary>
/// One instruction of live code that changes, and what stands in its place afterwards: one instruction, or several
/// shorter ones.
/// </summary>
/// <param name="Offset">Of the instruction, in its code.</param>
/// <param name="Old">Its bytes.</param>
/// <param name="New">As many bytes, whole instructions.</param>
/// <param name="Instructions">How many instructions <paramref name="New"/> are.</param>
/// <param name="FirstChanged">The first byte that differs, from <paramref name="Offset"/>.</param>
/// <param name="LastChanged">The last one.</param>
internal readonly record struct PatchSite(
    int Offset,
    InstructionBytes Old,
    InstructionBytes New,
    int Instructions,
    int FirstChanged,
    int LastChanged
)
{
    public int Length => Old.Length;

    /// <summary>Whether all changed bytes lie in the same aligned 8 bytes; the code begins on a page.</summary>
    public bool FitsOneStore => (Offset + FirstChanged) / 8 == (Offset + LastChanged) / 8;
}

/// <summary>
/// Up to 15 bytes of instructions by value, so that they can be a key: eight bytes, then seven and their number.
/// </summary>
internal readonly record struct InstructionBytes(ulong Low, ulong High)
{
    /// <summary>Room for what <see cref="CopyTo"/> writes.</summary>
    public const int Size = 16;

    public int Length => (int)(High >> 56);

    public byte this[int index] => (byte)((index < 8 ? Low : High) >> (index % 8 * 8));

    public static InstructionBytes Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> all = stackalloc byte[Size];
        all.Clear();
        bytes.CopyTo(all);
        all[Size - 1] = (byte)bytes.Length;
        return new(BinaryPrimitives.ReadUInt64LittleEndian(all), BinaryPrimitives.ReadUInt64LittleEndian(all[8..]));
    }

    /// <summary>Writes them into <see cref="Size"/> bytes, and returns those that are theirs.</summary>
    public Span<byte> CopyTo(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Low);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], High);
        return bytes[..Length];
    }
}
