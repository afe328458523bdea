using System.Globalization;
using Crosscore.Linux;
using Crosscore.Sealing;

namespace Crosscore.Code;

/// <summary>Reserves the range of this process, and asks the system what bounds it.</summary>
internal static class RangeReservation
{
    private const string MaxMapCount = "/proc/sys/vm/max_map_count";

    /// <summary>
    /// The length of the range if the runtime is out of reach. Code can still be installed; it has to be called through
    /// an address, not by a displacement.
    /// </summary>
    private const nint FarLength = 1 << 28;

    /// <exception cref="CodeException">There is no room.</exception>
    public static CodeRange Reserve()
    {
        foreach ((nint start, nint length) in Candidates().Append((0, FarLength)))
        {
            nint answer = At(start, length, start == 0 ? 0 : Mapping.MAP_FIXED_NOREPLACE);
            if (Mapping.IsError(answer))
            {
                // Another thread has mapped something there since, or there is a limit that a smaller range may
                // respect.
                continue;
            }

            if (start == 0 || answer == start)
            {
                return new CodeRange(answer, length, MapLimit(), AllCores.Synchronize, TakeAccess);
            }

            Leftovers.Unmap(answer, (nuint)length); // A kernel before 4.17 took the address as a hint.
        }

        throw new CodeException(
            CodeFailure.OutOfMemory,
            "No addresses could be reserved for code: the address space is full, or RLIMIT_AS limits it.",
            Errno.ENOMEM
        );
    }

    /// <summary>Reserves addresses without access. Returns the address or the negative error number.</summary>
    public static nint At(nint address, nint length, int how) =>
        Mapping.MapAt(
            address,
            (nuint)length,
            Mapping.PROT_NONE,
            Mapping.MAP_PRIVATE | Mapping.MAP_ANONYMOUS | Mapping.MAP_NORESERVE | how,
            -1
        );

    /// <summary>
    /// Makes code a reservation again. With vm.max_map_count exhausted the kernel refuses even to replace a mapping,
    /// but not to unmap it: the hole traps as well, but its addresses may be given to others. Both are refused only if
    /// another part of the process has changed the mapping or the rules since (mseal(2), a seccomp filter).
    /// </summary>
    public static AccessTaken TakeAccess(nint address, nint length) =>
        At(address, length, Mapping.MAP_FIXED) == address ? AccessTaken.Reserved
        : Mapping.Unmap(address, (nuint)length) == 0 ? AccessTaken.Unmapped
        : AccessTaken.Refused;

    /// <summary>
    /// If the process's own map is hidden (no /proc), only a place of the kernel's choice is possible, because nothing
    /// tells where the runtime lies. A map that cannot be read only now refuses instead, because the range is
    /// permanent.
    /// </summary>
    private static List<(nint Start, nint Length)> Candidates()
    {
        int answer = MemoryMap.TryRead(out List<MemoryMapLine> map);
        return answer == 0 ? RangePlacement.Candidates(map, StackLimit())
            : answer is -Errno.ENOENT or -Errno.EACCES or -Errno.EPERM or -Errno.ENOSYS ? []
            : throw CodeRefusal.MemoryFile("open or pread of /proc/self/maps", -answer);
    }

    /// <summary>Reads the limit, or takes the kernel's default if the setting is hidden.</summary>
    private static long MapLimit() =>
        OpenFile.ReadText(MaxMapCount, out string text) == 0
        && long.TryParse(text, CultureInfo.InvariantCulture, out long limit)
            ? limit
            : 65530;

    /// <summary>
    /// The soft limit in bytes; <see langword="null"/> for none, and where it is hidden: then no place near the stack
    /// is taken.
    /// </summary>
    private static long? StackLimit()
    {
        string? line =
            OpenFile.ReadText("/proc/self/limits", out string text) != 0
                ? null
                : text.Split('\n').FirstOrDefault(line => line.StartsWith("Max stack size", StringComparison.Ordinal));
        string[] fields = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        return fields.Length > 3 && long.TryParse(fields[3], CultureInfo.InvariantCulture, out long limit)
            ? limit
            : null;
    }
}

/// <summary>What became of addresses whose access was taken away.</summary>
internal enum AccessTaken
{
    /// <summary>They are reserved, and can be used again.</summary>
    Reserved,

    /// <summary>Nothing is mapped there, and the kernel may give the addresses to any mapping.</summary>
    Unmapped,

    /// <summary>Everything is as it was.</summary>
    Refused,
}
