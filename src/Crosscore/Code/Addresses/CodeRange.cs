using Crosscore.Linux;
using Crosscore.Sealing;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Code;

/// <summary>
/// The addresses that are reserved for code: once without any access, and then mapped piece by piece. What is not
/// mapped traps, and the kernel gives none of these addresses to others.
/// </summary>
/// <remarks>
/// Mapping over a reservation that was never touched changes no translation that a core could have cached, so it
/// interrupts no core. Addresses where code was are reused only after every core has been serialized, because until
/// then a core may continue to execute what it fetched there.
/// </remarks>
internal sealed class CodeRange
{
    private static readonly Lock Reserving = new();
    private static CodeRange? s_range;

    /// <summary>Executes a core-serializing instruction on every core that runs a thread of this process.</summary>
    private readonly Action _synchronize;

    private readonly Func<nint, nint, AccessTaken> _takeAccess;
    private readonly AddressPool _pool;
    private readonly List<(nint Address, int Length, int Gap)> _refused = []; // to be freed, and not yet

    // to be given back, when maps can be read
    private readonly List<(nint Address, nint Length, nint Taken)> _unclear = [];
    private readonly Lock _lock = new();
    private readonly long _mostPieces;
    private readonly long _mapLimit;
    private long _pieces;

    /// <param name="start">The first address, of a reservation without access.</param>
    /// <param name="length">Bytes of it.</param>
    /// <param name="mapLimit">vm.max_map_count.</param>
    /// <param name="synchronize">Serializes all cores, or throws.</param>
    /// <param name="takeAccess">Takes the access to addresses and bytes away;
    /// <see cref="RangeReservation.TakeAccess"/>.</param>
    public CodeRange(
        nint start,
        nint length,
        long mapLimit,
        Action synchronize,
        Func<nint, nint, AccessTaken> takeAccess
    )
    {
        _takeAccess = takeAccess;
        Start = start;
        Length = length;
        _mapLimit = mapLimit;
        _synchronize = synchronize;
        _pool = new AddressPool(start, length);

        // A runtime that cannot map a window for its own code ends the process (dotnet/runtime#97316): a quarter of all
        // mappings is left to it and to the program.
        _mostPieces = mapLimit / 4 * 3;
    }

    /// <summary>
    /// Gets the range of this process, reserved at the first use. A refusal is not remembered: the next use tries
    /// again.
    /// </summary>
    /// <exception cref="CodeException">There are no addresses to reserve.</exception>
    public static CodeRange OfThisProcess
    {
        get
        {
            if (Volatile.Read(ref s_range) is { } range)
            {
                return range;
            }

            lock (Reserving)
            {
                s_range ??= RangeReservation.Reserve();
                return s_range;
            }
        }
    }

    /// <summary>Gets the first address.</summary>
    public nint Start { get; }

    /// <summary>Gets the number of bytes.</summary>
    public nint Length { get; }

    /// <summary>Maps the beginning of a sealed file, readable and executable.</summary>
    /// <param name="file">The file.</param>
    /// <param name="length">Bytes, whole pages.</param>
    /// <param name="gap">Bytes without access that must follow, whole pages.</param>
    /// <exception cref="CodeException">Refused; nothing has changed.</exception>
    public nint MapCode(SafeFileHandle file, int length, int gap) =>
        SealedFile.Map(
            file,
            descriptor => Map(length, gap, (at, bytes) => SealedFile.MapExecutable(descriptor, at, bytes))
        );

    /// <summary>
    /// Maps the beginning of a sealed file as <see cref="MapCode"/> does, and as many bytes after it readable and
    /// writable, filled with zeros.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="length">Bytes of each of the two halves, whole pages.</param>
    /// <exception cref="CodeException">Refused; nothing has changed.</exception>
    public nint MapCodeAndData(SafeFileHandle file, int length)
    {
        nint address = MapCode(file, length, length);
        nint data = Mapping.MapAt(
            address + length,
            (nuint)length,
            Mapping.PROT_READ | Mapping.PROT_WRITE,
            Mapping.MAP_PRIVATE | Mapping.MAP_ANONYMOUS | Mapping.MAP_FIXED,
            -1
        );
        if (!Mapping.IsError(data))
        {
            return address;
        }

        CodeException refusal = Refused((int)-data);
        lock (_lock)
        {
            GiveBack(address + length, length, length);
        }

        Free(address, length, 0);
        throw refusal;
    }

    /// <summary>
    /// Takes the access away; afterwards executing there traps, and the addresses wait for the next synchronization. No
    /// thread may be executing them. If the system refuses, the code stays executable: it still counts as a piece, its
    /// addresses are not reused, and every later call tries again, as does one that would otherwise refuse a mapping.
    /// </summary>
    public void Free(nint address, int length, int gap)
    {
        lock (_lock)
        {
            _refused.Add((address, length, gap));
            TakeAccessAway();
        }
    }

    private void TakeAccessAway()
    {
        for (int index = _refused.Count - 1; index >= 0; index--)
        {
            (nint address, int length, int gap) = _refused[index];
            AccessTaken taken = _takeAccess(address, length);
            if (taken == AccessTaken.Refused)
            {
                continue;
            }

            _refused.RemoveAt(index);
            _pieces--;
            if (taken == AccessTaken.Reserved)
            {
                _pool.Retire(address, length + gap);
            }
        }
    }

    private nint Map(int length, int gap, Func<nint, nuint, nint> map)
    {
        lock (_lock)
        {
            if (_pieces >= _mostPieces)
            {
                TakeAccessAway();
            }

            if (_pieces >= _mostPieces)
            {
                throw CodeRefusal.TooManyMappings(MemoryMap.TryRead()?.Count ?? _pieces, _mapLimit, 0);
            }

            if (_unclear.Count > 0)
            {
                LookAgainAtWhatIsUnclear();
            }

            nint address = Take(length + gap);
            nint answer = map(address, (nuint)length);
            if (answer == address)
            {
                _pieces++;
                return address;
            }

            GiveBack(address, length, length + gap);
            throw Refused((int)-answer);
        }
    }

    private nint Take(nint length)
    {
        if (_pool.TryTake(length, out nint address))
        {
            return address;
        }

        TakeAccessAway();
        if (_pool.AnyRetired)
        {
            _synchronize();
            _pool.ReleaseRetired();
            if (_pool.TryTake(length, out address))
            {
                return address;
            }
        }

        throw new CodeException(
            CodeFailure.OutOfAddresses,
            $"The {Length >> 20} MiB of addresses that are reserved for code have no {length} bytes in a row left. "
                + "Dispose of code that is not needed."
        );
    }

    /// <summary>
    /// A refused mmap with MAP_FIXED has changed nothing, or has left a hole (mmap(2), NOTES; kernels before 6.12). A
    /// hole is reserved again; one that cannot be is not used any more. If the process's map cannot be read (no
    /// descriptor left), neither is known, and the addresses wait until it can.
    /// </summary>
    private void GiveBack(nint address, nint length, nint taken)
    {
        if (MemoryMap.TryRead() is not { } map)
        {
            _unclear.Add((address, length, taken));
        }
        else if (
            map.Any(line => line.Start <= address && address + length <= line.End && line.Permissions == "---p")
            || RangeReservation.At(address, length, Mapping.MAP_FIXED_NOREPLACE) == address
        )
        {
            _pool.ReturnUnused(address, taken);
        }
    }

    private void LookAgainAtWhatIsUnclear()
    {
        (nint Address, nint Length, nint Taken)[] unclear = [.. _unclear];
        _unclear.Clear();
        foreach ((nint address, nint length, nint taken) in unclear)
        {
            GiveBack(address, length, taken);
        }
    }

    private CodeException Refused(int errno)
    {
        int mapped = errno == Errno.ENOMEM ? MemoryMap.TryRead()?.Count ?? 0 : 0;
        return mapped > _mapLimit - 16
            ? CodeRefusal.TooManyMappings(mapped, _mapLimit, errno)
            : CodeRefusal.ExecutableMapping(errno);
    }
}
