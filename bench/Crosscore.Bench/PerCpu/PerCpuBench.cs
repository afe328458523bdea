using System.Globalization;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Bench.PerCpu;

/// <summary>
/// What per-CPU data costs, against an empty call of the same kind, against interlocked instructions, and against the
/// collections that people use for the same purpose.
/// </summary>
internal static class PerCpuBench
{
    private const int Operations = 2_000_000;
    private const int Rounds = 15;

    public static void Run()
    {
        Console.WriteLine();
        Console.WriteLine($"Per-CPU data: {RestartableSequences.State}. {RestartableSequences.Explanation}");
        if (!RestartableSequences.CanRestart)
        {
            Console.WriteLine(
                $"Sections are not available here, or their barrier is not "
                    + $"({RestartableSequences.Barrier}); everything below is the striped fallback."
            );
        }

        Affinity.Pin(Affinity.Cpus[0]);
        try
        {
            PrintAlone();
            PrintPairs();
            PrintStops();
        }
        finally
        {
            Affinity.Release();
        }

        PrintTogether();
    }

    private static void PrintAlone()
    {
        Operation[] operations =
        [
            PerCpuOperations.EmptyCall,
            PerCpuOperations.Add,
            PerCpuOperations.Interlocked,
            PerCpuOperations.ThreadStatic,
            PerCpuOperations.CurrentCpu,
            PerCpuOperations.ProcessorId,
            PerCpuOperations.ReadSection,
            PerCpuOperations.Append,
        ];
        double[] times = Measure(operations);
        var table = new Table(
            $"One thread, ns an operation (fastest of {Rounds} turns of {Operations:N0} in a loop)",
            "operation",
            "ns",
            "over an empty call",
            "to the add"
        );
        for (int i = 0; i < operations.Length; i++)
        {
            table.Add(
                operations[i].Name,
                Nanoseconds(times[i]),
                Nanoseconds(times[i] - times[0]),
                Table.Ratio(times[i], times[1])
            );
        }

        table.Print();
    }

    private static void PrintPairs()
    {
        Operation[] operations =
        [
            PerCpuOperations.TwoEmptyCalls,
            PerCpuOperations.FreeList,
            PerCpuOperations.TwoFreeLists,
            PerCpuOperations.BlockPool,
            PerCpuOperations.Bag,
            PerCpuOperations.Stack,
            PerCpuOperations.ArrayPool,
            PerCpuOperations.NativeHeap,
        ];
        double[] times = Measure(operations);
        var table = new Table(
            "One thread, a block taken and given back, ns a pair",
            "from",
            "ns",
            "over two empty calls",
            "to the free list"
        );
        for (int i = 0; i < operations.Length; i++)
        {
            table.Add(
                operations[i].Name,
                Nanoseconds(times[i]),
                Nanoseconds(times[i] - times[0]),
                Table.Ratio(times[i], times[1])
            );
        }

        table.Print();
    }

    private static void PrintTogether()
    {
        if (Affinity.Cpus.Length < 2)
        {
            Console.WriteLine("Two threads: needs a second processor");
            return;
        }

        Operation[] operations =
        [
            PerCpuOperations.Add,
            PerCpuOperations.Interlocked,
            PerCpuOperations.Bag,
            PerCpuOperations.Stack,
            PerCpuOperations.FreeList,
        ];
        List<double>[] turns = [.. operations.Select(_ => new List<double>())];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < operations.Length; i++)
            {
                if (TwoThreads.Run(operations[i], Operations) is { } time)
                {
                    turns[i].Add(time);
                }
            }
        }

        // The median: the fastest turn of a shared word is one in which the two hardly met.
        var table = new Table(
            "Two threads on two processors, ns an operation and thread (median of the turns in which both ran at once)",
            "operation",
            "turns",
            "ns",
            "to the add"
        );
        for (int i = 0; i < operations.Length; i++)
        {
            table.Add(
                operations[i].Name,
                Table.Number(turns[i].Count),
                Nanoseconds(Median(turns[i])),
                Table.Ratio(Median(turns[i]), Median(turns[0]))
            );
        }

        table.Print();
    }

    private static void PrintStops()
    {
        var area = new PerCpuArea(8);
        var sections = new PerCpuReadDomain();
        Operation[] operations =
        [
            new(
                "PerCpuArea.Stop and Dispose",
                count =>
                {
                    for (int i = 0; i < count; i++)
                    {
                        area.Stop(Affinity.Cpus[0]).Dispose();
                    }
                }
            ),
            new(
                "PerCpuReadDomain.Synchronize, no reader",
                count =>
                {
                    for (int i = 0; i < count; i++)
                    {
                        sections.Synchronize();
                    }
                }
            ),
            new(
                "Interlocked.MemoryBarrierProcessWide",
                count =>
                {
                    for (int i = 0; i < count; i++)
                    {
                        Interlocked.MemoryBarrierProcessWide();
                    }
                }
            ),
        ];
        double[] times = Measure(operations, Operations / 1000);
        var table = new Table("From outside, no sibling running, ns", "operation", "ns", "to the barrier");
        for (int i = 0; i < operations.Length; i++)
        {
            table.Add(operations[i].Name, Table.Number(times[i]), Table.Ratio(times[i], times[^1]));
        }

        table.Print();
    }

    /// <summary>
    /// Operations take turns, so that a slow stretch of the machine hits all of them; the fastest turn of each counts.
    /// </summary>
    private static double[] Measure(Operation[] operations, int count = Operations)
    {
        double[] times = [.. operations.Select(_ => double.MaxValue)];
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < operations.Length; i++)
            {
                long began = System.Diagnostics.Stopwatch.GetTimestamp();
                operations[i].Run(count);
                times[i] = Math.Min(
                    times[i],
                    System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalNanoseconds / count
                );
            }
        }

        return times;
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values.Count == 0 ? double.NaN : values[values.Count / 2];
    }

    private static string Nanoseconds(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
}
