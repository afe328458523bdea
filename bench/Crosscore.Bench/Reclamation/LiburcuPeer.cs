using System.Globalization;

namespace Crosscore.Bench.Reclamation;

/// <summary>liburcu's memb flavor, measured by a small C program that is compiled here and run beside.</summary>
internal static class LiburcuPeer
{
    private const string Source = "Reclamation/liburcu-peer.c";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Compiles the program; returns its path, or why it is missing.</summary>
    public static (string? Program, string? Missing) Build()
    {
        if (Peer.Find("gcc") is not { } gcc)
        {
            return (null, "gcc is not on PATH; install it and liburcu: apt-get install gcc liburcu-dev");
        }

        string program = Path.Combine(AppContext.BaseDirectory, "liburcu-peer");
        return
            Peer.Run(
                gcc,
                ["-O2", "-pthread", Path.Combine(AppContext.BaseDirectory, Source), "-o", program, "-lurcu-memb"],
                AppContext.BaseDirectory,
                Limit
            )
                is null
            ? (null, "the C program did not compile; install liburcu: apt-get install gcc liburcu-dev")
            : (program, null);
    }

    /// <summary>Runs it and keeps the smaller of what is known and what it says, by name, in nanoseconds.</summary>
    public static void Measure(string program, Dictionary<string, double> least)
    {
        if (Peer.Run(program, [], AppContext.BaseDirectory, Limit) is not { } run)
        {
            throw new InvalidOperationException("The liburcu program failed.");
        }

        foreach (
            string[] line in run
                .Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => line.Split(' '))
        )
        {
            double time = double.Parse(line[1], CultureInfo.InvariantCulture);
            least[line[0]] = least.TryGetValue(line[0], out double known) ? Math.Min(known, time) : time;
        }
    }
}
