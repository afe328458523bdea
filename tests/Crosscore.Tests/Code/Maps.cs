using System.Globalization;
using Crosscore.Linux;

namespace Crosscore.Tests;

/// <summary>What this process has mapped.</summary>
internal static class Maps
{
    public static MemoryMapLine? LineAt(nint address)
    {
        foreach (MemoryMapLine line in MemoryMap.Read())
        {
            if (line.Start <= address && address < line.End)
            {
                return line;
            }
        }

        return null;
    }

    /// <summary>
    /// Where else the file that is mapped at an address is mapped from its beginning, found by its number: others may
    /// have files of the same name.
    /// </summary>
    public static nint OtherMappingOf(nint address)
    {
        // address-address perms offset dev inode path
        (nint Start, string File)[] lines =
        [
            .. File.ReadLines("/proc/self/maps")
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(fields => fields[2].All(digit => digit == '0') && fields[4] != "0")
                .Select(fields =>
                    (
                        nint.Parse(fields[0].Split('-')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                        $"{fields[3]} {fields[4]}"
                    )
                ),
        ];
        string file = lines.Single(line => line.Start == address).File;
        return lines.Single(line => line.File == file && line.Start != address).Start;
    }

    public static string? PermissionsAt(nint address) => LineAt(address)?.Permissions;
}
