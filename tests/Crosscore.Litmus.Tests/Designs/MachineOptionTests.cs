using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>
/// What the machine beneath a kernel can be told: a bound on preemptions, more CPUs, CPUs that are offline, where the
/// returns serialize.
/// </summary>
public class MachineOptionTests
{
    [Fact]
    public void A_bound_on_preemptions_that_is_hit_is_reported_and_takes_Never_away()
    {
        // The race needs its thread to be switched out once: by the interrupt of the call.
        LitmusTest test = KernelTests.Test("StaleCode.InterruptReturnSchedules");
        DesignReport none = KernelTests.Examine(
            test,
            KernelTests.Design("linux-5.4"),
            new ExplorationOptions { PreemptionBound = 0 }
        );
        DesignReport one = KernelTests.Examine(
            test,
            KernelTests.Design("linux-5.4"),
            new ExplorationOptions { PreemptionBound = 1 }
        );

        Assert.Equal(Frequency.Never, none.Verdict!.Frequency);
        Assert.Equal(Bounds.Preemptions, none.Verdict.Exploration.Bounds);
        Assert.False(none.Verdict.IsFinal);
        Assert.Equal(Frequency.Sometimes, one.Verdict!.Frequency);
    }

    [Fact]
    public void A_bound_on_preemptions_that_is_not_hit_takes_nothing_away()
    {
        LitmusTest test = KernelTests.Test("ScenarioA");
        Assert.True(
            KernelTests
                .Examine(test, KernelTests.Design("linux-6.8"), new ExplorationOptions { PreemptionBound = 0 })
                .Verdict!.IsComplete
        );
    }

    [Theory]
    [InlineData("linux-5.10")]
    [InlineData("linux-6.8")]
    [InlineData("specification")]
    public void A_restart_aimed_at_a_CPU_that_is_offline_ends_and_does_nothing(string design)
    {
        LitmusTest test = Parse(
            """
            X86_64 Offline
            Cpus=3
            Offline=2
            Idle=yes
            P0=cpu 0
            { x=0; }
             P0                                              ;
             movl $1,(x)                                     ;
             syscall membarrier_private_expedited_rseq_cpu 2 ;
             syscall membarrier_private_expedited            ;
             movl (x),%eax                                   ;
            forall (0:rax=1)
            """
        );
        DesignReport report = KernelTests.Examine(test, KernelTests.Design(design));

        Assert.True(report.Verdict!.Holds);
        Assert.Equal(0, report.Verdict.Exploration.StuckStates);
    }

    [Fact]
    public void No_thread_moves_to_a_CPU_that_is_offline()
    {
        LitmusTest test = KernelTests.Test("StoreBuffering.AfterMigration");
        KernelDesign design = KernelTests.Design("linux-6.8");

        // Two threads that share a CPU miss each other only when one of them moves to the other CPU.
        Assert.Equal(Frequency.Sometimes, KernelTests.Examine(test, design).Verdict!.Frequency);
        LitmusTest alone = test with { System = test.System.On(new TestMachine(2, 0b10), test.File) };
        Assert.Equal(Frequency.Never, KernelTests.Examine(alone, design).Verdict!.Frequency);

        LitmusTest wider = test with { System = test.System.On(new TestMachine(3, 0b10), test.File) };
        Assert.Equal(Frequency.Sometimes, KernelTests.Examine(wider, design).Verdict!.Frequency);
    }

    [Fact]
    public void A_process_alone_on_the_only_CPU_that_is_online_takes_the_shortcut()
    {
        // 5.10 takes it no longer for SYNC_CORE; 5.4 does, and it is what keeps the caller's old code.
        LitmusTest test = KernelTests.Test("StaleCode.CallerThroughAlias");
        test = test with { System = TestSystemOf("Cpus=2\nOffline=1\nP0=cpu 0\nP1=cpu 0 asleep") };

        Assert.Equal(
            Frequency.Sometimes,
            KernelTests.Examine(test, KernelTests.Design("linux-5.4")).Verdict!.Frequency
        );
        Assert.Equal(Frequency.Never, KernelTests.Examine(test, KernelTests.Design("linux-5.10")).Verdict!.Frequency);
    }

    [Theory]
    [InlineData("asleep")]
    [InlineData("runnable")]
    public void A_thread_that_nothing_would_ever_run_is_refused(string start)
    {
        LitmusException problem = Assert.Throws<LitmusException>(() =>
            TestSystemOf($"Schedule=no\nP0=cpu 0\nP1=cpu 0 {start}")
        );
        Assert.Contains(
            $"found P1 {start} with Schedule=no, so that it would never run",
            problem.Message,
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("Offline=0", "found CPU 0 offline, expected it online: P0 is there at the start")]
    [InlineData("Offline=x", "found 'x' among the CPUs that are offline, expected numbers from 0 to 1")]
    [InlineData("Offline=2", "found '2' among the CPUs that are offline, expected numbers from 0 to 1")]
    public void What_cannot_be_offline_is_an_error_in_its_line(string line, string message)
    {
        LitmusException problem = Assert.Throws<LitmusException>(() =>
            TestSystemOf($"Cpus=2\n{line}\nP0=cpu 0\nP1=cpu 1")
        );
        Assert.Contains($":3:", problem.Message, StringComparison.Ordinal);
        Assert.EndsWith(message, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_thread_on_a_CPU_that_an_option_takes_away_is_an_error()
    {
        LitmusTest test = KernelTests.Test("ScenarioA");
        LitmusException problem = Assert.Throws<LitmusException>(() =>
            DesignReport.Of(
                test,
                KernelTests.Design("linux-6.8"),
                CoreKind.X86Tso,
                new ExplorationOptions(),
                new TestMachine(0, 0b10),
                null,
                TestContext.Current.CancellationToken
            )
        );
        Assert.EndsWith(
            "found CPU 1 offline, expected it online: P1 is there at the start",
            problem.Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Page_table_isolation_serializes_returns_to_user_mode_and_no_others()
    {
        // The plain barrier's interrupt finds its target in user mode, so the way back writes CR3.
        LitmusTest test = KernelTests.Test("LiveCode.PlainBarrier");
        KernelDesign noIret = KernelTests
            .Design("linux-6.8")
            .With(new Dictionary<string, string> { ["interrupt_return_serializes"] = "false" });
        Assert.Equal(Frequency.Sometimes, KernelTests.Examine(test, noIret).Verdict!.Frequency);
        Assert.Equal(
            Frequency.Never,
            KernelTests
                .Examine(test, noIret.With(new Dictionary<string, string> { ["pti"] = "true" }))
                .Verdict!.Frequency
        );
    }

    [Fact]
    public void A_preemptible_kernel_allows_no_less()
    {
        var preemptible = new Dictionary<string, string> { ["preemptible"] = "true" };
        foreach (string name in (string[])["StaleCode.CallerReplaced", "Control.MigratesToIdle", "ScenarioC"])
        {
            LitmusTest test = KernelTests.Test(name);
            foreach (string design in (string[])["linux-5.4", "linux-6.8"])
            {
                DesignReport without = KernelTests.Examine(test, KernelTests.Design(design));
                DesignReport with = KernelTests.Examine(test, KernelTests.Design(design).With(preemptible));
                Assert.Empty(KernelTests.Outcomes(without).Except(KernelTests.Outcomes(with)));
                Assert.Equal(without.Verdict!.Frequency, with.Verdict!.Frequency);
            }
        }
    }

    private static LitmusTest Parse(string text) => LitmusParser.Parse(text, "T.litmus");

    private static TestSystem TestSystemOf(string header) =>
        Parse($"X86_64 T\n{header}\n{{ }}\n P0 | P1 ;\n nop | nop ;\nexists (0:rax=0)").System;
}
