using System.Globalization;

namespace Crosscore.Linux;

/// <summary>
/// One line of /proc/self/maps: addresses from <paramref name="Start"/> up to <paramref name="End"/>, "rwxp" and the
/// file, or "" where there is none.
/// </summary>
/// <param name="Start">The first address.</param>
/// <param name="End">The address after the last.</param>
/// <param name="Permissions">Four letters.</param>
/// <param name="Path">The last column.</param>
internal readonly record struct MemoryMapLine(nint Start, nint End, string Permissions, string Path);

/// <summary>What this process has mapped. Source: Documentation/filesystems/proc.rst.</summary>
internal static class MemoryMap
{
    private const string Name = "/proc/self/maps";

    /// <summary>
    /// The lines, in the order of their addresses; those above the user's half of the address space (vsyscall) are left
    /// out.
    /// </summary>
    /// <exception cref="IOException">The system does not show it now: no /proc, or no descriptor left.</exception>
    public static List<MemoryMapLine> Read()
    {
        int answer = TryRead(out List<MemoryMapLine> map);
        return answer == 0
            ? map
            : throw new IOException(
                $"The mappings of this process cannot be read: open or pread of {Name} answered {Errno.Name(-answer)}; "
                    + "mount /proc, and leave a descriptor free."
            );
    }

    /// <summary>
    /// The same, or <see langword="null"/> where the system does not show it now: no /proc, or no descriptor left.
    /// </summary>
    public static List<MemoryMapLine>? TryRead() => TryRead(out List<MemoryMapLine> map) == 0 ? map : null;

    /// <summary>The same. Returns 0 or the negative error number.</summary>
    public static int TryRead(out List<MemoryMapLine> map)
    {
        int answer = OpenFile.ReadText(Name, out string text);
        map = answer == 0 ? Parse(text.Split('\n', StringSplitOptions.RemoveEmptyEntries)) : [];
        return answer;
    }

    public static List<MemoryMapLine> Parse(IEnumerable<string> lines)
    {
        var map = new List<MemoryMapLine>();
        foreach (string line in lines)
        {
            // address-address perms offset dev inode path; the path is padded with blanks and may contain some.
            ReadOnlySpan<char> rest = line;
            ReadOnlySpan<char> range = Next(ref rest);
            ReadOnlySpan<char> permissions = Next(ref rest);
            _ = Next(ref rest);
            _ = Next(ref rest);
            _ = Next(ref rest);
            int dash = range.IndexOf('-');
            ulong start = ulong.Parse(range[..dash], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            ulong end = ulong.Parse(range[(dash + 1)..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            if (end <= long.MaxValue)
            {
                map.Add(new((nint)start, (nint)end, permissions.ToString(), rest.TrimStart(' ').ToString()));
            }
        }

        return map;
    }

    private static ReadOnlySpan<char> Next(ref ReadOnlySpan<char> rest)
    {
        int blank = rest.IndexOf(' ');
        ReadOnlySpan<char> word = blank < 0 ? rest : rest[..blank];
        rest = blank < 0 ? [] : rest[(blank + 1)..];
        return word;
    }
}
