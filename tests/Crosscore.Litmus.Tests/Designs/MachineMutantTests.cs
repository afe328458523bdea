using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>
/// Machines that are broken on purpose: each breaks the verdict of a test that holds on the whole one, so that the test
/// would notice.
/// </summary>
public class MachineMutantTests
{
    [Fact]
    public void An_interrupt_that_loses_its_target_is_caught_by_scenario_A()
    {
        LitmusTest test = KernelTests.Test("ScenarioA");
        KernelDesign design = KernelTests.Design("linux-5.10");

        Assert.False(IsPossible(test, design, op => op));
        Assert.True(
            IsPossible(
                test,
                design,
                op =>
                    op.Kind == MicroOpKind.SendIpi
                        ? MicroOp.SendIpi(Operand.Number(0), op.Target) with
                        {
                            Context = op.Context,
                            Source = op.Source,
                        }
                        : op
            )
        );
    }

    [Fact]
    public void A_switch_that_forgets_its_barriers_is_caught_by_scenario_C()
    {
        // Where the return from an interrupt is a fence, it stands in for the switch: the task went by an interrupt and
        // comes back by returning from it.
        LitmusTest test = KernelTests.Test("ScenarioC");
        KernelDesign design = KernelTests
            .Design("linux-5.10")
            .With(new Dictionary<string, string> { ["interrupt_return_serializes"] = "false" });

        Assert.False(IsPossible(test, design, op => op));
        Assert.True(
            IsPossible(
                test,
                design,
                op => op,
                op => op.Kind is MicroOpKind.Fence or MicroOpKind.Serialize ? Nothing(op) : op
            )
        );
    }

    [Fact]
    public void A_return_from_interrupts_that_does_not_serialize_is_caught_by_the_live_patch_with_a_plain_barrier()
    {
        LitmusTest test = KernelTests.Test("LiveCode.PlainBarrier");
        var options = new Dictionary<string, string> { ["interrupt_return_serializes"] = "false" };

        Assert.False(IsPossible(test, KernelTests.Design("linux-5.10"), op => op));
        Assert.True(IsPossible(test, KernelTests.Design("linux-5.10").With(options), op => op));
    }

    [Fact]
    public void A_serializing_instruction_that_does_nothing_is_caught_by_the_manuals_own_protocol()
    {
        LitmusTest test = KernelTests.Test("LiveCode.Serialized");
        KernelDesign design = KernelTests.Design("linux-5.10");

        Assert.False(IsPossible(test, design, op => op));
        Assert.True(
            IsPossible(
                test,
                design,
                op => op.Kind == MicroOpKind.Serialize && op.Context == OpContext.User ? Nothing(op) : op
            )
        );
    }

    [Fact]
    public void A_fetch_that_is_always_coherent_is_caught_by_every_test_of_stale_code()
    {
        foreach (
            string name in (string[])
                [
                    "StaleCode.CallerReplaced",
                    "StaleCode.InterruptReturnSchedules",
                    "StaleCode.CallerThroughAlias",
                    "LiveCode.NoCall",
                ]
        )
        {
            LitmusTest test = KernelTests.Test(name);
            KernelDesign design = KernelTests.Design("linux-5.4");
            Assert.True(IsPossible(test, design, op => op), name);
            Assert.False(IsPossible(test, design, op => op, fetch: FetchProfile.Coherent), name);
        }
    }

    private static MicroOp Nothing(MicroOp op) =>
        MicroOp.Copy(0, Operand.Of(0)) with
        {
            Context = op.Context,
            Source = op.Source,
        };

    private static bool IsPossible(
        LitmusTest test,
        KernelDesign design,
        Func<MicroOp, MicroOp> inTasks,
        Func<MicroOp, MicroOp>? onCpus = null,
        FetchProfile fetch = FetchProfile.Sdm
    )
    {
        LoweredTest lowered = LoweredTest.Of(test, design);
        ModelProgram whole = lowered.Program;
        CpuSystem system = whole.System!;
        var program = new ModelProgram
        {
            Memory = whole.Memory,
            Observations = whole.Observations,
            Threads = [.. whole.Threads.Select(thread => Change(thread, inTasks))],
            System = new CpuSystem
            {
                Cpus = system.Cpus,
                Tasks = system.Tasks,
                CpuCode = [.. system.CpuCode.Select(code => Change(code, onCpus ?? (op => op)))],
                HandlerEntries = system.HandlerEntries,
                SwitchEntry = system.SwitchEntry,
                ReturnEntry = system.ReturnEntry,
                ReturnToKernelEntry = system.ReturnToKernelEntry,
                PreviousRegister = system.PreviousRegister,
                NextRegister = system.NextRegister,
                PersistentRegisters = system.PersistentRegisters,
                Schedules = system.Schedules,
                Preemptible = system.Preemptible,
                InterruptEntrySerializes = system.InterruptEntrySerializes,
                InterruptReturnSerializes = system.InterruptReturnSerializes,
                UserReturnSerializes = system.UserReturnSerializes,
                Offline = system.Offline,
                IpiOrder = system.IpiOrder,
            },
        };
        Exploration exploration = Explorer.Explore(program, CoreKind.X86Tso, new ExplorationOptions { Fetch = fetch });
        return exploration.FinalStates.Any(final =>
            final.IsUndefined || test.Condition.Holds(LoweredTest.OutcomeOf(test, final.Values), test, lowered.Layout)
        );
    }

    private static ThreadCode Change(ThreadCode code, Func<MicroOp, MicroOp> change) =>
        new()
        {
            Ops = [.. code.Ops.Select(change)],
            InitialRegisters = code.InitialRegisters,
            Sections = code.Sections,
        };
}
