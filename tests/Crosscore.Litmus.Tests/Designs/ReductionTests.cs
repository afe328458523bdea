using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>
/// No reduction changes what a kernel design allows: each alone is left out, and all together, over every test and
/// design that is small enough.
/// </summary>
public class ReductionTests
{
    // Without any reduction the largest of these tests would take minutes; what stays is counted, so that the limit
    // cannot swallow everything.
    private const int MostStates = 80_000;

    public static TheoryData<string> Tests => [.. KernelTests.Names];

    [Theory]
    [MemberData(nameof(Tests))]
    public void Every_design_allows_the_same_outcomes_without_them(string name)
    {
        LitmusTest test = KernelTests.Test(name);
        int compared = 0;
        foreach (KernelDesign design in KernelTests.AllDesigns)
        {
            DesignReport full = KernelTests.Examine(test, design);
            if (full.Verdict is null)
            {
                continue;
            }

            foreach (
                Reductions reductions in (Reductions[])
                    [
                        Reductions.None,
                        Reductions.All & ~Reductions.LocalFusion,
                        Reductions.All & ~Reductions.Independence,
                        Reductions.All & ~Reductions.DeadRegisters,
                    ]
            )
            {
                DesignReport other = KernelTests.Examine(
                    test,
                    design,
                    new ExplorationOptions { Reductions = reductions, MaxStates = MostStates }
                );
                if (other.Verdict!.IsComplete)
                {
                    Assert.Equal(KernelTests.Outcomes(full), KernelTests.Outcomes(other));
                    Assert.Equal(full.Verdict.Exploration.Endings, other.Verdict.Exploration.Endings);
                    compared++;
                }
            }
        }

        Assert.True(compared > 0, $"{name} is too large for every exploration without a reduction.");
    }

    [Fact]
    public void A_second_interrupt_may_come_before_the_return_from_the_first()
    {
        // Neither the handler nor the request or the answer orders anything, only the return from the interrupt does.
        // P1 answers twice before it returns.
        LitmusTest test = LitmusParser.Parse(
            """
            X86_64 TwoInterrupts
            Schedule=no
            Options=ipi_order=none
            { x=0; z=0; flag=0; }
             P0                                | P1            | P2                                ;
             movl $1,(z)                       | movl $1,(x)   | movl (flag),%ebx                  ;
             membarrier private_expedited_rseq | movl (z),%eax | membarrier private_expedited_rseq ;
             movl $1,(flag)                    |               | movl (x),%eax                     ;
            exists (1:rax=0 /\ 2:rbx=1 /\ 2:rax=0)
            """,
            "TwoInterrupts.litmus"
        );
        KernelDesign design = KernelTests.Design("linux-5.10-rc");

        Assert.Equal(
            Frequency.Sometimes,
            KernelTests
                .Examine(test, design, new ExplorationOptions { Reductions = Reductions.None })
                .Verdict!.Frequency
        );
        Assert.Equal(Frequency.Sometimes, KernelTests.Examine(test, design).Verdict!.Frequency);
    }
}
