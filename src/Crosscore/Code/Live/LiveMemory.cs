using System.Runtime.CompilerServices;
using Crosscore.Linux;
using Crosscore.Sealing;
using Microsoft.Win32.SafeHandles;
using static Crosscore.Linux.Memfd;

namespace Crosscore.Code;

/// <summary>
/// Memory with two addresses: one at which it is executed and never writable, and one at which it is written and never
/// executable. The second is the only way to write it: the file was sealed against writing in any other way and closed.
/// Writing through it is not self-modifying code for the core that writes, so that core needs serializing like every
/// other.
/// </summary>
internal sealed unsafe class LiveMemory : IDisposable
{
    private const int Seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

    private static readonly int PageShift = System.Numerics.BitOperations.Log2((uint)Environment.SystemPageSize);

    private readonly CodeRange _range;
    private readonly string? _name; // In that of its memory files, which /proc/PID/maps and core dumps show.
    private readonly int _length;
    private readonly nint[] _writable; // The second address of each page: an exchange of pages leaves them in no order.
    private nint _address;

    /// <summary>Creates and maps a file that holds the content, in whole pages.</summary>
    /// <exception cref="CodeException">Refused; nothing is mapped.</exception>
    public LiveMemory(CodeRange range, ReadOnlySpan<byte> content, string? name)
    {
        _range = range;
        _name = name;
        _length = content.Length;
        _writable = new nint[content.Length / Environment.SystemPageSize];
        (SafeFileHandle file, nint writable) = CreateFile(content);
        using (file)
        {
            try
            {
                _address = range.MapCode(file, _length, Environment.SystemPageSize);
            }
            catch
            {
                Leftovers.Unmap(writable, (nuint)_length);
                throw;
            }

            // A child made by fork would share the bytes but not the table that the breakpoint handler reads. Refused
            // only by kernels without the call, which have no memory files either.
            _ = Mapping.Advise(_address, (nuint)_length, Mapping.MADV_DONTFORK);
        }

        Remember(0, writable, _length);
    }

    /// <summary>Gets the address at which it is executed.</summary>
    public nint Address => _address;

    /// <summary>Gets the number of bytes, whole pages.</summary>
    public int Length => _length;

    public bool IsDisposed => Volatile.Read(ref _address) == 0;

    /// <summary>Stores one byte; atomic.</summary>
    public void Store(int offset, byte value)
    {
        // SAFETY: the page's second address is mapped writable until Dispose, which waits for the lock that the caller
        // holds.
        Volatile.Write(ref *(byte*)Writable(offset), value);
    }

    /// <summary>Stores aligned 8 bytes; atomic.</summary>
    public void StoreAligned(int offset, ulong value)
    {
        // SAFETY: as above; an aligned 8 bytes lie in one page.
        Volatile.Write(ref *(ulong*)Writable(offset), value);
    }

    /// <summary>Returns the aligned 8 bytes that were stored last.</summary>
    public ulong LoadAligned(int offset)
    {
        // SAFETY: as above.
        return Volatile.Read(ref *(ulong*)Writable(offset));
    }

    /// <summary>Writes bytes that no thread can fetch concurrently, in any order and in any pieces.</summary>
    public void Write(int offset, ReadOnlySpan<byte> bytes)
    {
        for (int index = 0; index < bytes.Length; index++)
        {
            Store(offset + index, bytes[index]);
        }
    }

    /// <summary>
    /// Exchanges whole pages for others, atomically. The kernel removes the old translations from every core before it
    /// installs new ones, and a thread that comes in between waits in its page fault (mm/mmap.c; measured, not
    /// documented).
    /// </summary>
    /// <param name="offset">Of the first page.</param>
    /// <param name="content">What the new pages hold.</param>
    /// <exception cref="CodeException">Refused; everything is as it was.</exception>
    public void ExchangePages(int offset, ReadOnlySpan<byte> content)
    {
        (SafeFileHandle file, nint writable) = CreateFile(content);
        using (file)
        {
            _ = Mapping.Advise(writable, (nuint)content.Length, Mapping.MADV_DONTFORK);
            nint answer = SealedFile.MapExecutable(
                (int)file.DangerousGetHandle(),
                _address + offset,
                (nuint)content.Length
            );
            if (Mapping.IsError(answer))
            {
                Leftovers.Unmap(writable, (nuint)content.Length);
                RequireStillMapped(offset, content.Length, (int)-answer);
                throw answer == -Errno.ENOMEM && MemoryMap.TryRead() is { Count: var mappings }
                    ? CodeRefusal.TooManyMappings(mappings, mappings, (int)-answer)
                    : CodeRefusal.ExecutableMapping((int)-answer);
            }
        }

        _ = Mapping.Advise(_address + offset, (nuint)content.Length, Mapping.MADV_DONTFORK);
        for (int page = 0; page < content.Length; page += Environment.SystemPageSize)
        {
            Leftovers.Unmap(_writable[(offset + page) / Environment.SystemPageSize], (nuint)Environment.SystemPageSize);
        }

        Remember(offset, writable, content.Length);
    }

    /// <summary>
    /// Ends the process where a refused exchange has left no code: kernels before 6.12 take the old mapping away before
    /// they know that they can make the new one, and threads are executing there. Asked of madvise(2), which answers
    /// ENOMEM where something is not mapped and needs neither /proc nor a descriptor; and of /proc, where it can be
    /// read, whether another thread's mapping took the place.
    /// </summary>
    private void RequireStillMapped(int offset, int length, int errno)
    {
        nint start = _address + offset;
        bool isMapped = Mapping.Advise(start, (nuint)length, Mapping.MADV_DONTFORK) == 0;
        bool isOther =
            MemoryMap.TryRead() is { } map
            && !map.Any(line =>
                line.Start <= start && start < line.End && line.Permissions.StartsWith("r-x", StringComparison.Ordinal)
            );
        if (!isMapped || isOther)
        {
            Environment.FailFast(
                $"Crosscore: mmap refused new pages for live code with {Errno.Name(errno)} after it had taken the old "
                    + "ones away."
            );
        }
    }

    /// <summary>Unmaps it. No thread may be executing it, and the caller holds the lock of patches.</summary>
    public void Dispose()
    {
        nint address = Interlocked.Exchange(ref _address, 0);
        if (address == 0)
        {
            return;
        }

        foreach (nint page in _writable)
        {
            Leftovers.Unmap(page, (nuint)Environment.SystemPageSize);
        }

        _range.Free(address, _length, Environment.SystemPageSize);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal nint Writable(int offset) => _writable[offset >> PageShift] + (offset & ((1 << PageShift) - 1));

    private void Remember(int offset, nint writable, int length)
    {
        for (int page = 0; page < length; page += Environment.SystemPageSize)
        {
            _writable[(offset + page) / Environment.SystemPageSize] = writable + page;
        }
    }

    /// <summary>
    /// A memory file that holds the content, as a descriptor for reading only; the one writable mapping of it; and no
    /// other way to write it.
    /// </summary>
    /// <remarks>
    /// Another process of the same user can open the file through /proc/PID/fd from its creation on, and
    /// F_SEAL_FUTURE_WRITE leaves writable mappings that exist as they are. So the order is: our mapping; that seal,
    /// after which no further one can be made; the question whether any process has the file open for writing, because
    /// a mapping keeps its file open; all pages dropped, so that none is left that a process has pinned and closed
    /// (io_uring(7), registered buffers); the other seals. Only then is there any content, which is written through our
    /// mapping to pages that no other process has.
    /// </remarks>
    private (SafeFileHandle File, nint Writable) CreateFile(ReadOnlySpan<byte> content)
    {
        SafeFileHandle file = MemoryFile.Create("crosscore-live", _name);
        SafeFileHandle? readOnly = null;
        nint writable = -1;
        try
        {
            int descriptor = (int)file.DangerousGetHandle(); // No other thread has the handle before this returns.
            writable = Mapping.Map(
                (nuint)content.Length,
                Mapping.PROT_READ | Mapping.PROT_WRITE,
                Mapping.MAP_SHARED,
                descriptor
            );
            Require(descriptor, 0, "mmap of the writable side", (int)nint.Min(0, writable));

            _ = Mapping.Advise(writable, (nuint)content.Length, Mapping.MADV_DONTFORK);
            Require(
                descriptor,
                0,
                "fcntl(F_ADD_SEALS, F_SEAL_FUTURE_WRITE) (Linux 5.1)",
                AddSeals(descriptor, F_SEAL_FUTURE_WRITE)
            );
            readOnly = ReopenForReading(descriptor);
            RequireNoOtherWriter((int)readOnly.DangerousGetHandle());
            Require(descriptor, F_SEAL_FUTURE_WRITE, "ftruncate of the memory file", Resize(descriptor, 0));

            // Allocates every page: one that there is no memory for would end the process when it is stored to.
            Require(
                descriptor,
                F_SEAL_FUTURE_WRITE,
                "fallocate of the memory file",
                Allocate(descriptor, content.Length)
            );
            Require(descriptor, F_SEAL_FUTURE_WRITE, "fcntl(F_ADD_SEALS)", AddSeals(descriptor, Seals));
            RequireSealed(descriptor, content.Length);

            // SAFETY: as many bytes are mapped writable, and the file under them can neither shrink nor be written by
            // others.
            content.CopyTo(new Span<byte>((void*)writable, content.Length));
            file.Dispose();
            return (readOnly, writable);
        }
        catch
        {
            readOnly?.Dispose();
            if (!Mapping.IsError(writable) && writable != -1)
            {
                Leftovers.Unmap(writable, (nuint)content.Length);
            }

            file.Dispose();
            throw;
        }
    }

    private static void RequireSealed(int descriptor, int length)
    {
        int seals = GetSeals(descriptor);
        if ((seals & Seals) != Seals)
        {
            throw new CodeException(
                CodeFailure.NotSealed,
                $"The kernel accepted the seals but reports only 0x{seals:X}: other processes could write the code, so "
                    + "it is not mapped. Please report it as a Crosscore bug, with the kernel's release."
            );
        }

        // The size is final now. A mapping of a file of another size would reach beyond the file's end.
        Require(descriptor, Seals, "fstat of the memory file", FileStatus.Of(descriptor, out FileStatus status));
        if (status.Size != length)
        {
            throw MemoryFile.ChangedByAnother($"it has {status.Size} bytes, and {length} were requested", 0);
        }
    }

    private static SafeFileHandle ReopenForReading(int descriptor)
    {
        int readOnly = MemoryFile.ReopenForReading(descriptor);
        return readOnly >= 0
            ? new SafeFileHandle(readOnly, ownsHandle: true)
            : throw MemoryFile.KeptFromReading(descriptor, -readOnly)
                ?? CodeRefusal.MemoryFile("open(/proc/thread-self/fd) of the memory file", -readOnly);
    }

    private static void RequireNoOtherWriter(int readOnly)
    {
        int answer = Memfd.CheckForWriters(readOnly);
        if (answer < 0)
        {
            throw answer == -Errno.EAGAIN
                ? MemoryFile.ChangedByAnother(
                    "it has the file open for writing, and could map it permanently",
                    Errno.EAGAIN
                )
                : new CodeException(
                    CodeFailure.NotSealed,
                    $"fcntl(F_SETLEASE) answered {Errno.Name(-answer)}: the kernel does not say whether another "
                        + "process can write the memory of live code. Allow leases (fs.leases-enable, and fcntl in "
                        + "the sandbox).",
                    -answer
                );
        }
    }

    private static void Require(int descriptor, int seals, string call, int answer)
    {
        if (answer < 0)
        {
            throw MemoryFile.Refused(descriptor, seals, call, -answer);
        }
    }
}
