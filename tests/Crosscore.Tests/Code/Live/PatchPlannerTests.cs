using Crosscore.Code;

namespace Crosscore.Tests.Code.Live;

/// <summary>Which method is chosen, by table.</summary>
public sealed class PatchPlannerTests
{
    // What CPUID answers for leaf 1 on real processors.
    internal const int Milan = 0x00A00F11; // Zen 3
    internal const int Genoa = 0x00A10F11; // Zen 4
    internal const int Turin = 0x00B00F21; // Zen 5
    internal const int Rome = 0x00830F10; // Zen 2
    internal const int EmeraldRapids = 0x000C06F2;
    internal const int Skylake = 0x00050654;

    internal const string Amd = "AuthenticAMD";
    internal const string Intel = "GenuineIntel";

    [Theory]
    // sites, not one store, mode, vendor, signature, breakpoints possible
    [InlineData(0, 0, CodeMode.Strict, Amd, Genoa, true, PatchMethod.SingleStore, 0)]
    [InlineData(1, 0, CodeMode.Strict, Amd, Genoa, true, PatchMethod.SingleStore, 1)]
    [InlineData(1, 0, CodeMode.Strict, Amd, Rome, true, PatchMethod.SingleStore, 1)]
    // One that does not fit takes all with it.
    [InlineData(9, 1, CodeMode.Strict, Amd, Genoa, true, PatchMethod.Breakpoint, 3)]
    [InlineData(0, 0, CodeMode.Strict, Intel, EmeraldRapids, true, PatchMethod.SingleStore, 0)] // Nothing is stored.
    // Its manual promises nothing.
    [InlineData(1, 0, CodeMode.Strict, Intel, EmeraldRapids, true, PatchMethod.Breakpoint, 3)]
    // AMD's manual is AMD's.
    [InlineData(1, 0, CodeMode.Strict, "HygonGenuine", Genoa, true, PatchMethod.Breakpoint, 3)]
    [InlineData(1, 0, CodeMode.Strict, "CentaurHauls", Genoa, true, PatchMethod.Breakpoint, 3)]
    [InlineData(1, 0, CodeMode.Strict, "", 0, true, PatchMethod.Breakpoint, 3)]
    [InlineData(1, 0, CodeMode.Measured, Amd, Genoa, true, PatchMethod.SingleStore, 0)]
    [InlineData(9, 0, CodeMode.Measured, Amd, Turin, true, PatchMethod.SingleStore, 0)]
    [InlineData(1, 0, CodeMode.Measured, Amd, Rome, true, PatchMethod.SingleStore, 1)] // Promised, not measured.
    [InlineData(1, 0, CodeMode.Measured, Intel, EmeraldRapids, true, PatchMethod.Breakpoint, 3)] // Neither.
    [InlineData(1, 0, CodeMode.Measured, Intel, Skylake, true, PatchMethod.Breakpoint, 3)]
    [InlineData(100, 100, CodeMode.Measured, Amd, Genoa, true, PatchMethod.Breakpoint, 3)]
    [InlineData(1, 1, CodeMode.Measured, Amd, Genoa, false, PatchMethod.PageSwap, 1)]
    [InlineData(1, 0, CodeMode.Measured, Intel, Skylake, false, PatchMethod.PageSwap, 1)]
    [InlineData(1, 0, CodeMode.Strict, Amd, Genoa, false, PatchMethod.SingleStore, 1)]
    public void The_cheapest_method_that_is_right_is_chosen(
        int sites,
        int notOneStore,
        CodeMode mode,
        string vendor,
        int signature,
        bool breakpoints,
        PatchMethod method,
        int synchronizations
    )
    {
        PatchPlan plan = PatchPlanner.Choose(
            new PatchFacts(sites, notOneStore, mode, ProcessorFacts.Of(vendor, signature)),
            breakpoints
                ? null
                : new PatchObstacle(CodeFailure.BreakpointHandler, "another library replaced the handler")
        );
        Assert.Equal((method, synchronizations, sites), (plan.Method, plan.Synchronizations, plan.Sites));
        Assert.NotEmpty(plan.Reason);
    }

    [Theory]
    [InlineData(Amd, Milan, true, "Zen 3, family 0x19, model 0x1")]
    [InlineData(Amd, Genoa, true, "Zen 4, family 0x19, model 0x11")]
    [InlineData(Amd, Turin, true, "Zen 5, family 0x1A, model 0x2")]
    [InlineData(Amd, Rome, false, "AuthenticAMD, family 0x17, model 0x31")]
    [InlineData(Amd, 0x00B50F00, false, "AuthenticAMD, family 0x1A, model 0x50")] // Newer than all that were measured.
    [InlineData(Amd, 0x00C00F10, false, "AuthenticAMD, family 0x1B, model 0x1")]
    [InlineData(Intel, EmeraldRapids, false, "GenuineIntel, family 0x6, model 0xCF")]
    [InlineData(Intel, Skylake, false, "GenuineIntel, family 0x6, model 0x55")]
    [InlineData("HygonGenuine", 0x00900F01, false, "HygonGenuine, family 0x18, model 0x0")]
    public void Only_designs_on_which_the_torture_ran_count_as_measured(
        string vendor,
        int signature,
        bool isMeasured,
        string name
    )
    {
        ProcessorFacts processor = ProcessorFacts.Of(vendor, signature);
        Assert.Equal(
            (isMeasured, vendor == Amd, name),
            (processor.IsMeasured, processor.QuadwordIsPromised, processor.Name)
        );
        foreach (CodeMode mode in (ReadOnlySpan<CodeMode>)[CodeMode.Strict, CodeMode.Measured])
        {
            string reason = PatchPlanner.SingleStore(new PatchFacts(1, 0, mode, processor)).Reason;
            Assert.False(reason.Contains("were measured", StringComparison.Ordinal) && !isMeasured, reason);
            Assert.Equal(vendor == Amd, reason.Contains("APM vol. 2, 7.6.1", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Strict_mode_refuses_where_breakpoints_are_not_possible_and_says_both_reasons()
    {
        CodeException refusal = Assert.Throws<CodeException>(() =>
            PatchPlanner.Choose(
                new PatchFacts(1, 1, CodeMode.Strict, ProcessorFacts.Of(Amd, Genoa)),
                new PatchObstacle(CodeFailure.BreakpointHandler, "another library replaced the handler")
            )
        );
        Assert.Equal(CodeFailure.BreakpointHandler, refusal.Failure);
        Assert.Contains("another library replaced the handler", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("aligned 8 bytes", refusal.Message, StringComparison.Ordinal);
    }
}
