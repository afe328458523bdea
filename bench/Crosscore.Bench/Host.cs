using System.Runtime.InteropServices;

namespace Crosscore.Bench;

/// <summary>What the figures were measured on; without it they mean nothing.</summary>
internal static class Host
{
    private const string ProcessorInfo = "/proc/cpuinfo";
    private const string Release = "/proc/sys/kernel/osrelease";
    private const string Load = "/proc/loadavg";

    public static void Print()
    {
        Console.WriteLine($"processor  {Processor()}, {Environment.ProcessorCount} for this process");
        Console.WriteLine($"kernel     {Kernel()}, {RuntimeInformation.OSDescription}");
        Console.WriteLine(
            $"runtime    {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}"
        );
        Console.WriteLine(
            $"load       {(File.Exists(Load) ? File.ReadAllText(Load).Split(' ')[0] : "unknown")} "
                + "before the start; ratios bear a busy machine better than times do"
        );
#if DEBUG
        Console.WriteLine("THIS IS A DEBUG BUILD: use -c Release");
#endif
    }

    // The runtime's own answer names the distribution.
    private static string Kernel() =>
        File.Exists(Release) ? "Linux " + File.ReadAllText(Release).Trim() : Environment.OSVersion.VersionString;

    private static string Processor()
    {
        string? line = File.Exists(ProcessorInfo)
            ? File.ReadLines(ProcessorInfo)
                .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line is null ? "unnamed" : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
