using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.PerCpu;

namespace Crosscore.Tests.PerCpu;

/// <summary>Reads the calling thread's area, as the kernel would.</summary>
internal static unsafe class ThreadArea
{
    // mov rax, fs:[disp32]; ret
    private static readonly InstalledCode Code = SealedCode.Seal(
        [0x64, 0x48, 0x8B, 0x04, 0x25, .. BitConverter.GetBytes(RestartableSequences.AreaOffset + RseqCall.RseqCsOffset), 0xC3]).Install();

    /// <summary>rseq_cs.</summary>
    public static nint SectionPointer() => ((delegate* unmanaged[SuppressGCTransition]<nint>)Code.Address)();
}
