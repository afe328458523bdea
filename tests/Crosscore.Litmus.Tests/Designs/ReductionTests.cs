using Crosscore.Litmus.Comparison;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>No reduction changes what a kernel design allows: each alone is left out, and all together, over every test and design that is small enough.</summary>
public class ReductionTests
{
    // Without any reduction the largest of these tests would take minutes; what stays is counted, so that the limit cannot swallow everything.
    private const int MostStates = 30_000;

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

            foreach (Reductions reductions in (Reductions[])
                [Reductions.None, Reductions.All & ~Reductions.LocalFusion, Reductions.All & ~Reductions.Independence, Reductions.All & ~Reductions.DeadRegisters])
            {
                DesignReport other = KernelTests.Examine(
                    test, design, new ExplorationOptions { Reductions = reductions, MaxStates = MostStates });
                if (other.Verdict!.IsComplete)
                {
                    Assert.Equal(KernelTests.Outcomes(full), KernelTests.Outcomes(other));
                    compared++;
                }
            }
        }

        Assert.True(compared > 0, $"{name} is too large for every exploration without a reduction.");
    }
}
