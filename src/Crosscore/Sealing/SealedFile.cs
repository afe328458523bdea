using System.Buffers;
using System.Security.Cryptography;
using Crosscore.Code;
using Crosscore.Isa;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;
using static Crosscore.Linux.Memfd;

namespace Crosscore.Sealing;

/// <summary>
/// A memory file that no process can change any more, and whose content is known. The only place where such files are
/// created, filled, sealed, checked again and mapped, for all code of this library and its callers.
/// </summary>
/// <remarks>
/// Between memfd_create and the seals, another process of the same user can open the file through /proc/PID/fd and
/// write, resize, map or seal it. No order of calls prevents that (docs/security.md). So size and content are read back
/// when the seals have made them final, and compared with what was written: a changed file is refused before a
/// verifier, a mapping or a name can come from it.
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
    /// Gets its descriptor: one for reading only, because Linux before 6.7 maps a file with F_SEAL_WRITE through no
    /// other. If none could be opened, it is the one that the file was made or handed over with.
    /// </summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Gets the number of bytes, which cannot change.</summary>
    public long Size => _identity.Size;

    /// <summary>Creates a sealed memory file that holds exactly the content.</summary>
    /// <param name="name">What follows "crosscore-code:" in the file's name, or <see langword="null"/>.</param>
    /// <param name="content">At least one byte.</param>
    /// <exception cref="CodeException">
    /// The system refused, or another process changed the file; nothing remains.
    /// </exception>
    public static SealedFile Create(string? name, ReadOnlySpan<byte> content)
    {
        SafeFileHandle handle = MemoryFile.Create("crosscore-code", name);
        try
        {
            int descriptor = (int)handle.DangerousGetHandle(); // No other thread has the handle before this returns.
            int answer = OpenFile.WriteAt(descriptor, content, 0);
            if (answer < 0)
            {
                throw MemoryFile.Refused(descriptor, 0, "pwrite to the memory file", -answer);
            }

            answer = AddSeals(descriptor, FinalSeals);
            if (answer < 0)
            {
                throw MemoryFile.Refused(descriptor, 0, "fcntl(F_ADD_SEALS)", -answer);
            }

            FileStatus identity = RequireSealed(descriptor);
            if (identity.Size != content.Length)
            {
                throw MemoryFile.ChangedByAnother(
                    $"it has {identity.Size} bytes, and {content.Length} were written",
                    0
                );
            }

            RequireContent(descriptor, content);
            return new SealedFile(ForReading(handle), identity);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Takes over a descriptor from another process, after checking that the file cannot change any more and that its
    /// pages are ordinary ones.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="CodeException">It is no such file.</exception>
    public static SealedFile Adopt(SafeFileHandle foreign)
    {
        MemoryFile.Require(foreign); // Before there is a duplicate: closing one of another file may wait.
        SafeFileHandle own = MemoryFile.Duplicate(foreign, closeOnExec: true);
        try
        {
            int descriptor = (int)own.DangerousGetHandle(); // As in Create.
            FileStatus identity = RequireSealed(descriptor);
            int flags = StatusFlags(descriptor);
            return flags >= 0 && (flags & OpenFile.O_ACCMODE) != OpenFile.O_WRONLY
                ? new SealedFile(ForReading(own), identity)
                : throw new CodeException(
                    CodeFailure.WrongFormat,
                    "The descriptor that was handed over is open for writing only: its file can be neither read nor "
                        + "mapped. The sender has to open it for reading."
                );
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Maps code for the life of the process, at an address of the kernel's choice; what fills the last page traps. For
    /// the few functions that the range of addresses for code itself depends on.
    /// </summary>
    /// <param name="name">As for <see cref="Create"/>.</param>
    /// <param name="code">Complete functions.</param>
    /// <exception cref="CodeException">The system refused; nothing remains.</exception>
    public static nint MapForGood(string? name, ReadOnlySpan<byte> code)
    {
        byte[] pages = new byte[Pages.RoundUp(code.Length)];
        code.CopyTo(pages);
        pages.AsSpan(code.Length).Fill(NativeIsa.Trap);
        using SealedFile file = Create(name, pages);
        nint address = Map(file.Handle, descriptor => MapExecutable(descriptor, 0, (nuint)pages.Length));
        return Mapping.IsError(address) ? throw CodeRefusal.ExecutableMapping((int)-address) : address;
    }

    /// <summary>
    /// Maps the beginning of a file readable and executable. Returns the address or the negative error number.
    /// </summary>
    /// <param name="descriptor">The file, as <see cref="Map"/> passes it.</param>
    /// <param name="address">Where; whatever is mapped there is replaced. 0 for an address of the kernel's
    /// choice.</param>
    /// <param name="length">Bytes, whole pages.</param>
    public static nint MapExecutable(int descriptor, nint address, nuint length) =>
        Mapping.MapAt(
            address,
            length,
            Mapping.PROT_READ | Mapping.PROT_EXEC,
            Mapping.MAP_SHARED | (address == 0 ? 0 : Mapping.MAP_FIXED),
            descriptor
        );

    /// <summary>
    /// Maps a file through a descriptor that is open for reading only (<see cref="Handle"/>). If none could be opened
    /// when the file was sealed, this tries again; if it still cannot, it maps through the file's own descriptor, which
    /// Linux accepts since 6.7.
    /// </summary>
    /// <param name="file">The file. A handle that another thread closes stays open until this returns.</param>
    /// <param name="map">Gets the descriptor; returns what mmap answers, or throws.</param>
    /// <exception cref="CodeException">
    /// From <paramref name="map"/>; NotSealed if another process kept the descriptor from being opened.
    /// </exception>
    public static nint Map(SafeFileHandle file, Func<int, nint> map)
    {
        using var own = new HeldDescriptor(file);
        if (!CouldWrite(own.Number))
        {
            return map(own.Number);
        }

        int readOnly = MemoryFile.ReopenForReading(own.Number);
        try
        {
            return map(readOnly >= 0 ? readOnly : own.Number);
        }
        catch (CodeException refusal) when (readOnly < 0 && refusal.Errno == Errno.EPERM)
        {
            throw MemoryFile.KeptFromReading(own.Number, -readOnly) ?? refusal;
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
    /// Checks that the descriptor still leads to the file that was checked before: any part of the process can replace
    /// it with dup2(2), or close it and open another file under its number.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    /// <exception cref="CodeException">It is another file.</exception>
    public void RequireUnchanged()
    {
        using var own = new HeldDescriptor(Handle);
        FileStatus now = RequireSealed(own.Number);
        if (!now.IsSameFileAs(_identity) || now.Size != _identity.Size)
        {
            throw new CodeException(
                CodeFailure.NotSealed,
                "The descriptor of the sealed code leads to another file now: a part of this process closed or "
                    + "replaced a descriptor that is not its own. Look for a double close or dup2."
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
                    $"The sealed file gave {answer} of {bytes.Length} bytes at {offset}: its descriptor leads to "
                        + "another file now. Look for a double close or dup2."
                );
        }
    }

    /// <summary>Computes the SHA-256 digest of the whole file.</summary>
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

    public void Dispose() => Handle.Dispose();

    /// <summary>
    /// Exchanges the handle of a sealed file that could write for one that only reads. If none can be opened (no /proc,
    /// no descriptor left, a lease), the handle stays the one it is.
    /// </summary>
    private static SafeFileHandle ForReading(SafeFileHandle own)
    {
        // No other thread has the handle before Create or Adopt returns.
        int descriptor = (int)own.DangerousGetHandle();
        int readOnly = CouldWrite(descriptor) ? MemoryFile.ReopenForReading(descriptor) : -1;
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
    /// The kernel maps an unsealed file as well as a sealed one, so this is checked of every file from which code is
    /// executed, whether its sender is trusted or not. First the seals, then the kind of file: hugetlbfs takes the same
    /// seals, and maps 2 MiB where 4 KiB were requested and verified.
    /// </summary>
    private static FileStatus RequireSealed(int descriptor)
    {
        int seals = GetSeals(descriptor);
        if (seals < 0)
        {
            throw MemoryFile.None(-seals);
        }

        if ((seals & FinalSeals) != FinalSeals)
        {
            throw new CodeException(
                CodeFailure.NotSealed,
                $"The file has the seals 0x{seals:X}, and 0x{FinalSeals:X} are needed: another process could still "
                    + "change it. Let the sender add them."
            );
        }

        long system = FileStatus.FileSystemOf(descriptor);
        if (system != FileStatus.TMPFS_MAGIC)
        {
            throw system < 0
                ? CodeRefusal.MemoryFile("fstatfs of the memory file", (int)-system)
                : new CodeException(
                    CodeFailure.WrongFormat,
                    $"The memory file consists of huge pages (file system 0x{system:X}): more would be mapped than was "
                        + "verified. Seal code in an ordinary memory file, without MFD_HUGETLB."
                );
        }

        int answer = FileStatus.Of(descriptor, out FileStatus status);
        return answer == 0 ? status : throw CodeRefusal.MemoryFile("fstat of the memory file", -answer);
    }

    private static void RequireContent(int descriptor, ReadOnlySpan<byte> content)
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
                    throw MemoryFile.ChangedByAnother(
                        $"it does not hold what was written ({part.Length} bytes at {at} differ)",
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
