using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Bench.Exploration;

using Exploration = Crosscore.Model.Exploration.Exploration; // not the namespace

/// <summary>
/// How many states, how fast, what each reduction is worth, and what SPIN and herd7 need for the same question.
/// </summary>
internal static partial class ExplorationBench
{
    // The two tests of the project's own litmus/exploration folder, and one whose states no longer fit any cache.
    private static readonly (int Threads, int Rounds)[] Sizes = [(2, 4), (3, 3), (3, 4)];

    // Without reductions the largest size has too many states to wait for.
    private static readonly (int Threads, int Rounds)[] SizesOfPeers = [(2, 4), (3, 3)];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static void Run()
    {
        // The runtime compiles what is hot a second time, in the background: without this the first row would be
        // measured in slower code than the last.
        long began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(2))
        {
            Explore(StoreBufferingFamily.Litmus(2, 3), Reductions.All);
            Explore(StoreBufferingFamily.Litmus(2, 3), Reductions.None);
        }

        PrintRates();
        PrintReductions();
        PrintPeers();
    }

    private static Exploration Explore(string text, Reductions reductions)
    {
        LoweredTest lowered = LoweredTest.Of(LitmusParser.Parse(text, "generated"));
        Exploration? fastest = null;
        for (int turn = 0; turn < 3; turn++)
        {
            Exploration exploration = Explorer.Explore(
                lowered.Program,
                CoreKind.X86Tso,
                new ExplorationOptions { Reductions = reductions }
            );
            fastest = fastest is null || exploration.Elapsed < fastest.Elapsed ? exploration : fastest;
            if (exploration.Elapsed > TimeSpan.FromSeconds(2))
            {
                break;
            }
        }

        return fastest!;
    }

    private static void PrintRates()
    {
        var table = new Table(
            "Exploration, x86-TSO, all reductions (fastest of three)",
            "store buffering",
            "final states",
            "states",
            "transitions",
            "ms",
            "states/s",
            "bits a state",
            "bytes a state"
        );
        foreach ((int threads, int rounds) in Sizes)
        {
            Exploration result = Explore(StoreBufferingFamily.Litmus(threads, rounds), Reductions.All);
            table.Add(
                $"{threads} x {rounds}",
                Table.Number(result.FinalStates.Count),
                Table.Number(result.States),
                Table.Number(result.Transitions),
                Table.Milliseconds(result.Elapsed),
                Table.Number(result.States / result.Elapsed.TotalSeconds),
                Table.Number(result.StateBits),
                Table.Number((double)result.Bytes / result.States)
            );
        }

        table.Print();
    }

    private static void PrintReductions()
    {
        var table = new Table(
            "The reductions: all of them, without one, without any. Ratios to all; final states must not change",
            "store buffering",
            "reductions",
            "final states",
            "states",
            "ratio",
            "ms",
            "ratio"
        );
        foreach ((int threads, int rounds, bool observeAll) in new[] { (2, 4, true), (3, 3, true), (3, 3, false) })
        {
            string text = StoreBufferingFamily.Litmus(threads, rounds, observeAll);
            string name = $"{threads} x {rounds}{(observeAll ? "" : ", last loads only")}";
            Exploration all = Explore(text, Reductions.All);
            foreach (
                (string which, Reductions reductions) in new[]
                {
                    ("all", Reductions.All),
                    ("without dead-registers", Reductions.All & ~Reductions.DeadRegisters),
                    ("without independence", Reductions.All & ~Reductions.Independence),
                    ("without fusion", Reductions.All & ~Reductions.LocalFusion),
                    ("none", Reductions.None),
                }
            )
            {
                Exploration result = reductions == Reductions.All ? all : Explore(text, reductions);
                table.Add(
                    name,
                    which,
                    Table.Number(result.FinalStates.Count) + (SameFinals(all, result) ? "" : " DIFFERENT"),
                    Table.Number(result.States),
                    Table.Ratio(result.States, all.States),
                    Table.Milliseconds(result.Elapsed),
                    Table.Ratio(result.Elapsed.TotalSeconds, all.Elapsed.TotalSeconds)
                );
            }
        }

        table.Print();
    }

    private static bool SameFinals(Exploration left, Exploration right) =>
        left.FinalStates.Select(Key).ToHashSet().SetEquals(right.FinalStates.Select(Key));

    private static string Key(FinalState final) => string.Join(' ', final.Values);

    private static void PrintPeers()
    {
        var table = new Table(
            "The same question put to others. Ratio: their time to ours, exploration alone",
            "store buffering",
            "who",
            "states",
            "ms",
            "ratio"
        );
        foreach ((int threads, int rounds) in SizesOfPeers)
        {
            string size = $"{threads} x {rounds}";
            Exploration ours = Explore(StoreBufferingFamily.Litmus(threads, rounds), Reductions.All);
            table.Add(size, "crosscore", Table.Number(ours.States), Table.Milliseconds(ours.Elapsed), "1");
            string folder = Directory.CreateTempSubdirectory("crosscore-bench").FullName;
            try
            {
                AddSpin(table, size, StoreBufferingFamily.Promela(threads, rounds), folder, ours);
                AddHerd(table, size, StoreBufferingFamily.Litmus(threads, rounds), folder, ours);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }

        table.Print();
    }

    // SPIN writes a checker in C; writing and compiling it is not counted. Safety only, partial-order reduction on,
    // states compressed exactly.
    private static void AddSpin(Table table, string size, string promela, string folder, Exploration ours)
    {
        if (Peer.Find("spin") is not string spin || Peer.Find("gcc") is not string gcc)
        {
            table.Add(size, "spin", "not found on PATH, or no gcc (Debian: apt-get install spin gcc)", "-", "-");
            return;
        }

        File.WriteAllText(Path.Combine(folder, "model.pml"), promela);
        if (
            Peer.Run(spin, ["-a", "model.pml"], folder, Patience) is null
            || Peer.Run(gcc, ["-O2", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=8192", "-o", "pan", "pan.c"], folder, Patience)
                is null
        )
        {
            table.Add(size, "spin", "could not build the model", "-", "-");
            return;
        }

        if (
            Peer.Run(Path.Combine(folder, "pan"), ["-m1000000", "-w22"], folder, Patience)
                is not
                ({ } output, TimeSpan time)
            || !output.Contains("errors: 0", StringComparison.Ordinal)
            || StatesOfSpin().Match(output) is not { Success: true } stored
        )
        {
            table.Add(size, "spin", $"no result within {Patience.TotalSeconds:0} s", "-", "-");
            return;
        }

        // Its own time of the search, in hundredths of a second, where there is one to tell: starting a process is not
        // exploring.
        double states = double.Parse(stored.Groups[1].Value, CultureInfo.InvariantCulture);
        double seconds = TimeOfSpin().Match(output) is { Success: true } told
            ? double.Parse(told.Groups[1].Value, CultureInfo.InvariantCulture)
            : 0;
        time = seconds > 0 ? TimeSpan.FromSeconds(seconds) : time;
        table.Add(
            size,
            "spin",
            Table.Number(states),
            Table.Milliseconds(time),
            Table.Ratio(time.TotalSeconds, ours.Elapsed.TotalSeconds)
        );
    }

    private static void AddHerd(Table table, string size, string litmus, string folder, Exploration ours)
    {
        if (Peer.Find("herd7") is not string herd)
        {
            table.Add(size, "herd7", "not found on PATH (github.com/herd/herdtools7)", "-", "-");
            return;
        }

        File.WriteAllText(Path.Combine(folder, "test.litmus"), litmus);
        if (Peer.Run(herd, ["test.litmus"], folder, Patience) is ({ } _, TimeSpan time))
        {
            table.Add(
                size,
                "herd7",
                "-",
                Table.Milliseconds(time),
                Table.Ratio(time.TotalSeconds, ours.Elapsed.TotalSeconds)
            );
        }
        else
        {
            table.Add(
                size,
                "herd7",
                "-",
                $"over {Table.Milliseconds(Patience)}",
                "over " + Table.Ratio(Patience.TotalSeconds, ours.Elapsed.TotalSeconds)
            );
        }
    }

    [GeneratedRegex(@"([0-9.e+]+) states, stored")]
    private static partial Regex StatesOfSpin();

    [GeneratedRegex(@"pan: elapsed time ([0-9.e+-]+) seconds")]
    private static partial Regex TimeOfSpin();
}
