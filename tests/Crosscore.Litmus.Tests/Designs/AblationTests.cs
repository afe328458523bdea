using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>
/// Each barrier, serialization and restart is removed in turn; what must break breaks, and nothing else.
/// </summary>
public class AblationTests
{
    private static readonly LitmusTest[] All = [.. KernelTests.Names.Select(KernelTests.Test)];

    [Fact]
    public void On_x86_the_entry_barrier_is_what_skipped_CPUs_in_the_shape_of_A_hang_on()
    {
        // The visibility matrix: of the barriers at the entry (a) and the end (c) of the call, before the switch away
        // (d) and after the way back (e, g), removing (a) breaks the shape of A, and so does removing all of (e) or of
        // (g). (c) and (d) break nothing: x86 keeps what they order.
        AblationReport report = Ablate(
            "linux-5.12",
            [
                "ScenarioA",
                "ScenarioB",
                "ScenarioC",
                "ScenarioC.FromSystemCall",
                "ScenarioC.Past",
                "ScenarioD",
                "ScenarioE",
                "ScenarioE.Past",
            ],
            ["switch_mm.lazy_mb", "finish_lazy.lazy_sync", "finish_lazy.switch_in"],
            ["kthread_use_mm.use_mm", "switch_mm.cr3_write"]
        );

        Assert.Equal(
            ["ScenarioC", "ScenarioC.FromSystemCall", "ScenarioE"],
            Broken(report, "membarrier_private_expedited.entry")
        );
        Assert.Empty(Broken(report, "membarrier_private_expedited.exit"));
        Assert.Empty(Broken(report, "switch.switch_out"));
        Assert.Empty(Broken(report, "exit.exit_mm"));
        Assert.Empty(Broken(report, "kthread_unuse_mm.unuse_mm"));
        Assert.Equal(
            ["ScenarioC.FromSystemCall"],
            Broken(report, "switch_mm.lazy_mb + finish_lazy.lazy_sync + finish_lazy.switch_in")
        );
        Assert.Equal(["ScenarioE"], Broken(report, "kthread_use_mm.use_mm + switch_mm.cr3_write"));
    }

    [Fact]
    public void Where_the_interrupt_is_taken_its_order_makes_every_barrier_of_the_call_invisible_on_x86()
    {
        AblationReport report = Ablate(
            "linux-5.12",
            ["ScenarioA", "ScenarioB"],
            ["membarrier_private_expedited.entry", "membarrier_private_expedited.exit", "ipi_mb.handler"]
        );
        Assert.All(report.Rows, row => Assert.False(row.Breaks, row.Name));
        Assert.Contains(report.Rows, row => row.Name == "ipi_mb.handler" && row.IsExecuted);
    }

    [Fact]
    public void Old_code_after_the_call_depends_on_the_serialization_in_the_handler()
    {
        AblationReport report = Ablate(
            "linux-6.8",
            ["StaleCode.CallerReplaced", "StaleCode.InterruptReturnSchedules", "StaleCode.CallerThroughAlias"]
        );
        Assert.Equal(
            ["StaleCode.CallerReplaced", "StaleCode.CallerThroughAlias", "StaleCode.InterruptReturnSchedules"],
            Broken(report, "ipi_sync_core.handler_sync").Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public void Per_CPU_data_hang_on_the_two_restarts_and_the_barrier_of_the_handler()
    {
        AblationReport report = Ablate(
            "linux-6.8",
            ["PerCpu.Counter", "PerCpu.ListPop", "PerCpu.Drain", "PerCpu.Drain.UnorderedInterrupt"]
        );
        Assert.Equal(
            ["PerCpu.Counter", "PerCpu.Drain", "PerCpu.ListPop"],
            Broken(report, "prepare_task_switch.preempted").Order(StringComparer.Ordinal)
        );
        Assert.Equal(["PerCpu.Drain", "PerCpu.Drain.UnorderedInterrupt"], Broken(report, "ipi_rseq.restart"));
        Assert.Equal(["PerCpu.Drain.UnorderedInterrupt"], Broken(report, "ipi_rseq.handler"));
    }

    [Fact]
    public void A_removal_that_a_test_does_not_execute_is_not_explored_and_agrees_with_one_that_is()
    {
        KernelDesign design = KernelTests.Design("linux-6.8");
        AblationReport report = Ablate("linux-6.8", ["ScenarioC", "LiveCode.SyncCore"]);
        foreach (AblationRow row in report.Rows)
        {
            foreach (
                (int index, AblationCell cell) in row
                    .Cells.Index()
                    .Where(entry => entry.Item.Effect == AblationEffect.NotExecuted)
            )
            {
                DesignReport explored = KernelTests.Examine(
                    report.Tests[index],
                    design.With(removedLabels: [row.Labels[0].Name])
                );
                Assert.Equal(Frequency.Never, explored.Verdict!.Frequency);
            }
        }
    }

    [Fact]
    public void A_pair_is_reported_when_neither_of_the_two_breaks_the_test_alone()
    {
        KernelDesign design = KernelDesign
            .Load("patch-2020-11-30", Path.Combine(Corpus.Repository, "kernels"))
            .With(new Dictionary<string, string> { ["ipi_order"] = "none", ["interrupt_return_serializes"] = "false" });
        AblationReport report = new Ablation(CoreKind.X86Tso, new ExplorationOptions()).Run(
            design,
            [KernelTests.Test("ScenarioA")],
            [],
            pairs: true,
            TestContext.Current.CancellationToken
        );

        foreach (AblationRow pair in report.Rows.Where(row => row.Labels.Count == 2))
        {
            Assert.True(pair.Breaks);
            Assert.All(
                pair.Labels,
                label =>
                    Assert.DoesNotContain(
                        report.Rows,
                        row =>
                            row.Labels.Count == 1
                            && row.Labels[0] == label
                            && row.Cells[0].Effect == AblationEffect.Breaks
                    )
            );
        }
    }

    [Fact]
    public void Tests_that_cannot_tell_are_left_out_with_the_reason()
    {
        AblationReport report = Ablate(
            "linux-4.14",
            ["ScenarioA.NoCall", "ScenarioC.NoEntry", "StaleCode.CallerReplaced", "ScenarioC"]
        );
        Assert.Equal(["ScenarioC"], report.Tests.Select(test => test.Name));
        Assert.Equal(
            [
                "its outcome is possible on the whole design",
                "leaves labels out by itself",
                "the design has no membarrier_private_expedited_sync_core",
            ],
            report.LeftOut.Select(entry => entry.Reason)
        );
    }

    private static AblationReport Ablate(string design, string[] tests, params string[][] together)
    {
        KernelDesign whole = KernelTests.Design(design);
        return new Ablation(CoreKind.X86Tso, new ExplorationOptions()).Run(
            whole,
            [.. tests.Select(name => All.Single(test => test.Name == name))],
            [.. together.Select(set => set.Select(whole.FindLabel).ToArray())],
            pairs: false,
            TestContext.Current.CancellationToken
        );
    }

    private static IReadOnlyList<string> Broken(AblationReport report, string row) =>
        [
            .. report
                .Rows.Single(candidate => candidate.Name == row)
                .Cells.Index()
                .Where(entry => entry.Item.Effect == AblationEffect.Breaks)
                .Select(entry => report.Tests[entry.Index].Name),
        ];
}
