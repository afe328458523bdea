using System.Runtime.InteropServices;

namespace Crosscore.Linux;

/// <summary>
/// rseq(2): the layout that kernel and threads share, and the call, which this library makes only to learn what glibc
/// registered. Source: include/uapi/linux/rseq.h; sysdeps/unix/sysv/linux/x86/bits/rseq.h of glibc.
/// </summary>
internal static class RseqCall
{
    // struct rseq, one for each thread. Every field but rseq_cs belongs to the kernel: no other code may store to it. A
    // kernel since 6.19 relies on that, and a
    // well-known allocator that stored to cpu_id_start crashes there (google/tcmalloc#292).
    public const int CpuIdOffset = 4;
    public const int RseqCsOffset = 8;
    public const int ConcurrencyIdOffset = 24;

    /// <summary>The kernel accepts no shorter registration, whatever part of it has a meaning.</summary>
    public const uint OriginalSize = 32;

    /// <summary>
    /// What must lie in the four bytes before every abort address, or the kernel ends the process: RSEQ_SIG on x86.
    /// </summary>
    public const uint Signature = 0x53053053;

    public const int RSEQ_FLAG_UNREGISTER = 1;

    public const nuint AT_RSEQ_FEATURE_SIZE = 27;

    /// <summary>
    /// Source: arch/x86/entry/syscalls/syscall_64.tbl. Other architectures have no sections here, so nothing asks for
    /// their number.
    /// </summary>
    private const nint NumberOnX64 = 334;

    public static int Invoke(nint area, uint length, int flags, uint signature) =>
        (int)Libc.OrNegativeErrno(Libc.Syscall4(NumberOnX64, area, (nint)length, flags, (nint)signature));

    /// <summary>
    /// struct rseq_cs: one section. The kernel reads it whenever a thread whose pointer names it comes back to user
    /// mode after an event.
    /// </summary>
    [StructLayout(LayoutKind.Sequential, Size = 32)]
    public struct Descriptor
    {
        public uint Version;
        public uint Flags;
        public ulong StartIp;
        public ulong PostCommitOffset;
        public ulong AbortIp;
    }
}
