using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Crosscore;

/// <summary>Reads from the machine what <see cref="FenceDecision"/> decides from.</summary>
internal static class FenceProbe
{
    public static FenceFacts Ask() =>
        new(
            OperatingSystem.IsLinux() || OperatingSystem.IsAndroid(),
            OperatingSystem.IsWindows()
                || OperatingSystem.IsMacOS()
                || OperatingSystem.IsIOS()
                || OperatingSystem.IsTvOS()
                || OperatingSystem.IsMacCatalyst(),
            RuntimeInformation.ProcessArchitecture,
            TryMembarrier(),
            KernelRelease.Read() is { Emulated: true },
            BroadcastsInvalidations(),
            Environment.Version.Major
        );

    /// <summary>
    /// Tries the command itself, not only its registration: a sandbox may allow one and refuse the other.
    /// </summary>
    private static MembarrierFailure TryMembarrier()
    {
        if (!Membarrier.TryRegister(MembarrierRegistrations.PrivateExpedited, out MembarrierFailure failure))
        {
            return failure;
        }

        try
        {
            Membarrier.PrivateExpedited();
            return MembarrierFailure.None;
        }
        catch (MembarrierException refusal)
        {
            return refusal.Failure;
        }
    }

    /// <summary>
    /// CPUID 8000_0008h, EBX bit 3: INVLPGB and TLBSYNC (AMD APM vol. 3, appendix E). From 6.15 on, Linux uses them for
    /// processes that run on several processors, and then mprotect(2) interrupts no processor. /proc/cpuinfo does not
    /// show the bit.
    /// </summary>
    private static bool BroadcastsInvalidations()
    {
        const int Extended = unchecked((int)0x80000000);
        const int AddressSizes = unchecked((int)0x80000008);
        return X86Base.IsSupported
            && (uint)X86Base.CpuId(Extended, 0).Eax >= unchecked((uint)AddressSizes)
            && (X86Base.CpuId(AddressSizes, 0).Ebx & (1 << 3)) != 0;
    }
}
