using Crosscore.Code;

namespace Crosscore.Tests.Code.Live;

/// <summary>Which method is chosen, by table.</summary>
public sealed class PatchPlannerTests
{
    [Theory]
    // sites, not one store, wider than a byte, mode, AMD, breakpoints possible
    [InlineData(0, 0, 0, CodeMode.Strict, true, true, PatchMethod.SingleStore, 0)]
    [InlineData(1, 0, 0, CodeMode.Strict, false, true, PatchMethod.SingleStore, 1)] // One byte is always fetched whole.
    [InlineData(1, 0, 1, CodeMode.Strict, true, true, PatchMethod.SingleStore, 1)]
    [InlineData(1, 0, 1, CodeMode.Strict, false, true, PatchMethod.Breakpoint, 3)] // Intel promises nothing for more.
    [InlineData(1, 0, 1, CodeMode.Measured, false, true, PatchMethod.SingleStore, 0)]
    [InlineData(9, 0, 9, CodeMode.Measured, true, true, PatchMethod.SingleStore, 0)]
    [InlineData(9, 1, 9, CodeMode.Strict, true, true, PatchMethod.Breakpoint, 3)] // One that does not fit takes all with it.
    [InlineData(100, 100, 100, CodeMode.Measured, true, true, PatchMethod.Breakpoint, 3)]
    [InlineData(1, 1, 1, CodeMode.Measured, true, false, PatchMethod.PageSwap, 1)]
    [InlineData(1, 0, 1, CodeMode.Measured, false, false, PatchMethod.SingleStore, 0)]
    [InlineData(1, 0, 1, CodeMode.Strict, true, false, PatchMethod.SingleStore, 1)]
    public void The_cheapest_method_that_is_right_is_chosen(
        int sites, int notOneStore, int wider, CodeMode mode, bool amd, bool breakpoints, PatchMethod method, int synchronisations)
    {
        PatchPlan plan = PatchPlanner.Choose(
            new PatchFacts(sites, notOneStore, wider, mode, amd), breakpoints ? null : (CodeFailure.BreakpointHandler, "somebody replaced the handler"));
        Assert.Equal((method, synchronisations, sites), (plan.Method, plan.Synchronisations, plan.Sites));
        Assert.NotEmpty(plan.Reason);
    }

    [Fact]
    public void Strict_mode_refuses_where_breakpoints_are_not_possible_and_says_both_reasons()
    {
        CodeException refusal = Assert.Throws<CodeException>(() => PatchPlanner.Choose(
            new PatchFacts(1, 1, 1, CodeMode.Strict, true), (CodeFailure.BreakpointHandler, "somebody replaced the handler")));
        Assert.Equal(CodeFailure.BreakpointHandler, refusal.Failure);
        Assert.Contains("somebody replaced the handler", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("aligned 8 bytes", refusal.Message, StringComparison.Ordinal);
    }
}
