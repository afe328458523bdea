using System.Runtime.InteropServices;
using Crosscore.Litmus.Machine.Encoding;
using Crosscore.Litmus.Machine.Engine;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// Runs litmus tests on this processor and this kernel: each column's instructions, unaltered, on a thread bound to a
/// processor of its own.
/// </summary>
/// <remarks>
/// Caller must: run only tests whose addresses stay in the test's memory. The code runs in this process, as written; a
/// test that dereferences a number ends the process.
/// </remarks>
public static class MachineRunner
{
    /// <summary>Runs a test.</summary>
    /// <param name="test">The test.</param>
    /// <param name="options">What to run and when to end.</param>
    /// <param name="cancellation">Ends the run at once.</param>
    /// <returns>What was seen.</returns>
    /// <exception cref="MachineRunException">It cannot be run here, or the kernel refused a call that the test
    /// makes.</exception>
    /// <exception cref="LitmusException">The architecture has no such instruction.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static MachineRun Run(LitmusTest test, MachineRunOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(test);
        ArgumentNullException.ThrowIfNull(options);
        if (
            !OperatingSystem.IsLinux()
            || RuntimeInformation.ProcessArchitecture != System.Runtime.InteropServices.Architecture.X64
        )
        {
            throw new MachineRunException(
                $"{test.Name}: this machine is {RuntimeInformation.RuntimeIdentifier}; "
                    + "the test's code runs on x86-64 Linux only."
            );
        }

        (PerpetualPlan? plan, string reason) = ChooseMode(test, options.Mode);
        Register(test);

        IReadOnlyList<int> allowed = Processors.Allowed();
        int[] processors = Processors.Assign(allowed, test.Threads.Count);
        bool oversubscribed = allowed.Count < test.Threads.Count;
        var layout = new MemoryLayout(test.Variables);
        ColumnRegisters[] registers = [.. test.Threads.Select(thread => new ColumnRegisters(test, thread))];
        byte[][] functions = Array.ConvertAll(
            registers,
            column =>
                plan is null
                    ? RendezvousLoop.Assemble(test, layout, column)
                    : PerpetualLoop.Assemble(test, layout, plan, column)
        );

        using var code = new MachineCode(test, functions);
        using var crew = new PinnedCrew(processors);
        var clock = new RunClock(options.TimeLimit, cancellation);
        long iterations;
        long fastIterations;
        long relevant;
        MachineRunEnd end;
        Dictionary<Outcome, long> counts;
        if (plan is null)
        {
            using var run = new RendezvousRun(test, layout, registers, code, crew, oversubscribed);
            (iterations, end) = run.Run(
                options.Iterations,
                clock,
                new StopCondition(options.StopWhen, run.Counts).IsMet
            );
            (fastIterations, relevant) = (iterations, iterations);
            counts = Merge(run.Counts);
        }
        else
        {
            using var run = new PerpetualRun(test, layout, plan, code, crew);
            (iterations, end) = run.Run(
                options.Iterations,
                clock,
                new StopCondition(options.StopWhen, [run.Frames.Counts]).IsMet
            );
            (fastIterations, relevant) = (run.FastIterations, run.Frames.Relevant);
            counts = Merge([run.Frames.Counts]);
        }

        return new MachineRun
        {
            Test = test,
            Mode = plan is null ? MachineMode.Rendezvous : MachineMode.Perpetual,
            ModeReason = reason,
            End = end,
            Iterations = iterations,
            FastIterations = fastIterations,
            RelevantTrials = relevant,
            Histogram = new SortedDictionary<Outcome, long>(counts, Outcome.Order(test)),
            Elapsed = clock.Elapsed,
            Processors = processors,
            Oversubscribed = oversubscribed,
            Remarks = Remarks(test, plan is { HasMembarrier: true }, end, iterations, relevant, allowed.Count, options),
        };
    }

    private static (PerpetualPlan? Plan, string Reason) ChooseMode(LitmusTest test, MachineMode mode)
    {
        if (mode == MachineMode.Rendezvous)
        {
            return (null, "Rendezvous mode was asked for.");
        }

        PerpetualPlan? plan = PerpetualPlan.TryCreate(test, out string reason);
        if (mode == MachineMode.Perpetual)
        {
            return plan is not null
                ? (plan, "Perpetual mode was asked for.")
                : throw new MachineRunException($"{test.Name} has no perpetual form: {reason}.");
        }

        int slow = test.Threads.Count(thread =>
            thread.Code.Any(instruction => instruction.Opcode == X86Opcode.Membarrier)
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
        foreach (X86Instruction instruction in test.Threads.SelectMany(thread => thread.Code))
        {
            if (instruction.Opcode == X86Opcode.Membarrier)
            {
                registrations |= instruction.Command switch
                {
                    MembarrierCommand.GlobalExpedited => MembarrierRegistrations.GlobalExpedited,
                    MembarrierCommand.PrivateExpedited => MembarrierRegistrations.PrivateExpedited,
                    MembarrierCommand.PrivateExpeditedSyncCore => MembarrierRegistrations.SyncCore,
                    MembarrierCommand.PrivateExpeditedRseq => MembarrierRegistrations.RestartSequences,
                    _ => MembarrierRegistrations.None, // the call itself will tell what the kernel thinks of it
                };
            }
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
        MachineRunEnd end,
        long iterations,
        long relevant,
        int processors,
        MachineRunOptions options
    )
    {
        var remarks = new List<string>();
        string limit = $"{options.TimeLimit.TotalSeconds:0.###} s";
        if (processors < test.Threads.Count)
        {
            remarks.Add(
                $"{test.Threads.Count} threads shared {processors} processor(s): "
                    + "weak outcomes are unlikely, and their absence says little."
            );
        }

        if (end == MachineRunEnd.DidNotEnd)
        {
            remarks.Add($"A column did not end within the time limit of {limit}; its iteration is not an outcome.");
        }
        else if (end == MachineRunEnd.TimeLimit)
        {
            string asked = options.Iterations == long.MaxValue ? "" : $" of {options.Iterations}";
            remarks.Add($"The time limit of {limit} ended the run after {iterations}{asked} iterations.");
        }

        if (asymmetric && 2 * relevant < iterations)
        {
            remarks.Add(
                $"The fast side was seen to advance during only {relevant} of "
                    + $"{iterations} iterations of the slow side; the others tested little."
            );
        }

        return remarks;
    }
}
