using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Bench.Machine;

/// <summary>
/// How often the runner shows what store buffers do, against a harness that one writes in ten minutes.
/// </summary>
internal static class MachineBench
{
    private const long Iterations = 1_000_000;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private const string StoreBuffering = """
        X86_64 SB
        { }
         P0            | P1            ;
         movl $1,(x)   | movl $1,(y)   ;
         movl (y),%eax | movl (x),%eax ;
        exists (0:rax=0 /\ 1:rax=0)
        """;

    // The same membarrier in the right place, and where it does nothing: before the store.
    private const string Asymmetric = """
        X86_64 SB.Membarrier
        { }
         P0            | P1                           ;
         movl $1,(x)   | movl $1,(y)                  ;
         movl (y),%eax | membarrier private_expedited ;
                       | movl (x),%eax                ;
        ~exists (0:rax=0 /\ 1:rax=0)
        """;

    private const string BrokenTwin = """
        X86_64 SB.MembarrierBeforeStore
        { }
         P0            | P1                           ;
         movl $1,(x)   | membarrier private_expedited ;
         movl (y),%eax | movl $1,(y)                  ;
                       | movl (x),%eax                ;
        exists (0:rax=0 /\ 1:rax=0)
        """;

    public static void Run()
    {
        if (
            !OperatingSystem.IsLinux()
            || System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture
                != System.Runtime.InteropServices.Architecture.X64
        )
        {
            Console.WriteLine();
            Console.WriteLine("Machine: needs Linux on x86-64");
            return;
        }

        PrintHarnesses();
        PrintModes();
    }

    private static void PrintHarnesses()
    {
        var table = new Table(
            $"Store buffering on this machine, {Table.Number(Iterations)} iterations or "
                + $"{Limit.TotalSeconds:0} s. Ratio: weak outcomes a second, to crosscore's",
            "harness",
            "iterations",
            "iterations/s",
            "weak",
            "weak share",
            "weak/s",
            "ratio"
        );
        RunTest(StoreBuffering, MachineMode.Rendezvous, 50_000); // the compiler's work
        (MachineRun run, long seen) = RunTest(StoreBuffering, MachineMode.Rendezvous, Iterations);
        double ours = seen / run.Elapsed.TotalSeconds;
        Add(table, "crosscore, rendezvous", run.Iterations, seen, run.Elapsed, ours);
        foreach (NaiveHarness.Meeting meeting in Enum.GetValues<NaiveHarness.Meeting>())
        {
            new NaiveHarness().Run(meeting, 1000, Limit);
            (long iterations, long weak, TimeSpan time) = new NaiveHarness().Run(meeting, Iterations, Limit);
            Add(table, $"two C# threads, {meeting}", iterations, weak, time, ours);
        }

        table.Print();
    }

    // With a barrier on one side a meeting before each iteration tests next to nothing: the other side is through
    // before the slow one has left the kernel. What a mode is worth shows on the broken twin: how often does it catch
    // the mistake?
    private static void PrintModes()
    {
        var table = new Table(
            "Store buffering, membarrier on one side, 20,000 calls or 5 s. "
                + "Ratio: mistakes of the broken twin caught a second, to perpetual's",
            "mode",
            "calls/s",
            "fast iterations a call",
            "weak: correct",
            "weak: broken twin",
            "weak/s",
            "ratio"
        );
        double best = 0;
        foreach (MachineMode mode in new[] { MachineMode.Perpetual, MachineMode.Rendezvous })
        {
            string name = mode.ToString().ToLowerInvariant();
            try
            {
                (_, long forbidden) = RunTest(Asymmetric, mode, 20_000);
                (MachineRun run, long caught) = RunTest(BrokenTwin, mode, 20_000);
                double speed = caught / run.Elapsed.TotalSeconds;
                best = mode == MachineMode.Perpetual ? speed : best;
                table.Add(
                    name,
                    Table.Number(run.Iterations / run.Elapsed.TotalSeconds),
                    Table.Number((double)run.FastIterations / run.Iterations),
                    Table.Number(forbidden),
                    Table.Number(caught),
                    Table.Number(speed),
                    Table.Ratio(speed, best)
                );
            }
            catch (MachineRunException refusal)
            {
                table.Add(name, refusal.Message, "-", "-", "-", "-", "-");
            }
        }

        table.Print();
    }

    private static (MachineRun Run, long Seen) RunTest(string text, MachineMode mode, long iterations)
    {
        LitmusTest test = LitmusParser.Parse(text, "generated");
        ModelVerdict verdict = ModelVerdict.Of(test, CoreKind.X86Tso);
        MachineRun run = MachineRunner.Run(
            test,
            new MachineRunOptions
            {
                Iterations = iterations,
                Mode = mode,
                TimeLimit = Limit,
            }
        );
        return (run, run.Histogram.Where(entry => verdict.IsWitness(entry.Key)).Sum(entry => entry.Value));
    }

    private static void Add(Table table, string name, long iterations, long weak, TimeSpan time, double ours) =>
        table.Add(
            name,
            Table.Number(iterations),
            Table.Number(iterations / time.TotalSeconds),
            Table.Number(weak),
            Share(weak, iterations),
            Table.Number(weak / time.TotalSeconds),
            Table.Ratio(weak / time.TotalSeconds, ours)
        );

    private static string Share(long part, long whole) => whole == 0 ? "-" : $"{100.0 * part / whole:0.000} %";
}
