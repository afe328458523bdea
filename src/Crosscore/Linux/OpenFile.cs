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
    /// How often a call that a signal interrupted is repeated: a filter can answer EINTR without end, no kernel does.
    /// </summary>
    internal const int MaxTries = 100;

    /// <summary>One of the two flags whose number depends on the processor.</summary>
    public static int O_NOFOLLOW => RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;

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
    /// Opens the file of a descriptor again, for reading only and closed by execve, through /proc/thread-self/fd: that
    /// names the calling thread's descriptors. Returns the descriptor or the negative error number: ENOENT where there
    /// is no /proc; EAGAIN where another open file has a write lease (fcntl(2), "Leases"). Without O_NONBLOCK the call
    /// would wait until that lease is given up, /proc/sys/fs/lease-break-time at most, 45 s.
    /// </summary>
    public static int ReopenForReading(int descriptor)
    {
        ReadOnlySpan<byte> folder = "/proc/thread-self/fd/"u8;
        Span<byte> path = stackalloc byte[48];
        folder.CopyTo(path);
        _ = descriptor.TryFormat(
            path[folder.Length..^1],
            out int digits,
            default,
            System.Globalization.CultureInfo.InvariantCulture
        );
        path[folder.Length + digits] = 0;
        return Open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    }

    /// <summary>
    /// Reads a whole file of /proc or /sys as text. Returns 0 or the negative error number, and never a part of the
    /// file.
    /// </summary>
    public static int ReadText(string path, out string text)
    {
        text = "";
        int descriptor = OpenPatiently(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (descriptor < 0)
        {
            return descriptor;
        }

        byte[] bytes = new byte[1 << 12]; // An attribute of sysfs is at most one page.
        int length = 0;
        while (true)
        {
            int more = ReadAt(descriptor, bytes.AsSpan(length), length);
            length += Math.Max(0, more);
            if (more < 0 || length < bytes.Length)
            {
                Close(descriptor);
                text = more < 0 ? "" : Encoding.UTF8.GetString(bytes, 0, length);
                return Math.Min(0, more);
            }

            Array.Resize(ref bytes, 2 * length);
        }
    }

    /// <summary>
    /// Adds the names in a folder, without "." and "..", to a list. Returns 0 or the negative error number; then some
    /// may be missing. Source: getdents64(2).
    /// </summary>
    public static int ListNames(string folder, List<string> names)
    {
        const int O_DIRECTORY_X64 = 0x10000;
        const int O_DIRECTORY_ARM64 = 0x4000;
        const int LengthOffset = 16; // struct linux_dirent64: after d_ino and d_off
        const int NameOffset = 19;
        bool isArm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;
        int descriptor = OpenPatiently(folder, O_RDONLY | O_CLOEXEC | (isArm ? O_DIRECTORY_ARM64 : O_DIRECTORY_X64));
        if (descriptor < 0)
        {
            return descriptor;
        }

        byte[] entries = new byte[1 << 14];
        int tries = 0;
        while (true)
        {
            int length;

            // SAFETY: the entries stay pinned during the call, and the kernel writes at most their length.
            fixed (byte* first = entries)
            {
                length = (int)
                    Libc.OrNegativeErrno(Libc.Syscall(isArm ? 61 : 217, descriptor, (nint)first, entries.Length));
            }

            if (length == -Errno.EINTR && ++tries < MaxTries)
            {
                continue;
            }

            if (length <= 0)
            {
                Close(descriptor);
                return length;
            }

            for (ReadOnlySpan<byte> rest = entries.AsSpan(0, length); !rest.IsEmpty; )
            {
                int size = BitConverter.ToUInt16(rest[LengthOffset..]);
                ReadOnlySpan<byte> name = rest[NameOffset..size];
                string text = Encoding.UTF8.GetString(name[..name.IndexOf((byte)0)]);
                if (text is not ("." or ".."))
                {
                    names.Add(text);
                }

                rest = rest[size..];
            }
        }
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
            for (int done = 0; done < bytes.Length; )
            {
                nint more = Libc.OrNegativeErrno(
                    Libc.Pwrite(descriptor, start + done, (nuint)(bytes.Length - done), offset + done)
                );
                if (more <= 0 && (more != -Errno.EINTR || ++tries == MaxTries))
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
        while (done < bytes.Length)
        {
            int more = ReadOnceAt(descriptor, bytes[done..], offset + done);
            if (more < 0)
            {
                return more;
            }

            if (more == 0)
            {
                break;
            }

            done += more;
        }

        return done;
    }

    /// <summary>
    /// Makes one pread(2), and repeats it if a signal interrupted it. Returns how many bytes were read, or the negative
    /// error number.
    /// </summary>
    public static int ReadOnceAt(int descriptor, Span<byte> bytes, long offset)
    {
        // SAFETY: the bytes stay pinned during the calls, and the kernel writes at most their length.
        fixed (byte* start = bytes)
        {
            nint read = -Errno.EINTR;
            for (int tries = 0; read == -Errno.EINTR && tries < MaxTries; tries++)
            {
                read = Libc.OrNegativeErrno(Libc.Pread(descriptor, start, (nuint)bytes.Length, offset));
            }

            return (int)read;
        }
    }

    private static int OpenPatiently(string path, int flags)
    {
        int descriptor = -Errno.EINTR;
        for (int tries = 0; descriptor == -Errno.EINTR && tries < MaxTries; tries++)
        {
            descriptor = Open(path, flags);
        }

        return descriptor;
    }

    public static void Close(int descriptor) => _ = Libc.Close(descriptor);
}
