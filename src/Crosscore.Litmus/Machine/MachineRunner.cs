using System.Runtime.InteropServices;
using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// Runs litmus tests on this processor and this kernel: each column's instructions, unaltered, on a thread bound to a
/// processor that no other column runs on.
/// </summary>
/// <remarks>
/// Caller must: run only tests whose addresses stay in the test's memory. The code runs in this process, as written; a
/// test that dereferences a number ends the process.
/// </remarks>
internal static class MachineRunner
{
    /// <summary>Runs a test.</summary>
    /// <param name="test">The test.</param>
    /// <param name="options">What to run and when to end.</param>
    /// <param name="cancellation">Ends the run at once.</param>
    /// <returns>What was seen.</returns>
    /// <exception cref="MachineRunException">It cannot be run here, or the kernel refused a call that the test
    /// makes.</exception>
    /// <exception cref="LitmusException">The architecture has no such instruction.</exception>
    /// <exception cref="OperationCanceledException">It was canceled.</exception>
    public static MachineRun Run(LitmusTest test, MachineRunOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(test);
        ArgumentNullException.ThrowIfNull(options);
        ITestAssembler assembler =
            test.InstructionSet().Assembler
            ?? throw new MachineRunException($"{test.Name} cannot run: {test.WhyModelOnly()}.");
        if (!assembler.RunsHere)
        {
            throw new MachineRunException(
                $"{test.Name} cannot run: this machine is {RuntimeInformation.RuntimeIdentifier}; "
                    + $"the test's code runs on {assembler.Requires} only."
            );
        }

        (PerpetualPlan? plan, string reason) = ChooseMode(test, assembler, options.Mode);
        Register(test);
        IReadOnlyList<int> allowed = Processors.Allowed();
        int[] processors = Processors.Assign(allowed, test.Threads.Count);
        bool oversubscribed = allowed.Count < test.Threads.Count;
        Batches batches = plan is null
            ? RunRendezvous(test, assembler, processors, oversubscribed, options, cancellation)
            : RunPerpetual(test, assembler, processors, plan, options, cancellation);
        return new MachineRun
        {
            Test = test,
            Mode = plan is null ? MachineMode.Rendezvous : MachineMode.Perpetual,
            ModeReason = reason,
            End = batches.End,
            Iterations = batches.Iterations,
            FastIterations = batches.FastIterations,
            RelevantTrials = batches.Relevant,
            Histogram = new SortedDictionary<Outcome, long>(batches.Counts, Outcome.Order(test)),
            Elapsed = batches.Elapsed,
            Processors = processors,
            Oversubscribed = oversubscribed,
            Remarks = Remarks(test, plan is { HasMembarrier: true }, batches, allowed.Count, options),
        };
    }

    /// <summary>What the batches of a run showed.</summary>
    private sealed record Batches(
        long Iterations,
        MachineRunEnd End,
        long FastIterations,
        long Relevant,
        TimeSpan Elapsed,
        Dictionary<Outcome, long> Counts
    );

    private static Batches RunRendezvous(
        LitmusTest test,
        ITestAssembler assembler,
        int[] processors,
        bool oversubscribed,
        MachineRunOptions options,
        CancellationToken cancellation
    )
    {
        var layout = new MemoryLayout(test.Variables);
        RendezvousCode columns = assembler.Rendezvous(test, layout);
        using var code = new MachineCode(test, columns.Functions);
        using var crew = new PinnedCrew(processors);
        using var run = new RendezvousRun(
            test,
            layout,
            columns.Observed,
            code,
            test.Threads.Any(assembler.HasLoop) ? MachineRunEnd.DidNotEnd : MachineRunEnd.TimeLimit,
            oversubscribed
        );
        var clock = new RunClock(options.TimeLimit, cancellation);
        var stop = new StopCondition(options.StopWhen, run.Counts);
        (long iterations, MachineRunEnd end) = BatchLoop.Run(run, crew, options.Iterations, clock, stop.IsMet);
        return new Batches(iterations, end, iterations, iterations, clock.Elapsed, Merge(run.Counts));
    }

    private static Batches RunPerpetual(
        LitmusTest test,
        ITestAssembler assembler,
        int[] processors,
        PerpetualPlan plan,
        MachineRunOptions options,
        CancellationToken cancellation
    )
    {
        var layout = new MemoryLayout(test.Variables);
        using var code = new MachineCode(test, assembler.Perpetual(test, layout, plan));
        using var crew = new PinnedCrew(processors);
        using var run = new PerpetualRun(test, layout, plan, code);
        var clock = new RunClock(options.TimeLimit, cancellation);
        var stop = new StopCondition(options.StopWhen, [run.Frames.Counts]);
        (long iterations, MachineRunEnd end) = BatchLoop.Run(run, crew, options.Iterations, clock, stop.IsMet);
        return new Batches(
            iterations,
            end,
            run.FastIterations,
            run.Frames.Relevant,
            clock.Elapsed,
            Merge([run.Frames.Counts])
        );
    }

    private static (PerpetualPlan? Plan, string Reason) ChooseMode(
        LitmusTest test,
        ITestAssembler assembler,
        MachineMode mode
    )
    {
        if (mode == MachineMode.Rendezvous)
        {
            return (null, "Rendezvous mode was asked for.");
        }

        PerpetualPlan? plan = assembler.Plan(test, out string reason);
        if (mode == MachineMode.Perpetual)
        {
            return plan is not null
                ? (plan, "Perpetual mode was asked for.")
                : throw new MachineRunException($"{test.Name} has no perpetual form: {reason}.");
        }

        int slow = test.Threads.Count(thread =>
            thread.Instructions.Any(instruction => instruction.Command is not null)
        );
        return slow switch
        {
            0 => (null, "No column issues membarrier, so all are equally fast."),
            _ when plan is { HasMembarrier: true } => (
                plan,
                $"Only P{plan.Slow} issues membarrier; P{plan.Fast} would "
                    + "have finished long before the barrier takes effect."
            ),
            _ => (
                null,
                $"The test issues membarrier but has no perpetual form: "
                    + $"{reason}. Most iterations end before the barrier takes effect."
            ),
        };
    }

    // Once for the process. GLOBAL needs no registration; GLOBAL_EXPEDITED needs one of the receivers, and they are
    // this process.
    private static void Register(LitmusTest test)
    {
        MembarrierRegistrations registrations = MembarrierRegistrations.None;
        foreach (ITestInstruction instruction in test.Threads.SelectMany(thread => thread.Instructions))
        {
            registrations |= instruction.Command switch
            {
                MembarrierCommand.GlobalExpedited => MembarrierRegistrations.GlobalExpedited,
                MembarrierCommand.PrivateExpedited => MembarrierRegistrations.PrivateExpedited,
                MembarrierCommand.PrivateExpeditedSyncCore => MembarrierRegistrations.SyncCore,
                MembarrierCommand.PrivateExpeditedRseq => MembarrierRegistrations.RestartSequences,
                _ => MembarrierRegistrations.None, // the kernel answers the call itself
            };
        }

        try
        {
            Membarrier.Register(registrations);
        }
        catch (MembarrierException refusal)
        {
            throw new MachineRunException($"{test.Name}: membarrier cannot be used here. {refusal.Message}", refusal);
        }
    }

    private static Dictionary<Outcome, long> Merge(IReadOnlyList<OutcomeCounts> parts)
    {
        var all = new Dictionary<Outcome, long>();
        foreach (OutcomeCounts part in parts)
        {
            for (int number = 0; number < part.Distinct; number++)
            {
                var outcome = new Outcome(part.ValuesOf(number));
                all[outcome] = all.GetValueOrDefault(outcome) + part.CountOf(number);
            }
        }

        return all;
    }

    private static List<string> Remarks(
        LitmusTest test,
        bool asymmetric,
        Batches batches,
        int processors,
        MachineRunOptions options
    )
    {
        var remarks = new List<string>();
        string limit = $"{options.TimeLimit.TotalSeconds:0.###} s";
        if (processors < test.Threads.Count)
        {
            remarks.Add(
                $"{test.Threads.Count} threads shared {Plural.Of(processors, "processor")}: "
                    + "weak outcomes are unlikely, and their absence says little."
            );
        }

        if (batches.End == MachineRunEnd.DidNotEnd)
        {
            remarks.Add($"A column did not end within the time limit of {limit}; its iteration is not an outcome.");
        }
        else if (batches.End == MachineRunEnd.TimeLimit)
        {
            string asked = options.Iterations == long.MaxValue ? "" : $" of {options.Iterations}";
            remarks.Add($"The time limit of {limit} ended the run after {batches.Iterations}{asked} iterations.");
        }

        if (asymmetric && 2 * batches.Relevant < batches.Iterations)
        {
            remarks.Add(
                $"The fast side was seen to advance during only {batches.Relevant} of "
                    + $"{batches.Iterations} iterations of the slow side; the others tested little."
            );
        }

        return remarks;
    }
}
