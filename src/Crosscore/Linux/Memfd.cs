namespace Crosscore.Linux;

/// <summary>
/// memfd_create(2) and the seals of fcntl(2), F_ADD_SEALS. Source: include/uapi/linux/memfd.h and include/uapi/linux/fcntl.h.
/// </summary>
internal static unsafe class Memfd
{
    public const uint MFD_CLOEXEC = 0x0001;
    public const uint MFD_ALLOW_SEALING = 0x0002;

    /// <summary>Since Linux 6.3; older kernels answer EINVAL.</summary>
    public const uint MFD_NOEXEC_SEAL = 0x0008;

    public const int F_DUPFD = 0;
    public const int F_DUPFD_CLOEXEC = 1030;

    public const int F_ADD_SEALS = 1033;
    public const int F_GET_SEALS = 1034;

    public const int F_SEAL_SEAL = 0x0001;
    public const int F_SEAL_SHRINK = 0x0002;
    public const int F_SEAL_GROW = 0x0004;
    public const int F_SEAL_WRITE = 0x0008;

    public static int Create(ReadOnlySpan<byte> nullTerminatedName, uint flags)
    {
        // SAFETY: the name stays pinned during the call, and the callers pass u8 literals, which end in a null byte that the compiler adds.
        fixed (byte* name = nullTerminatedName)
        {
            return (int)Libc.OrNegativeErrno(Libc.MemfdCreate(name, flags));
        }
    }

    public static int AddSeals(int descriptor, int seals) => (int)Libc.OrNegativeErrno(Libc.Fcntl(descriptor, F_ADD_SEALS, seals));

    /// <summary>A second descriptor for the same open file. None below 3, which programs take for their standard streams.</summary>
    public static int Duplicate(int descriptor, bool closeOnExec) =>
        (int)Libc.OrNegativeErrno(Libc.Fcntl(descriptor, closeOnExec ? F_DUPFD_CLOEXEC : F_DUPFD, 3));

    public static int GetSeals(int descriptor) => (int)Libc.OrNegativeErrno(Libc.Fcntl(descriptor, F_GET_SEALS, 0));
}
