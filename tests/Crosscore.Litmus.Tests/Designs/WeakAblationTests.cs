using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>
/// What the barriers of the kernel are for where memory is weak: the column of the visibility matrix that x86 cannot
/// show.
/// </summary>
public class WeakAblationTests
{
    // The visibility matrix: (a) and (c) at the entry and the end of the call, (d) before a CPU goes away, (e) and (g)
    // after it comes back. Two rows differ from what two-thread programs over abstract barriers say: (a) is needed in
    // the shape of B too, for the load before the call may be made after the look; and on aarch64 (c) is not, for the
    // look, a branch on it and the return of the call order what comes later, and (e) is not, for switch_to() has a
    // DSB.
    [Theory]
    [InlineData(
        "membarrier_private_expedited.entry",
        "ScenarioC ScenarioC.FromSystemCall ScenarioC.Past ScenarioE ScenarioE.Past",
        "ScenarioC ScenarioC.FromSystemCall ScenarioC.Past ScenarioE ScenarioE.Past"
    )]
    [InlineData(
        "membarrier_private_expedited.exit",
        "",
        "ScenarioC ScenarioC.FromSystemCall ScenarioC.Past ScenarioD.NobodyRuns"
    )]
    [InlineData(
        "switch.switch_out",
        "ScenarioC ScenarioC.FromSystemCall ScenarioC.Past",
        "ScenarioC ScenarioC.FromSystemCall ScenarioC.Past"
    )]
    [InlineData("exit.exit_mm", "ScenarioD ScenarioD.NobodyRuns", "ScenarioD ScenarioD.NobodyRuns")]
    [InlineData("kthread_unuse_mm.unuse_mm", "ScenarioE.Past", "ScenarioE.Past")]
    [InlineData("kthread_use_mm.use_mm", "ScenarioE ScenarioE.Past", "ScenarioE ScenarioE.Past")]
    [InlineData(
        "switch_mm.lazy_mb,finish_lazy.lazy_sync,finish_lazy.switch_in",
        "",
        "ScenarioC ScenarioC.FromSystemCall ScenarioC.Past"
    )]
    [InlineData("ipi_mb.handler", "", "")]
    public void The_visibility_matrix_is_what_the_designs_say(string labels, string onAArch64, string onRiscVLike)
    {
        string[] tests =
        [
            "ScenarioA",
            "ScenarioB",
            "ScenarioC",
            "ScenarioC.FromSystemCall",
            "ScenarioC.Past",
            "ScenarioD",
            "ScenarioD.NobodyRuns",
            "ScenarioE",
            "ScenarioE.Past",
        ];
        foreach (string name in (string[])["linux-5.12", "linux-6.8"])
        {
            KernelDesign without = KernelTests.Design(name).With(removedLabels: labels.Split(','));
            foreach (
                (CoreKind core, string broken) in new[]
                {
                    (CoreKind.AArch64, onAArch64),
                    (CoreKind.RiscVLike, onRiscVLike),
                }
            )
            {
                Assert.Equal(
                    broken,
                    string.Join(' ', tests.Where(test => Explore(test, without, core).Frequency == Frequency.Sometimes))
                );
            }
        }
    }

    [Fact]
    public void Any_or_all_barriers_of_the_call_are_invisible_where_the_interrupt_is_taken_and_orders()
    {
        KernelDesign without = KernelTests
            .Design("linux-5.12")
            .With(
                removedLabels:
                [
                    "membarrier_private_expedited.entry",
                    "ipi_mb.handler",
                    "membarrier_private_expedited.exit",
                ]
            );
        Assert.All(
            ["ScenarioA", "ScenarioB"],
            test => Assert.Equal(Frequency.Never, Explore(test, without, CoreKind.RiscVLike).Frequency)
        );
    }

    [Theory]
    [InlineData("LiveCode.SyncCore")]
    [InlineData("StaleCode.CallerReplaced")]
    [InlineData("StaleCode.InterruptReturnSchedules")]
    public void Old_code_hangs_on_the_handler_where_the_ways_into_the_kernel_and_out_synchronize_nothing(string test)
    {
        KernelDesign design = KernelTests.Design("linux-6.8");
        KernelDesign without = design.With(removedLabels: ["ipi_sync_core.handler_sync"]);
        Assert.Equal(Frequency.Never, Explore(test, without, CoreKind.AArch64).Frequency);
        Assert.Equal(Frequency.Never, Explore(test, design, CoreKind.RiscVLike).Frequency);
        Assert.Equal(Frequency.Sometimes, Explore(test, without, CoreKind.RiscVLike).Frequency);
        Assert.Equal(Frequency.Sometimes, Explore(test, KernelTests.Design("linux-5.4"), CoreKind.RiscVLike).Frequency);
    }

    [Fact]
    public void A_lock_is_an_acquire_and_its_release_a_release()
    {
        // The entry barrier of linux-6.8 stands before a lock; a lock that were a full barrier would hide it.
        KernelDesign without = KernelTests
            .Design("linux-6.8")
            .With(removedLabels: ["membarrier_private_expedited.entry"]);
        Assert.Equal(Frequency.Sometimes, Explore("ScenarioC", without, CoreKind.AArch64).Frequency);
    }

    [Theory]
    [InlineData("linux-6.8", "")]
    [InlineData("linux-6.8", "switch.switch_out")]
    [InlineData("specification", "")]
    public void No_reduction_changes_what_a_design_allows(string name, string label)
    {
        KernelDesign design = KernelTests.Design(name).With(removedLabels: label.Length == 0 ? [] : [label]);
        int compared = 0;
        foreach (string test in Names)
        {
            if (
                DesignReport
                    .Of(
                        Test(test),
                        design,
                        CoreKind.RiscVLike,
                        new ExplorationOptions(),
                        cancellation: TestContext.Current.CancellationToken
                    )
                    .Verdict
                is not ModelVerdict full
            )
            {
                continue;
            }

            foreach (
                Reductions reductions in (Reductions[])
                    [
                        Reductions.None,
                        Reductions.All & ~Reductions.LocalFusion,
                        Reductions.All & ~Reductions.Independence,
                    ]
            )
            {
                ModelVerdict other = Explore(
                    test,
                    design,
                    CoreKind.RiscVLike,
                    new ExplorationOptions { Reductions = reductions, MaxStates = 3_000 }
                );
                if (other.IsComplete)
                {
                    Assert.Equal(
                        full.Allowed.Select(outcome => outcome.Describe(full.Test, full.Layout)),
                        other.Allowed.Select(outcome => outcome.Describe(other.Test, other.Layout))
                    );
                    compared++;
                }
            }
        }

        Assert.True(compared >= 20, $"Only {compared} explorations without a reduction were small enough.");
    }

    [Theory]
    [InlineData("RestartOneCpu.TargetGone", "patch-2020-11-30", CoreKind.AArch64, Frequency.Never)]
    [InlineData("RestartOneCpu.TargetGone", "patch-2020-11-30", CoreKind.RiscVLike, Frequency.Sometimes)]
    [InlineData("RestartOneCpu.TargetGone", "linux-5.10", CoreKind.RiscVLike, Frequency.Never)]
    [InlineData("OneUser.Exits", "linux-6.8", CoreKind.AArch64, Frequency.Never)]
    [InlineData("OneUser.Exits", "linux-6.8", CoreKind.RiscVLike, Frequency.Sometimes)]
    [InlineData("OneUser.Exits.Past", "linux-6.8", CoreKind.AArch64, Frequency.Never)]
    [InlineData("OneUser.Exits.Past", "linux-6.8", CoreKind.RiscVLike, Frequency.Sometimes)]
    public void Ways_out_of_the_call_without_a_barrier_are_open_only_where_returning_synchronizes_nothing(
        string test,
        string design,
        CoreKind core,
        Frequency expected
    )
    {
        DesignReport report = DesignReport.Of(
            Test(test),
            KernelTests.Design(design),
            core,
            new ExplorationOptions(),
            cancellation: TestContext.Current.CancellationToken
        );
        Assert.Equal(expected, report.Verdict!.Frequency);
    }

    private static IEnumerable<string> Names =>
        Directory
            .EnumerateFiles(Path.Combine(Corpus.Repository, "litmus", "aarch64", "kernel"), "*.litmus")
            .Select(file => Path.GetFileNameWithoutExtension(file));

    private static ModelVerdict Explore(
        string test,
        KernelDesign design,
        CoreKind core,
        ExplorationOptions? options = null
    ) =>
        DesignReport
            .Of(
                Test(test),
                design,
                core,
                options ?? new ExplorationOptions(),
                cancellation: TestContext.Current.CancellationToken
            )
            .Verdict!;

    private static LitmusTest Test(string name)
    {
        string file = Path.Combine(Corpus.Repository, "litmus", "aarch64", "kernel", name + ".litmus");
        return LitmusParser.Parse(File.ReadAllText(file), file);
    }
}
