using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Outcomes;

namespace Crosscore.Litmus.Tests.Machine;

/// <summary>
/// Perpetual mode on the machine: membarrier forbids the weak outcome, its absence shows it, and what cannot be run so
/// is refused with the reason.
/// </summary>
public class PerpetualTests
{
    [Fact]
    public void Membarrier_on_one_side_chooses_perpetual_mode_and_never_shows_the_weak_outcome()
    {
        MachineTests.RequireProcessors(2);
        MachineRun run = MachineTests.Run(
            MachineTests.StoreBufferingWithMembarrier,
            new MachineRunOptions { Iterations = 20_000, TimeLimit = TimeSpan.FromMinutes(2) }
        );
        Assert.Equal(MachineMode.Perpetual, run.Mode);
        Assert.Contains("Only P0 issues membarrier", run.ModeReason);
        Assert.Equal(MachineRunEnd.Completed, run.End);
        Assert.Equal(20_000, run.Iterations);
        Assert.Equal(0, MachineTests.CountOfWeak(run));
        Assert.True(run.RelevantTrials > 0, "The fast side never ran while the slow side was in the kernel.");
        Assert.True(run.FastIterations > run.Iterations);

        // What is allowed and easy must be there, or the mode would see nothing at all.
        Assert.Contains(run.Histogram.Keys, outcome => outcome == new Outcome([0UL, 1]));
        Assert.Contains(run.Histogram.Keys, outcome => outcome == new Outcome([1UL, 0]));
    }

    /// <summary>The twin of the test above: the same mode, without membarrier.</summary>
    [Fact]
    public void Without_membarrier_perpetual_mode_shows_the_weak_outcome()
    {
        MachineTests.RequireProcessors(2);
        MachineRun run = MachineTests.Run(
            MachineTests.StoreBuffering,
            new MachineRunOptions
            {
                Mode = MachineMode.Perpetual,
                Iterations = long.MaxValue,
                TimeLimit = MachineTests.Bound,
                StopWhen = MachineTests.IsWeak,
            }
        );
        Assert.Equal(MachineRunEnd.Stopped, run.End);
        Assert.True(MachineTests.CountOfWeak(run) > 0);
    }

    [Fact]
    public void With_fences_perpetual_mode_never_shows_it()
    {
        MachineTests.RequireProcessors(2);
        MachineRun run = MachineTests.Run(
            MachineTests.StoreBufferingWithFences,
            new MachineRunOptions { Mode = MachineMode.Perpetual, TimeLimit = TimeSpan.FromMinutes(2) }
        );
        Assert.Equal(MachineRunEnd.Completed, run.End);
        Assert.Equal(0, MachineTests.CountOfWeak(run));
    }

    [Fact]
    public void A_column_reads_its_own_stores_at_once()
    {
        MachineTests.RequireProcessors(2);
        MachineRun run = MachineTests.Run(
            """
            X86_64 SB+rfi
            { x=5; uint64_t y=6; }
             P0            | P1            ;
             movl (x),%ecx | movq (y),%rcx ;
             movl $1,(x)   | movq $2,(y)   ;
             movl (x),%edx | movq (y),%rdx ;
             movl (y),%eax | movl (x),%eax ;
            exists (0:rcx=0 /\ 0:rdx=0 /\ 1:rcx=0 /\ 1:rdx=0)
            """.Replace("movl (y),%eax", "movq (y),%rax"),
            new MachineRunOptions
            {
                Mode = MachineMode.Perpetual,
                Iterations = 50_000,
                TimeLimit = TimeSpan.FromMinutes(1),
            }
        );
        Assert.Equal([5UL, 1, 6, 2], Assert.Single(run.Histogram).Key.Values.ToArray());
    }

    [Theory]
    [InlineData("movl (x),%eax | movl $1,(y) | movl $1,(x)", "exists (0:rax=0)", "it has 3 columns")]
    [InlineData("movl (x),%eax | movl $1,(x)", "exists (0:rax=0 /\\ x=0)", "memory never comes to rest")]
    [InlineData("membarrier global | membarrier global", "exists (0:rax=0)", "both columns issue membarrier")]
    [InlineData("movl (x),%eax | incl (x)", "exists (0:rax=0)", "'incl (x)' is neither")]
    [InlineData("movl (x),%eax | movb $1,(x)", "exists (0:rax=0)", "'movb $1,(x)' is neither")]
    [InlineData("movl $1,(x) | movl $2,(x)", "exists (0:rax=0)", "x is stored to more than once")]
    [InlineData("movl (x),%eax | movl %ebx,(x)", "exists (0:rax=0)", "something else than a constant")]
    [InlineData("movl (x),%eax | movq $1,(x)", "exists (0:rax=0)", "another part of x")]
    [InlineData("movl 2(x),%eax | movl $1,2(x)", "exists (0:rax=0)", "'movl 2(x),%eax' is not aligned")]
    [InlineData("movl (%rbx),%eax | movl $1,(x)", "exists (0:rax=0)", "not the same each time")]
    public void A_test_without_a_perpetual_form_is_refused_with_the_reason(string row, string condition, string reason)
    {
        MachineTests.RequireMachine();
        string heads = string.Join(" | ", row.Split('|').Select((_, column) => $"P{column}"));
        var error = Assert.Throws<MachineRunException>(() =>
            MachineTests.Run(
                $"X86_64 odd\n{{ uint64_t x; }}\n {heads} ;\n {row} ;\n{condition}\n",
                new MachineRunOptions { Mode = MachineMode.Perpetual }
            )
        );
        Assert.Contains("has no perpetual form", error.Message);
        Assert.Contains(reason, error.Message);
    }

    [Fact]
    public void Membarrier_without_a_perpetual_form_meets_and_says_so()
    {
        MachineTests.RequireMachine();
        MachineRun run = MachineTests.Run(
            """
            X86_64 R+membarrier
            { }
             P0                           | P1            ;
             movl $1,(x)                  | movl $2,(y)   ;
             membarrier private_expedited |               ;
             movl $1,(y)                  | movl (x),%eax ;
            exists (y=2 /\ 1:rax=0)
            """,
            new MachineRunOptions { Iterations = 100, TimeLimit = TimeSpan.FromMinutes(1) }
        );
        Assert.Equal(MachineMode.Rendezvous, run.Mode);
        Assert.Contains("has no perpetual form", run.ModeReason);
        Assert.Equal(100, run.Iterations);
    }

    [Theory]
    [InlineData("global", 10)]
    [InlineData("global_expedited", 200)]
    [InlineData("private_expedited_sync_core", 200)]
    [InlineData("private_expedited_rseq", 200)]
    public void Every_command_is_registered_and_carried_out(string command, int iterations)
    {
        MachineTests.RequireProcessors(2);
        MachineRun run = MachineTests.Run(
            MachineTests.StoreBufferingWithMembarrier.Replace("private_expedited", command),
            new MachineRunOptions { Iterations = iterations, TimeLimit = TimeSpan.FromMinutes(1) }
        );
        Assert.Equal(MachineRunEnd.Completed, run.End);
        Assert.Equal(iterations, run.Iterations);

        // Kernels are known to pass a CPU over in the global one (litmus/kernel/GlobalBarrier.AfterSiblingExit.litmus);
        // `crosscore check` tells when it shows.
        if (command != "global_expedited")
        {
            Assert.Equal(0, MachineTests.CountOfWeak(run));
        }
    }
}
