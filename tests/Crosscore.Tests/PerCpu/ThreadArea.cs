using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.PerCpu;

namespace Crosscore.Tests.PerCpu;

/// <summary>Reads the calling thread's area, as the kernel would.</summary>
internal static unsafe class ThreadArea
{
    private static readonly nint Pointer = Reader(RseqArea.Here.Offset + RseqCall.RseqCsOffset);
    private static readonly nint ThreadPointer = Reader(0); // which the ABI keeps at its own address

    /// <summary>rseq_cs.</summary>
    public static nint SectionPointer() => ((delegate* unmanaged[SuppressGCTransition]<nint>)Pointer)();

    /// <summary>
    /// Takes the calling thread's registration away, as for a thread that glibc has not made. It has to be one that
    /// ends after the test.
    /// </summary>
    /// <returns>The negative error number, or 0.</returns>
    public static int Unregister()
    {
        nint area = ((delegate* unmanaged[SuppressGCTransition]<nint>)ThreadPointer)() + RseqArea.Here.Offset;
        return RseqCall.Invoke(area, RseqCall.OriginalSize, RseqCall.RSEQ_FLAG_UNREGISTER, RseqCall.Signature);
    }

    /// <summary>mov rax, fs:[disp32]; ret - installed for good.</summary>
    private static nint Reader(int displacement) =>
        SealedCode.Seal([0x64, 0x48, 0x8B, 0x04, 0x25, .. BitConverter.GetBytes(displacement), 0xC3]).Install().Address;
}
