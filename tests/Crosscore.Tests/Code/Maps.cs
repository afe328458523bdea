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

    public static string? PermissionsAt(nint address) => LineAt(address)?.Permissions;
}
