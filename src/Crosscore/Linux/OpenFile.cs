using System.Runtime.InteropServices;
using System.Text;

namespace Crosscore.Linux;

/// <summary>
/// open(2), pread(2), pwrite(2), write(2) and close(2) on descriptors, with the kernel's answers. Source of the flags:
/// include/uapi/asm-generic/fcntl.h, arch/arm64/include/uapi/asm/fcntl.h.
/// </summary>
internal static unsafe class OpenFile
{
    public const int O_RDONLY = 0;
    public const int O_WRONLY = 1;
    public const int O_RDWR = 2;
    public const int O_ACCMODE = 3;
    public const int O_CREAT = 0x40;
    public const int O_NOCTTY = 0x100;
    public const int O_APPEND = 0x400;
    public const int O_NONBLOCK = 0x800;
    public const int O_CLOEXEC = 0x80000;

    /// <summary>O_PATH: the descriptor can be neither read nor mapped.</summary>
    public const int O_PATH = 0x200000;

    private const int OwnerReadsAndWrites = 0x180; // 0600

    /// <summary>
    /// How often a call that a signal broke off is made again: a filter can answer that for ever, no kernel does.
    /// </summary>
    internal const int MostTries = 100;

    /// <summary>One of the two flags whose number depends on the processor.</summary>
    public static int O_NOFOLLOW =>
        RuntimeInformation.ProcessArchitecture == Architecture.Arm64
            ? 0x8000 : 0x20000;

    /// <summary>
    /// Opens a path; a new file is readable and writable for its owner only. Returns the descriptor or the negative
    /// error number.
    /// </summary>
    public static int Open(string path, int flags) => Open(Encoding.UTF8.GetBytes(path + "\0"), flags);

    /// <summary>The same, of a path in UTF-8 that ends in a null byte.</summary>
    public static int Open(ReadOnlySpan<byte> path, int flags)
    {
        // SAFETY: the name stays pinned during the call, and ends in a null byte.
        fixed (byte* name = path)
        {
            return (int)Libc.OrNegativeErrno(Libc.Open(name, flags, OwnerReadsAndWrites));
        }
    }

    /// <summary>
    /// Opens the file of a descriptor once more, for reading only and closed by execve, through /proc/thread-self/fd:
    /// that names the calling thread's own descriptors. Returns the descriptor or the negative error number: ENOENT
    /// where there is no /proc; EAGAIN where another open file has a write lease (fcntl(2), "Leases"). Without
    /// O_NONBLOCK the call would wait until that lease is given up, /proc/sys/fs/lease-break-time at most, 45 s.
    /// </summary>
    public static int ReopenForReading(int descriptor)
    {
        ReadOnlySpan<byte> folder = "/proc/thread-self/fd/"u8;
        Span<byte> path = stackalloc byte[48];
        folder.CopyTo(path);
        _ = descriptor.TryFormat(
            path[folder.Length..^1], out int digits, default, System.Globalization.CultureInfo.InvariantCulture);
        path[folder.Length + digits] = 0;
        return Open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }

    /// <summary>One write(2). Returns how many bytes were written, or the negative error number.</summary>
    public static int Write(int descriptor, ReadOnlySpan<byte> bytes)
    {
        // SAFETY: the bytes stay pinned during the call.
        fixed (byte* start = bytes)
        {
            return (int)Libc.OrNegativeErrno(Libc.Write(descriptor, start, (nuint)bytes.Length));
        }
    }

    /// <summary>
    /// Writes all bytes at a position. Returns 0 or the negative error number; EIO where the kernel wrote none.
    /// </summary>
    public static int WriteAt(int descriptor, ReadOnlySpan<byte> bytes, long offset)
    {
        // SAFETY: the bytes stay pinned during the calls.
        fixed (byte* start = bytes)
        {
            int tries = 0;
            for (int done = 0; done < bytes.Length;)
            {
                nint more = Libc.OrNegativeErrno(
                    Libc.Pwrite(descriptor, start + done, (nuint)(bytes.Length - done), offset + done));
                if (more <= 0 && (more != -Errno.EINTR || ++tries == MostTries))
                {
                    return more == 0 ? -Errno.EIO : (int)more;
                }

                done += Math.Max(0, (int)more);
            }
        }

        return 0;
    }

    /// <summary>
    /// Reads as many bytes as there are, up to the length of <paramref name="bytes"/>. Returns how many, or the
    /// negative error number.
    /// </summary>
    public static int ReadAt(int descriptor, Span<byte> bytes, long offset)
    {
        int done = 0;
        int tries = 0;

        // SAFETY: the bytes stay pinned during the calls, and the kernel writes at most what is left of them.
        fixed (byte* start = bytes)
        {
            while (done < bytes.Length)
            {
                nint more = Libc.OrNegativeErrno(
                    Libc.Pread(descriptor, start + done, (nuint)(bytes.Length - done), offset + done));
                if (more == 0)
                {
                    break;
                }

                if (more < 0 && (more != -Errno.EINTR || ++tries == MostTries))
                {
                    return (int)more;
                }

                done += Math.Max(0, (int)more);
            }
        }

        return done;
    }

    public static void Close(int descriptor) => _ = Libc.Close(descriptor);
}
