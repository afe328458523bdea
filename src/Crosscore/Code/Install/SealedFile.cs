using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;
using static Crosscore.Linux.Memfd;

namespace Crosscore.Code;

/// <summary>
/// A memory file that no process can change any more, and whose content is known. The one place where such files are
/// created, filled, sealed, looked at again and mapped, for all code of this library and its callers.
/// </summary>
/// <remarks>
/// Between memfd_create and the seals another process of the same user can open the file through /proc/PID/fd and
/// write, resize, map or seal it. No order of calls prevents that (docs/security.md). So size and content are read back
/// after the seals are in place, when they are final, and compared with what was written: what was changed is refused
/// before a verifier, a mapping or a name can come from it.
/// </remarks>
internal sealed class SealedFile : IDisposable
{
    public const int FinalSeals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

    private const int ChunkBytes = 64 << 10;

    private readonly FileStatus _identity;

    private SealedFile(SafeFileHandle handle, in FileStatus identity)
    {
        Handle = handle;
        _identity = identity;
    }

    /// <summary>
    /// Its descriptor: one for reading only, because Linux before 6.7 maps a file with F_SEAL_WRITE through no other.
    /// Where none could be opened it is the one that the file was made or handed over with.
    /// </summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Bytes; cannot change.</summary>
    public long Size => _identity.Size;

    /// <summary>Makes a sealed memory file that holds exactly the content.</summary>
    /// <param name="name">
    /// What comes behind "crosscore-code:" in the file's name; <see langword="null"/> for none.
    /// </param>
    /// <param name="content">At least one byte.</param>
    /// <exception cref="CodeException">
    /// The system refused, or another process changed the file; nothing remains.
    /// </exception>
    public static SealedFile Create(string? name, ReadOnlySpan<byte> content)
    {
        SafeFileHandle handle = CreateMemoryFile("crosscore-code", name);
        try
        {
            int descriptor = (int)handle.DangerousGetHandle(); // No other thread has the handle before this returns.
            int answer = OpenFile.WriteAt(descriptor, content, 0);
            if (answer < 0)
            {
                throw Refused(descriptor, 0, "pwrite to the memory file", -answer);
            }

            answer = AddSeals(descriptor, FinalSeals);
            if (answer < 0)
            {
                throw Refused(descriptor, 0, "fcntl(F_ADD_SEALS)", -answer);
            }

            FileStatus identity = DemandSealed(descriptor);
            if (identity.Size != content.Length)
            {
                throw ChangedByAnother($"it has {identity.Size} bytes, and {content.Length} were written", 0);
            }

            DemandContent(descriptor, content);
            return new SealedFile(ForReading(handle), identity);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Takes a descriptor that another process handed over: demands first that the file cannot change any more and that
    /// its pages are ordinary ones.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="CodeException">It is no such file.</exception>
    public static SealedFile Adopt(SafeFileHandle foreign)
    {
        DemandMemoryFile(foreign); // Before there is a duplicate: closing one of another file may wait.
        SafeFileHandle own = Duplicate(foreign, closeOnExec: true);
        try
        {
            int descriptor = (int)own.DangerousGetHandle(); // As in Create.
            FileStatus identity = DemandSealed(descriptor);
            int flags = StatusFlags(descriptor);
            return flags >= 0 && (flags & OpenFile.O_ACCMODE) != OpenFile.O_WRONLY
                ? new SealedFile(ForReading(own), identity)
                : throw new CodeException(
                    CodeFailure.WrongFormat,
                    "The descriptor that was handed over is open for writing only: its file can be neither read "
                        + "nor mapped. The sender has to open it for reading."
                );
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A new memory file that may be sealed, closed by execve. MFD_NOEXEC_SEAL forbids only execve of the file, which
    /// is of no use here, and is what every setting of vm.memfd_noexec accepts. Kernels before 6.3 answer EINVAL to it
    /// and have no such setting.
    /// </summary>
    /// <param name="kind">What its name begins with.</param>
    /// <param name="name">What comes behind that and a colon; <see langword="null"/> for nothing.</param>
    /// <exception cref="CodeException">Refused.</exception>
    public static SafeFileHandle CreateMemoryFile(string kind, string? name)
    {
        byte[] nullTerminatedName = Encoding.UTF8.GetBytes(name is null ? $"{kind}\0" : $"{kind}:{name}\0");
        int descriptor = Memfd.Create(nullTerminatedName, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (descriptor == -Errno.EINVAL)
        {
            descriptor = Memfd.Create(nullTerminatedName, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        }

        return descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw CodeRefusal.MemoryFile("memfd_create", -descriptor);
    }

    /// <summary>
    /// Makes a mapping of a file through a descriptor that is open for reading only (<see cref="Handle"/>). Where it
    /// was not to be had when the file was sealed, it is asked for once more; else through the file's own, which Linux
    /// takes since 6.7.
    /// </summary>
    /// <param name="file">The file. A handle that another thread closes stays open until this returns.</param>
    /// <param name="map">Gets the descriptor; returns what mmap answers, or throws.</param>
    /// <exception cref="CodeException">
    /// From <paramref name="map"/>; NotSealed where another process kept the descriptor from being opened.
    /// </exception>
    public static nint Map(SafeFileHandle file, Func<int, nint> map)
    {
        using var own = new HeldDescriptor(file);
        if (!CouldWrite(own.Number))
        {
            return map(own.Number);
        }

        int readOnly = ReopenForReading(own.Number);
        try
        {
            return map(readOnly >= 0 ? readOnly : own.Number);
        }
        catch (CodeException refusal) when (readOnly < 0 && refusal.Errno == Errno.EPERM)
        {
            throw KeptFromReading(own.Number, -readOnly) ?? refusal;
        }
        finally
        {
            if (readOnly >= 0)
            {
                OpenFile.Close(readOnly);
            }
        }
    }

    /// <summary>
    /// Looks whether the descriptor still is the file that was looked at: any part of the process can replace it with
    /// dup2(2), or close it and open another under its number.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="CodeException">It is another file.</exception>
    public void DemandUnchanged()
    {
        using var own = new HeldDescriptor(Handle);
        FileStatus now = DemandSealed(own.Number);
        if (!now.IsSameFileAs(_identity) || now.Size != _identity.Size)
        {
            throw new CodeException(
                CodeFailure.NotSealed,
                "The descriptor of the sealed code leads to another file by now: a part of this process "
                    + "closed or replaced a descriptor that is not its own. Look for a double close or dup2."
            );
        }
    }

    /// <summary>Reads bytes that lie within the file.</summary>
    /// <exception cref="CodeException">The system refused.</exception>
    public void Read(Span<byte> bytes, long offset)
    {
        using var own = new HeldDescriptor(Handle);
        int answer = OpenFile.ReadAt(own.Number, bytes, offset);
        if (answer != bytes.Length)
        {
            throw answer < 0
                ? CodeRefusal.MemoryFile("pread of a sealed file", -answer)
                : new CodeException(
                    CodeFailure.NotSealed,
                    $"The sealed file gave {answer} of {bytes.Length} bytes at {offset}: its descriptor leads "
                        + "to another file by now."
                );
        }
    }

    /// <summary>The SHA-256 digest of the whole file.</summary>
    /// <exception cref="CodeException">The system refused.</exception>
    public byte[] Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] chunk = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            for (long at = 0; at < Size; )
            {
                Span<byte> part = chunk.AsSpan(0, (int)Math.Min(ChunkBytes, Size - at));
                Read(part, at);
                hash.AppendData(part);
                at += part.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }

        return hash.GetHashAndReset();
    }

    /// <summary>A second descriptor of the file.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="CodeException">Too many open files, or no descriptor.</exception>
    public static SafeFileHandle Duplicate(SafeFileHandle file, bool closeOnExec)
    {
        using var own = new HeldDescriptor(file);
        int descriptor = Memfd.Duplicate(own.Number, closeOnExec);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true)
            : descriptor == -Errno.EBADF ? throw NoMemoryFile(Errno.EBADF)
            : throw CodeRefusal.MemoryFile("fcntl(F_DUPFD)", -descriptor);
    }

    public void Dispose() => Handle.Dispose();

    /// <summary>
    /// Why a call on an unsealed file of ours was refused: EPERM is what seals answer, and where some are there that
    /// this process did not add, another one did.
    /// </summary>
    public static CodeException Refused(int descriptor, int ours, string call, int errno)
    {
        const int Content = FinalSeals | F_SEAL_FUTURE_WRITE; // MFD_NOEXEC_SEAL adds F_SEAL_EXEC.
        int seals = errno == Errno.EPERM ? GetSeals(descriptor) : 0;
        int foreign = seals & Content & ~ours;
        return seals > 0 && foreign != 0
            ? ChangedByAnother(
                $"{call} answered EPERM, because it has the seals 0x{foreign:X}, which this " + "process did not add",
                errno
            )
            : CodeRefusal.MemoryFile(call, errno);
    }

    /// <summary>Says that another process was at a file of ours.</summary>
    public static CodeException ChangedByAnother(string what, int errno) =>
        new(
            CodeFailure.NotSealed,
            $"Another process interfered with a memory file: {what}. A process of the same user "
                + "can open "
                + "it through /proc/PID/fd. Find that process; one that "
                + "is not dumpable (PR_SET_DUMPABLE) or of another "
                + "user is out of its reach.",
            errno
        );

    /// <summary>Demands that a descriptor is one of a memory file that seals can be read of.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="CodeException">It is not.</exception>
    public static void DemandMemoryFile(SafeFileHandle file)
    {
        using var own = new HeldDescriptor(file);
        int seals = GetSeals(own.Number);
        if (seals < 0)
        {
            throw NoMemoryFile(-seals);
        }
    }

    /// <summary>
    /// Why a memory file of ours could not be opened for reading once more, where another process caused it: by a lease
    /// or by the file's mode.
    /// </summary>
    public static CodeException? KeptFromReading(int own, int errno)
    {
        string? how = errno switch
        {
            Errno.EAGAIN => "it holds a lease on the file (fcntl(2), F_SETLEASE)",
            Errno.EACCES when FileStatus.Of(own, out FileStatus status) == 0 && !status.OwnerReads =>
                $"it changed the file's mode to 0{Convert.ToString(status.Mode & 0xFFF, 8)}",
            _ => null,
        };
        return how is null ? null : ChangedByAnother(how, errno);
    }

    /// <summary>
    /// The descriptor of the same file for reading only, or a negative error number: where it cannot be opened, and
    /// where /proc is that of others.
    /// </summary>
    public static int ReopenForReading(int own)
    {
        int readOnly = OpenFile.ReopenForReading(own);
        if (readOnly < 0)
        {
            return readOnly;
        }

        FileStatus second = default;
        int answer = FileStatus.Of(own, out FileStatus first);
        answer = answer < 0 ? answer : FileStatus.Of(readOnly, out second);
        if (answer < 0 || !second.IsSameFileAs(first))
        {
            OpenFile.Close(readOnly);
            return answer < 0 ? answer : -Errno.ENOENT;
        }

        return readOnly;
    }

    /// <summary>
    /// The handle that is kept of a sealed file: another one, for reading only, in place of one that could write. Where
    /// none can be opened (no /proc, no descriptor left, a lease) it stays the one it is.
    /// </summary>
    private static SafeFileHandle ForReading(SafeFileHandle own)
    {
        // No other thread has the handle before Create or Adopt returns.
        int descriptor = (int)own.DangerousGetHandle();
        int readOnly = CouldWrite(descriptor) ? ReopenForReading(descriptor) : -1;
        if (readOnly < 0)
        {
            return own;
        }

        own.Dispose();
        return new SafeFileHandle(readOnly, ownsHandle: true);
    }

    private static bool CouldWrite(int descriptor) =>
        StatusFlags(descriptor) is >= 0 and var flags && (flags & OpenFile.O_ACCMODE) == OpenFile.O_RDWR;

    /// <summary>
    /// The kernel maps an unsealed file as well as a sealed one, so this is looked at wherever code is executed from, a
    /// sender that is trusted or not. Seals, then the kind of file: hugetlbfs takes the same seals, and maps 2 MiB
    /// where 4 KiB were asked for and verified.
    /// </summary>
    private static FileStatus DemandSealed(int descriptor)
    {
        int seals = GetSeals(descriptor);
        if (seals < 0)
        {
            throw NoMemoryFile(-seals);
        }

        if ((seals & FinalSeals) != FinalSeals)
        {
            throw new CodeException(
                CodeFailure.NotSealed,
                $"The file has the seals 0x{seals:X}, and 0x{FinalSeals:X} are needed: another process could "
                    + "still change it."
            );
        }

        long system = FileStatus.FileSystemOf(descriptor);
        if (system != FileStatus.TMPFS_MAGIC)
        {
            throw system < 0
                ? CodeRefusal.MemoryFile("fstatfs of the memory file", (int)-system)
                : new CodeException(
                    CodeFailure.WrongFormat,
                    $"The memory file consists of huge pages (file system 0x{system:X}): more would be mapped "
                        + "than was verified. Seal code in an ordinary memory file, without MFD_HUGETLB."
                );
        }

        int answer = FileStatus.Of(descriptor, out FileStatus status);
        return answer == 0 ? status : throw CodeRefusal.MemoryFile("fstat of the memory file", -answer);
    }

    public static CodeException NoMemoryFile(int errno) =>
        new(
            CodeFailure.NotSealed,
            $"fcntl answered {Errno.Name(errno)}: the descriptor leads to no memory file, so its content could still "
                + "change.",
            errno
        );

    private static void DemandContent(int descriptor, ReadOnlySpan<byte> content)
    {
        byte[] chunk = ArrayPool<byte>.Shared.Rent(Math.Min(ChunkBytes, content.Length));
        try
        {
            for (int at = 0; at < content.Length; )
            {
                Span<byte> part = chunk.AsSpan(0, Math.Min(chunk.Length, content.Length - at));
                int answer = OpenFile.ReadAt(descriptor, part, at);
                if (answer < 0)
                {
                    throw CodeRefusal.MemoryFile("pread of a sealed file", -answer);
                }

                if (answer != part.Length || !part.SequenceEqual(content.Slice(at, part.Length)))
                {
                    throw ChangedByAnother(
                        $"it does not hold what was written ({part.Length} bytes at {at} " + "differ)",
                        0
                    );
                }

                at += part.Length;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(chunk);
        }
    }
}
