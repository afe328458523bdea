using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Crosscore.Bench.Barriers;

/// <summary>What barriers cost the caller, with and without a sibling that must be interrupted.</summary>
internal static class BarrierBench
{
    private const int Turns = 2000;

    public static void Run()
    {
        if (!Membarrier.Supported.HasFlag(MembarrierCommands.PrivateExpedited))
        {
            Console.WriteLine();
            Console.WriteLine("Barriers: this system does not offer membarrier's private expedited command");
            return;
        }

        Membarrier.Register(MembarrierRegistrations.PrivateExpedited);
        PrintAlone();
        PrintInterrupting();
    }

    private static void PrintAlone()
    {
        // In this process: this version of BenchmarkDotNet does not know the framework's newest name, which a separate
        // project would need.
        IConfig config = ManualConfig
            .CreateEmpty()
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
            .AddColumn(
                TargetMethodColumn.Method,
                StatisticColumn.Mean,
                StatisticColumn.Error,
                BaselineRatioColumn.RatioMean
            )
            .AddLogger(NullLogger.Instance)
            .WithOption(ConfigOptions.DisableLogFile, true);
        Console.WriteLine();
        Console.WriteLine("Barriers, one call, no sibling running (BenchmarkDotNet)");
        MarkdownExporter.Console.ExportToLog(BenchmarkRunner.Run<BarrierBenchmarks>(config), ConsoleLogger.Default);
    }

    private static void PrintInterrupting()
    {
        if (Environment.ProcessorCount < 2)
        {
            Console.WriteLine("Barriers, a sibling running: needs a second processor");
            return;
        }

        (string Name, Action Call)[] calls =
        [
            ("PrivateExpedited", Membarrier.PrivateExpedited),
            ("MemoryBarrierProcessWide", Interlocked.MemoryBarrierProcessWide),
            ("MemoryBarrier", Interlocked.MemoryBarrier),
        ];
        using var sibling = new InterruptedSibling();
        Action[] actions = [.. calls.Select(call => call.Call)];
        sibling.Medians(actions, Turns / 4); // the compiler's work
        double[] medians = sibling.Medians(actions, Turns);
        var table = new Table(
            "Barriers, one call, a sibling running on another processor "
                + "(medians of calls that took turns, the clock's own cost included)",
            "method",
            "ns",
            "ratio"
        );
        for (int index = 0; index < calls.Length; index++)
        {
            table.Add(
                calls[index].Name,
                double.IsNaN(medians[index])
                    ? "the sibling never ran"
                    : medians[index].ToString("N0", CultureInfo.InvariantCulture),
                Table.Ratio(medians[index], medians[0])
            );
        }

        table.Print();
    }
}
