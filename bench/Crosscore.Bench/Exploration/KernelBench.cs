using System.Diagnostics;
using System.Globalization;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Bench.Exploration;

using Exploration = Crosscore.Model.Exploration.Exploration; // not the namespace

/// <summary>
/// How fast tests on kernel designs are explored, interrupts and instruction fetch included, by one thread and by all;
/// and all tests on all designs.
/// </summary>
internal static class KernelBench
{
    private const string Design = "linux-5.10";

    // The loops of these tests fill any buffer; the depth is that of the SPIN model which they are held against.
    private const int Buffer = 2;

    // The test with a scheduler is cut off here; the others end before.
    private const int Enough = 12_000_000;

    private const int Large = 100_000_000;

    public static void Run()
    {
        var table = new Table(
            $"Exploration on {Design}, buffers of {Buffer} (ratio: states a second, to one thread)",
            "test",
            "threads",
            "states",
            "s",
            "states/s",
            "ratio",
            "bits a state",
            "bytes a state"
        );
        KernelDesign design = KernelDesign.Load(Design, Folder("kernels"));
        foreach (
            string file in new[]
            {
                "bench/litmus/Dekker.4.litmus",
                "bench/litmus/Fetch.3.litmus",
                "bench/litmus/Dekker.5.litmus",
            }
        )
        {
            LoweredTest lowered = Lower(file, design);
            Explore(lowered, Environment.ProcessorCount, 1_000_000); // the compiler's work
            Exploration alone = Explore(lowered, 1, Enough);
            Add(table, file, 1, alone, alone);
            Add(table, file, Environment.ProcessorCount, Explore(lowered, Environment.ProcessorCount, Enough), alone);
        }

        table.Print();
        PrintEverything();
    }

    /// <summary>How much memory 100 million states take.</summary>
    public static void RunLarge()
    {
        LoweredTest lowered = Lower("bench/litmus/Dekker.5.litmus", KernelDesign.Load(Design, Folder("kernels")));
        Exploration result = Explorer.Explore(
            lowered.Program,
            CoreKind.X86Tso,
            new ExplorationOptions { MaxStates = Large, MaxBytes = 16L << 30 }
        );
        var table = new Table(
            "Many states: Dekker.5, buffers of 8",
            "states",
            "s",
            "states/s",
            "bits a state",
            "GiB for states",
            "GiB of the process at most"
        );
        using var process = Process.GetCurrentProcess();
        table.Add(
            Table.Number(result.States),
            Seconds(result.Elapsed),
            Table.Number(result.States / result.Elapsed.TotalSeconds),
            Table.Number(result.StateBits),
            (result.Bytes / (double)(1 << 30)).ToString("0.00", CultureInfo.InvariantCulture),
            (process.PeakWorkingSet64 / (double)(1 << 30)).ToString("0.00", CultureInfo.InvariantCulture)
        );
        table.Print();
    }

    private static void PrintEverything()
    {
        KernelDesign[] designs =
        [
            .. KernelDesign.NamesIn(Folder("kernels")).Select(name => KernelDesign.Load(name, Folder("kernels"))),
        ];
        long began = Stopwatch.GetTimestamp();
        long states = 0;
        int verdicts = 0;
        foreach (string file in Directory.EnumerateFiles(Folder("litmus"), "*.litmus", SearchOption.AllDirectories))
        {
            LitmusTest test = LitmusParser.Parse(File.ReadAllText(file), file);
            if (!ModelVerdict.CanExecute(CoreKind.X86Tso, test))
            {
                continue; // written for AArch64
            }

            foreach (
                DesignReport report in designs.Select(design =>
                    DesignReport.Of(test, design, CoreKind.X86Tso, new ExplorationOptions())
                )
            )
            {
                states += report.Verdict?.Exploration.States ?? 0;
                verdicts += report.Verdict is null ? 0 : 1;
            }
        }

        var table = new Table($"All of litmus/ on all {designs.Length} designs, x86-TSO", "verdicts", "states", "s");
        table.Add(Table.Number(verdicts), Table.Number(states), Seconds(Stopwatch.GetElapsedTime(began)));
        table.Print();
    }

    private static LoweredTest Lower(string file, KernelDesign design)
    {
        string path = Folder(file);
        return LoweredTest.Of(LitmusParser.Parse(File.ReadAllText(path), path), design);
    }

    private static Exploration Explore(LoweredTest lowered, int threads, int mostStates) =>
        Explorer.Explore(
            lowered.Program,
            CoreKind.X86Tso,
            new ExplorationOptions
            {
                BufferBound = Buffer,
                Workers = threads,
                MaxStates = mostStates,
            }
        );

    private static void Add(Table table, string file, int threads, Exploration result, Exploration alone) =>
        table.Add(
            Path.GetFileNameWithoutExtension(file),
            Table.Number(threads),
            Table.Number(result.States),
            Seconds(result.Elapsed),
            Table.Number(result.States / result.Elapsed.TotalSeconds),
            Table.Ratio(alone.Elapsed.TotalSeconds, result.Elapsed.TotalSeconds),
            Table.Number(result.StateBits),
            Table.Number(result.Bytes / (double)result.States)
        );

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.00", CultureInfo.InvariantCulture);

    private static string Folder(string name)
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Crosscore.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return Path.Combine(folder ?? ".", name);
    }
}
