namespace Crosscore.Linux;

/// <summary>
/// memfd_create(2) and the seals of fcntl(2), F_ADD_SEALS. Source: include/uapi/linux/memfd.h and
/// include/uapi/linux/fcntl.h.
/// </summary>
internal static unsafe class Memfd
{
    public const uint MFD_CLOEXEC = 0x0001;
    public const uint MFD_ALLOW_SEALING = 0x0002;

    /// <summary>Since Linux 6.3; older kernels answer EINVAL.</summary>
    public const uint MFD_NOEXEC_SEAL = 0x0008;

    public const int F_DUPFD = 0;
    public const int F_GETFL = 3;
    public const int F_SETSIG = 10;
    public const int F_DUPFD_CLOEXEC = 1030;

    public const int F_SETLEASE = 1024;
    public const int F_RDLCK = 0;
    public const int F_UNLCK = 2;

    public const int F_ADD_SEALS = 1033;
    public const int F_GET_SEALS = 1034;

    public const int F_SEAL_SEAL = 0x0001;
    public const int F_SEAL_SHRINK = 0x0002;
    public const int F_SEAL_GROW = 0x0004;
    public const int F_SEAL_WRITE = 0x0008;

    /// <summary>Since Linux 5.1: writable mappings that exist stay, and nothing else can write any more.</summary>
    public const int F_SEAL_FUTURE_WRITE = 0x0010;

    public static int Create(ReadOnlySpan<byte> nullTerminatedName, uint flags)
    {
        // SAFETY: the name stays pinned during the call, and the callers pass u8 literals, which end in a null byte
        // that the compiler adds.
        fixed (byte* name = nullTerminatedName)
        {
            return (int)Libc.OrNegativeErrno(Libc.MemfdCreate(name, flags));
        }
    }

    public static int AddSeals(int descriptor, int seals) =>
        (int)Libc.OrNegativeErrno(Libc.Fcntl(descriptor, F_ADD_SEALS, seals));

    /// <summary>
    /// A second descriptor for the same open file. None below 3, which programs take for their standard streams.
    /// </summary>
    public static int Duplicate(int descriptor, bool closeOnExec) =>
        (int)Libc.OrNegativeErrno(Libc.Fcntl(descriptor, closeOnExec ? F_DUPFD_CLOEXEC : F_DUPFD, 3));

    /// <summary>Another size. Returns 0 or the negative error number.</summary>
    public static int Resize(int descriptor, long length) =>
        (int)Libc.OrNegativeErrno(Libc.Ftruncate(descriptor, length));

    /// <summary>
    /// Makes the file at least that long and allocates all of its memory. Returns 0 or the negative error number. A
    /// signal interrupts the call (mm/shmem.c, shmem_fallocate), and the runtime sends some: then it is repeated.
    /// </summary>
    public static int Allocate(int descriptor, long length)
    {
        int answer = 0;
        for (int tries = 0; tries < OpenFile.MaxTries; tries++)
        {
            answer = (int)Libc.OrNegativeErrno(Libc.Fallocate(descriptor, 0, 0, length));
            if (answer != -Errno.EINTR)
            {
                break;
            }
        }

        return answer;
    }

    /// <summary>The flags that a descriptor was opened with, or the negative error number.</summary>
    public static int StatusFlags(int descriptor) => (int)Libc.OrNegativeErrno(Libc.Fcntl(descriptor, F_GETFL, 0));

    /// <summary>
    /// Asks whether any process has opened the file for writing: fcntl(2), "Leases". The kernel grants a read lease
    /// only while no open file description made by open(2) can write the file, and a mapping keeps its description. The
    /// one that memfd_create made is not counted, because no open(2) made it. Nor is a duplicate of that one, which
    /// pidfd_getfd(2) gives to a process that may trace this one: this does not exclude such a process
    /// (docs/security.md).
    /// </summary>
    /// <param name="readOnly">A descriptor opened for reading only.</param>
    /// <returns>0 where none can, EAGAIN where one can, or another negative error number.</returns>
    public static int CheckForWriters(int readOnly)
    {
        const int SIGURG = 23; // Ignored unless a program asks for it; the default, SIGIO, would end the process.
        int answer = (int)Libc.OrNegativeErrno(Libc.Fcntl(readOnly, F_SETSIG, SIGURG));
        if (answer < 0)
        {
            return answer;
        }

        answer = (int)Libc.OrNegativeErrno(Libc.Fcntl(readOnly, F_SETLEASE, F_RDLCK));
        return answer < 0 ? answer : (int)Libc.OrNegativeErrno(Libc.Fcntl(readOnly, F_SETLEASE, F_UNLCK));
    }

    public static int GetSeals(int descriptor) => (int)Libc.OrNegativeErrno(Libc.Fcntl(descriptor, F_GET_SEALS, 0));
}
