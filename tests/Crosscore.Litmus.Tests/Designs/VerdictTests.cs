using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>
/// What each test about kernels expects of each design is what the model says, and nothing was cut off.
/// </summary>
public class VerdictTests
{
    public static TheoryData<string> Tests => [.. KernelTests.Names];

    [Theory]
    [MemberData(nameof(Tests))]
    public void Every_design_does_what_the_test_says(string name)
    {
        LitmusTest test = KernelTests.Test(name);
        int compared = 0;
        foreach (KernelDesign design in KernelTests.AllDesigns)
        {
            foreach (FetchProfile profile in Enum.GetValues<FetchProfile>())
            {
                // Not every test says something of every design and profile; each says something of some.
                if (
                    Expectation.OnKernel(test, design.Name, DesignReport.ProfileName(profile)) is not { } expected
                    || (
                        profile != FetchProfile.Sdm
                        && !test.Properties.Keys.Any(key => key.Contains('/', StringComparison.Ordinal))
                    )
                )
                {
                    continue;
                }

                DesignReport report = KernelTests.Examine(test, design, new ExplorationOptions { Fetch = profile });
                if (report.Verdict is not ModelVerdict verdict)
                {
                    Assert.NotEmpty(report.Lacking);
                    continue;
                }

                Assert.True(
                    verdict.Frequency == expected.Frequency,
                    $"{name} on {design.Name}/{profile}: expected {expected.Frequency}, found {verdict.Frequency}"
                );
                Assert.Equal(Bounds.None, verdict.Exploration.Bounds);
                Assert.Equal(0, verdict.Exploration.StuckStates);
                Assert.NotEmpty(verdict.Allowed);
                compared++;
            }
        }

        Assert.True(compared > 0, $"{name} says nothing of any design.");
    }

    [Fact]
    public void Every_test_gives_a_reason_for_every_verdict()
    {
        foreach (LitmusTest test in KernelTests.Names.Select(KernelTests.Test))
        {
            foreach (KernelDesign design in KernelTests.AllDesigns)
            {
                Assert.NotEqual("", Expectation.OnKernel(test, design.Name, "sdm")?.Reason);
            }
        }
    }

    [Fact]
    public void A_wide_patch_without_synchronization_is_unpredictable_by_Intels_manual_and_old_or_new_by_AMDs()
    {
        LitmusTest test = KernelTests.Test("LiveCode.WidePatch");
        KernelDesign design = KernelTests.Design("linux-6.8");

        Assert.Contains(
            "unpredictable",
            KernelTests.Outcomes(KernelTests.Examine(test, design, new ExplorationOptions { Fetch = FetchProfile.Sdm }))
        );
        Assert.DoesNotContain(
            "unpredictable",
            KernelTests.Outcomes(KernelTests.Examine(test, design, new ExplorationOptions { Fetch = FetchProfile.Amd }))
        );
        Assert.DoesNotContain(
            "unpredictable",
            KernelTests.Outcomes(
                KernelTests.Examine(test, design, new ExplorationOptions { Fetch = FetchProfile.Coherent })
            )
        );
    }

    [Fact]
    public void With_page_table_isolation_every_return_to_user_mode_writes_CR3_and_the_old_designs_are_right()
    {
        var isolated = new Dictionary<string, string> { ["pti"] = "true" };
        foreach (
            string name in (string[])
                ["StaleCode.CallerReplaced", "StaleCode.InterruptReturnSchedules", "StaleCode.CallerThroughAlias"]
        )
        {
            DesignReport report = KernelTests.Examine(
                KernelTests.Test(name),
                KernelTests.Design("linux-5.4").With(isolated)
            );
            Assert.Equal(Frequency.Never, report.Verdict!.Frequency);
        }
    }
}
