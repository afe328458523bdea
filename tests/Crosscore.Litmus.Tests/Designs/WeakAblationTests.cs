using Crosscore.Litmus.Comparison;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>What the barriers of the kernel are for where memory is weak: the column of the visibility matrix that x86 cannot show.</summary>
public class WeakAblationTests
{
    [Theory]
    [InlineData(CoreKind.AArch64)]
    [InlineData(CoreKind.RiscVLike)]
    public void The_barriers_before_a_memory_goes_and_after_it_comes_are_needed(CoreKind core)
    {
        AblationReport report = Ablate(core, "linux-5.12", "ScenarioD", "ScenarioE", "ScenarioE.Past");
        Assert.Equal(["ScenarioD"], Broken(report, "exit.exit_mm"));
        Assert.Equal(["ScenarioE"], Broken(report, "kthread_use_mm.use_mm"));
        Assert.Equal(["ScenarioE.Past"], Broken(report, "kthread_unuse_mm.unuse_mm"));
    }

    [Theory]
    [InlineData(CoreKind.AArch64, false)]
    [InlineData(CoreKind.RiscVLike, true)]
    public void The_barrier_at_the_end_is_needed_where_the_return_to_user_mode_synchronises_nothing(CoreKind core, bool needed)
    {
        AblationReport report = Ablate(core, "linux-5.12", "ScenarioC.Past", "RestartOneCpu.TargetGone");
        Assert.Equal(needed ? ["ScenarioC.Past"] : [], Broken(report, "membarrier_private_expedited.exit"));
        Assert.Equal(needed ? ["RestartOneCpu.TargetGone"] : [], Broken(report, "membarrier_private_expedited_rseq_cpu.exit"));
        Assert.Equal(["ScenarioC.Past"], Broken(report, "membarrier_private_expedited.entry"));
    }

    [Theory]
    [InlineData("RestartOneCpu.TargetGone", "patch-2020-11-30", CoreKind.AArch64, Frequency.Never)]
    [InlineData("RestartOneCpu.TargetGone", "patch-2020-11-30", CoreKind.RiscVLike, Frequency.Sometimes)]
    [InlineData("RestartOneCpu.TargetGone", "linux-5.10", CoreKind.RiscVLike, Frequency.Never)]
    [InlineData("OneUser.Exits", "linux-6.8", CoreKind.AArch64, Frequency.Never)]
    [InlineData("OneUser.Exits", "linux-6.8", CoreKind.RiscVLike, Frequency.Sometimes)]
    [InlineData("OneUser.Exits.Past", "linux-6.8", CoreKind.AArch64, Frequency.Never)]
    [InlineData("OneUser.Exits.Past", "linux-6.8", CoreKind.RiscVLike, Frequency.Sometimes)]
    public void Ways_out_of_the_call_without_a_barrier_are_open_only_where_returning_synchronises_nothing(string test, string design, CoreKind core, Frequency expected)
    {
        DesignReport report = DesignReport.Of(Test(test), KernelTests.Design(design), core, new ExplorationOptions(), cancellation: TestContext.Current.CancellationToken);
        Assert.Equal(expected, report.Verdict!.Frequency);
    }

    private static AblationReport Ablate(CoreKind core, string design, params string[] tests)
    {
        AblationReport report = new Ablation(core, new ExplorationOptions()).Run(
            KernelTests.Design(design), [.. tests.Select(Test)], [], pairs: false, TestContext.Current.CancellationToken);
        Assert.Empty(report.LeftOut);
        return report;
    }

    private static LitmusTest Test(string name)
    {
        string file = Path.Combine(Corpus.Repository, "litmus", "aarch64", "kernel", name + ".litmus");
        return LitmusParser.Parse(File.ReadAllText(file), file);
    }

    private static IReadOnlyList<string> Broken(AblationReport report, string row) => [.. report.Rows.Single(candidate => candidate.Name == row).Cells.Index()
        .Where(entry => entry.Item.Effect == AblationEffect.Breaks).Select(entry => report.Tests[entry.Index].Name)];
}
