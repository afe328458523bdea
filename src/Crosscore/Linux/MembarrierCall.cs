using System.Runtime.InteropServices;

namespace Crosscore.Linux;

/// <summary>
/// membarrier(2). The constants are written out because installed headers lag behind: Debian's 6.1 headers do not know
/// <see cref="MEMBARRIER_CMD_GET_REGISTRATIONS"/>. Source: include/uapi/linux/membarrier.h.
/// </summary>
internal static class MembarrierCall
{
    public const int MEMBARRIER_CMD_QUERY = 0;
    public const int MEMBARRIER_CMD_GLOBAL = 1 << 0;
    public const int MEMBARRIER_CMD_GLOBAL_EXPEDITED = 1 << 1;
    public const int MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED = 1 << 2;
    public const int MEMBARRIER_CMD_PRIVATE_EXPEDITED = 1 << 3;
    public const int MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED = 1 << 4;
    public const int MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE = 1 << 5;
    public const int MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 1 << 6;
    public const int MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ = 1 << 7;
    public const int MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ = 1 << 8;
    public const int MEMBARRIER_CMD_GET_REGISTRATIONS = 1 << 9;

    public const uint MEMBARRIER_CMD_FLAG_CPU = 1 << 0;

    /// <summary>
    /// The number of the system call, or -1 for an architecture this library was not written for.
    /// Source: arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h.
    /// </summary>
    public static nint Number(Architecture architecture) =>
        architecture switch
        {
            Architecture.X64 => 324,
            Architecture.Arm64 => 283,
            _ => -1,
        };

    /// <summary>
    /// Makes the call; kernels before 5.10 ignore <paramref name="cpu"/>. Returns the answer or the negative error
    /// number.
    /// </summary>
    public static int Invoke(int command, uint flags, int cpu) =>
        (int)
            Libc.OrNegativeErrno(
                Libc.Syscall(Number(RuntimeInformation.ProcessArchitecture), command, (nint)flags, cpu)
            );
}
