using System.Buffers.Binary;

namespace Crosscore.Tests.Raw;

/// <summary>
/// Wraps machine code into the smallest executable that Linux on x86-64 starts: one segment, readable and executable,
/// and a stack that is not executable. No C library, no loader, no runtime: nothing registers with membarrier before
/// the first instruction. Source: elf(5).
/// </summary>
internal static class StaticElf
{
    private const ulong Base = 0x400000;
    private const int CodeOffset = 0x100; // After the header (64 bytes) and two program headers (56 bytes each).

    /// <summary>Where the code will lie, and its first instruction be executed.</summary>
    public const ulong Entry = Base + CodeOffset;

    public static byte[] Wrap(ReadOnlySpan<byte> code)
    {
        byte[] file = new byte[CodeOffset + code.Length];
        code.CopyTo(file.AsSpan(CodeOffset));

        Span<byte> header = file;
        new byte[]
        {
            0x7F,
            (byte)'E',
            (byte)'L',
            (byte)'F',
            2 /* 64 bits */
            ,
            1 /* little endian */
            ,
            1, /* version */
        }.CopyTo(header);
        Write16(header, 16, 2); // ET_EXEC
        Write16(header, 18, 62); // EM_X86_64
        Write32(header, 20, 1);
        Write64(header, 24, Entry);
        Write64(header, 32, 64); // Offset of the program headers.
        Write16(header, 52, 64);
        Write16(header, 54, 56);
        Write16(header, 56, 2);

        Span<byte> load = header[64..];
        Write32(load, 0, 1); // PT_LOAD
        Write32(load, 4, 4 | 1); // PF_R | PF_X
        Write64(load, 16, Base);
        Write64(load, 24, Base);
        Write64(load, 32, (ulong)file.Length);
        Write64(load, 40, (ulong)file.Length);
        Write64(load, 48, 0x1000);

        Span<byte> stack = header[120..];
        Write32(stack, 0, 0x6474E551); // PT_GNU_STACK
        Write32(stack, 4, 4 | 2); // PF_R | PF_W
        return file;
    }

    private static void Write16(Span<byte> at, int offset, ushort value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(at[offset..], value);

    private static void Write32(Span<byte> at, int offset, uint value) =>
        BinaryPrimitives.WriteUInt32LittleEndian(at[offset..], value);

    private static void Write64(Span<byte> at, int offset, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(at[offset..], value);
}
