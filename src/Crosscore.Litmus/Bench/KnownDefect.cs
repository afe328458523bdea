using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Bench;

/// <summary>
/// A defect of kernels that is understood: what it leaves undone, and on which kernels. It explains a forbidden outcome
/// where the kernel may have the defect and the model allows the outcome once what the defect leaves undone is left out
/// of the test.
/// </summary>
/// <param name="Name">What is not kept, in a few words.</param>
/// <param name="Source">How that is known of this kernel.</param>
internal sealed record KnownDefect(string Name, string Source)
{
    /// <summary>
    /// Gets the defect that explains forbidden outcomes; <see langword="null"/> when none that is known does.
    /// </summary>
    /// <param name="test">The test.</param>
    /// <param name="forbidden">The outcomes that were seen and that the model forbids.</param>
    /// <param name="options">How to explore.</param>
    /// <param name="guarantees">What this machine promises.</param>
    /// <param name="cancellation">Cancels it.</param>
    public static KnownDefect? Explaining(
        LitmusTest test,
        IReadOnlyList<Outcome> forbidden,
        ExplorationOptions options,
        IReadOnlyList<MachineGuarantee> guarantees,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(test);
        ArgumentNullException.ThrowIfNull(forbidden);
        ArgumentNullException.ThrowIfNull(guarantees);
        MachineGuarantee? broken = guarantees.FirstOrDefault(guarantee =>
            guarantee.Promise == MachinePromise.RegisteredReceiversMemoryBarrier
            && guarantee.Holds != GuaranteeAnswer.Yes
        );
        if (broken is null || WithoutReceivers(test) is not LitmusTest without)
        {
            return null;
        }

        ModelVerdict verdict = ModelVerdict.Of(without, CoreKind.X86Tso, options, cancellation: cancellation);
        return forbidden.All(verdict.Allows)
            ? new KnownDefect(
                "GLOBAL_EXPEDITED skips a CPU on which a thread of the process has exited or registered",
                broken.Source
            )
            : null;
    }

    // GLOBAL_EXPEDITED as it is where it interrupts no CPU: a fence of the caller's own. Null when the test does not
    // use it.
    private static LitmusTest? WithoutReceivers(LitmusTest test)
    {
        static bool IsGlobal(ITestInstruction instruction) => instruction.Command == MembarrierCommand.GlobalExpedited;
        return !test.Threads.Any(thread => thread.Instructions.Any(IsGlobal))
            ? null
            : test with
            {
                Threads =
                [
                    .. test.Threads.Select(thread => new LitmusThread
                    {
                        Id = thread.Id,
                        InitialRegisters = thread.InitialRegisters,
                        Instructions =
                        [
                            .. thread.Instructions.Select(instruction =>
                                IsGlobal(instruction) ? test.InstructionSet().FullBarrier(instruction) : instruction
                            ),
                        ],
                        Labels = thread.Labels,
                    }),
                ],
            };
    }
}
