using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Crosscore.Isa;

namespace Crosscore;

/// <summary>
/// A function that does nothing but serialise the core it runs on, as machine code: C# cannot say any of these
/// instructions. It changes rax and rcx only, so code of this library can call it, too.
/// </summary>
internal static class SerializingInstruction
{
    /// <summary>
    /// <c>serialize</c>, where there is one; otherwise <c>iretq</c> to the next instruction, 50 ns against microseconds
    /// for <c>cpuid</c>, which leaves a virtual machine. Under a shadow stack <c>iretq</c> would take its way back from
    /// that stack, where it is not, so there it is <c>cpuid</c> after all.
    /// </summary>
    public static byte[] For(Architecture architecture, bool hasSerialize) =>
        architecture switch
        {
            Architecture.X64 when hasSerialize => SerializingFunctions.Serialize(),
            Architecture.X64 => SerializingFunctions.IretOrCpuid(),
            Architecture.Arm64 => SerializingFunctions.Isb(),
            _ => throw new PlatformNotSupportedException(
                $"No core-serialising instruction is known to this library for {architecture}."
            ),
        };

    /// <summary>For this machine. SERIALIZE: Intel SDM vol. 2, CPUID leaf 7, EDX bit 14.</summary>
    public static byte[] ForThisMachine() => For(RuntimeInformation.ProcessArchitecture, HasSerialize);

    private static bool HasSerialize =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Edx & 1 << 14) != 0;
}
