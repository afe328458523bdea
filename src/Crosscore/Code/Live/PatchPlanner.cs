namespace Crosscore.Code;

/// <summary>All that the choice of a method depends on.</summary>
/// <param name="Sites">Instructions that change.</param>
/// <param name="NotOneStore">How many of them do not fit into one store: the change crosses aligned 8 bytes, or begins instructions where none began.</param>
/// <param name="WiderThanAByte">How many change more than one byte.</param>
/// <param name="Mode">Whose word is relied on.</param>
/// <param name="QuadwordIsPromised">Whether the processor's manual promises that a store within aligned 8 bytes is fetched whole: AMD's does.</param>
internal readonly record struct PatchFacts(int Sites, int NotOneStore, int WiderThanAByte, CodeMode Mode, bool QuadwordIsPromised);

/// <summary>Which method is the cheapest that is right. A pure function; each answer is a line of the table in its tests.</summary>
internal static class PatchPlanner
{
    /// <summary>Whether stores alone do; why not, otherwise.</summary>
    public static (bool Possible, string Reason) SingleStore(in PatchFacts facts) => facts switch
    {
        { Sites: 0 } => (true, "nothing changes"),
        { NotOneStore: > 0 } => (false, $"{facts.NotOneStore} of {facts.Sites} changes cross aligned 8 bytes or begin new instructions, so a single store of them could be fetched in parts"),
        { WiderThanAByte: > 0, Mode: CodeMode.Strict, QuadwordIsPromised: false } =>
            (false, $"{facts.WiderThanAByte} of {facts.Sites} changes are wider than one byte, and this processor's manual does not promise that such a store is fetched whole"),
        { WiderThanAByte: > 0, QuadwordIsPromised: true } => (true, "each change is within aligned 8 bytes, which AMD promises are fetched whole (APM vol. 2, 7.6.1)"),
        { WiderThanAByte: > 0 } => (true, "each change is within aligned 8 bytes, which were measured to be fetched whole"),
        _ => (true, "each change is one byte"),
    };

    /// <param name="facts">What is asked for.</param>
    /// <param name="breakpointObstacle">Why breakpoints cannot be set, or null; looked at only where stores alone do not do.</param>
    /// <exception cref="CodeException">Nothing is right.</exception>
    public static PatchPlan Choose(in PatchFacts facts, (CodeFailure Failure, string Text)? breakpointObstacle)
    {
        (bool possible, string reason) = SingleStore(facts);
        if (possible)
        {
            // Strict: a core may go on with what it fetched before until it is told. Measured: it never did, in hundreds of millions of executions.
            return new PatchPlan(PatchMethod.SingleStore, reason, facts.Sites, facts.Sites > 0 && facts.Mode == CodeMode.Strict ? 1 : 0);
        }

        return breakpointObstacle switch
        {
            null => new PatchPlan(PatchMethod.Breakpoint, reason, facts.Sites, 3),
            { } obstacle when facts.Mode == CodeMode.Measured =>
                new PatchPlan(PatchMethod.PageSwap, $"{reason}; and breakpoints are not possible: {obstacle.Text}", facts.Sites, 1),
            { } obstacle => throw new CodeException(
                obstacle.Failure, $"The patch is refused, and nothing was changed: {reason}; and breakpoints are not possible: {obstacle.Text}. CodeMode.Measured would exchange the pages."),
        };
    }
}
