using System.Runtime.InteropServices;

namespace Crosscore.Isa;

/// <summary>What code needs to know of the instruction set that this process executes: x86-64 or AArch64.</summary>
internal static class NativeIsa
{
    /// <summary>EM_X86_64 and EM_AARCH64 of elf(5).</summary>
    public static ushort ElfMachine => IsX86_64 ? (ushort)62 : (ushort)183;

    /// <summary>
    /// INT3 on x86-64 (one byte, so from any offset); UDF #0, four null bytes, on AArch64. Both raise an exception when
    /// executed.
    /// </summary>
    public static byte Trap => IsX86_64 ? X86_64Encoder.Int3 : (byte)0x00;

    /// <summary>A function that returns at once.</summary>
    public static ReadOnlySpan<byte> Return =>
        IsX86_64 ? [X86_64Encoder.Ret] : MemoryMarshal.AsBytes(AArch64Instructions.OnlyReturn);

    private static bool IsX86_64 => RuntimeInformation.ProcessArchitecture == Architecture.X64;
}
