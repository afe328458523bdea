using System.Globalization;

namespace Crosscore.Bench.Corpus;

/// <summary>
/// A folder of many small tests, as a user runs it: one process, start-up included. Against the process that does
/// nothing, and herd7.
/// </summary>
internal static class CorpusBench
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Runs.</summary>
    /// <param name="folder">The folder, or <see langword="null"/> for the public x86-64 tests, which lie beside the
    /// project.</param>
    public static void Run(string? folder)
    {
        folder ??= Beside();
        if (folder is null || !Directory.Exists(folder))
        {
            Console.WriteLine();
            Console.WriteLine(
                $"Corpus: found no folder '{folder ?? "../shared/litmus/x86_64"}'; name one with --corpus FOLDER"
            );
            return;
        }

        string[] files = Directory.GetFiles(folder, "*.litmus", SearchOption.AllDirectories);
        TimeSpan? nothing = Fastest("dotnet", [Tool, "--version"]);
        TimeSpan? all = Fastest("dotnet", [Tool, "explore", folder, "--format", "herd"]);
        var table = new Table(
            $"{Table.Number(files.Length)} tests of {Path.GetFileName(Path.GetFullPath(folder))}, "
                + "whole process, all known answers compared (fastest of three)",
            "who",
            "ms",
            "ms a test",
            "ratio"
        );
        Add(table, "crosscore, start-up alone", nothing, 0, all);
        Add(table, "crosscore explore", all, files.Length, all);
        if (Peer.Find("herd7") is string herd)
        {
            string list = Path.GetTempFileName();
            File.WriteAllLines(list, files);
            Add(table, "herd7", Fastest(herd, ["@" + list]), files.Length, all);
            File.Delete(list);
        }
        else
        {
            table.Add("herd7", "not found on PATH", "-", "-");
        }

        table.Print();
    }

    private static string Tool => Path.Combine(AppContext.BaseDirectory, "Crosscore.Tool.dll");

    private static void Add(Table table, string name, TimeSpan? time, int tests, TimeSpan? all) =>
        table.Add(
            name,
            time is TimeSpan known ? Table.Milliseconds(known) : "failed, or did not end",
            time is TimeSpan each && tests > 0
                ? (each.TotalMilliseconds / tests).ToString("0.00", CultureInfo.InvariantCulture)
                : "-",
            time is TimeSpan theirs && all is TimeSpan ours ? Table.Ratio(theirs.TotalSeconds, ours.TotalSeconds) : "-"
        );

    private static TimeSpan? Fastest(string program, string[] arguments)
    {
        TimeSpan? fastest = null;
        for (int turn = 0; turn < 3; turn++)
        {
            if (Peer.Run(program, arguments, Environment.CurrentDirectory, Patience) is not (_, TimeSpan time))
            {
                return null;
            }

            fastest = fastest is null || time < fastest ? time : fastest;
        }

        return fastest;
    }

    // From the solution's folder, wherever below it this was started.
    private static string? Beside()
    {
        for (string? folder = Environment.CurrentDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Crosscore.slnx")))
            {
                return Path.GetFullPath(Path.Combine(folder, "..", "shared", "litmus", "x86_64"));
            }
        }

        return null;
    }
}
