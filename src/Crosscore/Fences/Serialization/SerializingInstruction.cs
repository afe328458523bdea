using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Crosscore.Isa;

namespace Crosscore;

/// <summary>
/// The machine code of a function that only serializes the core it runs on: C# has none of these instructions. It
/// changes no register but rax and rcx, so machine code of this library can call it, too.
/// </summary>
internal static class SerializingInstruction
{
    /// <summary>
    /// Gets <c>serialize</c>, where there is one; otherwise <c>iretq</c> to the next instruction, which takes 50 ns
    /// against microseconds for <c>cpuid</c>, which leaves a virtual machine. Under a shadow stack <c>iretq</c> would
    /// take its return address from that stack, where it is not, so there the function executes <c>cpuid</c>.
    /// </summary>
    public static byte[] For(Architecture architecture, bool hasSerialize) =>
        architecture switch
        {
            Architecture.X64 when hasSerialize => SerializingFunctions.Serialize(),
            Architecture.X64 => SerializingFunctions.IretOrCpuid(),
            Architecture.Arm64 => SerializingFunctions.Isb(),
            _ => throw new PlatformNotSupportedException(
                $"CoreSerialization: {architecture} is not supported, only x86-64 and arm64. Test for that first."
            ),
        };

    /// <summary>
    /// Gets the function for this machine. SERIALIZE: Intel SDM vol. 2, CPUID leaf 7, EDX bit 14.
    /// </summary>
    public static byte[] ForThisMachine() => For(RuntimeInformation.ProcessArchitecture, HasSerialize);

    private static bool HasSerialize =>
        X86Base.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && (X86Base.CpuId(7, 0).Edx & 1 << 14) != 0;
}
