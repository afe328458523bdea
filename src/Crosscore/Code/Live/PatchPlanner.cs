namespace Crosscore.Code;

/// <summary>Everything that the choice of a method depends on.</summary>
/// <param name="Sites">Instructions that change.</param>
/// <param name="NotOneStore">How many of them do not fit into one store: the change crosses aligned 8 bytes, or begins
/// instructions where none began.</param>
/// <param name="Mode">Which guarantees to rely on.</param>
/// <param name="Processor">What its manual promises, and whether it was measured.</param>
internal readonly record struct PatchFacts(int Sites, int NotOneStore, CodeMode Mode, ProcessorFacts Processor)
{
    /// <summary>
    /// Measured mode relies on measurements, and there are some of this processor; otherwise it is as strict.
    /// </summary>
    public bool MeasurementsCount => Mode == CodeMode.Measured && Processor.IsMeasured;
}

/// <summary>
/// Chooses the cheapest method that is right. A pure function; each answer is a line of the table in its tests.
/// </summary>
internal static class PatchPlanner
{
    /// <summary>Whether stores alone suffice, and the reason.</summary>
    public static (bool Possible, string Reason) SingleStore(in PatchFacts facts) =>
        facts switch
        {
            { Sites: 0 } => (true, "nothing changes"),
            { NotOneStore: > 0 } => (
                false,
                $"{facts.NotOneStore} of {facts.Sites} changes cross aligned 8 bytes or begin new instructions, so a "
                    + "single store of them could be fetched in parts"
            ),
            { Processor.QuadwordIsPromised: true } => (
                true,
                "each change is one store within aligned 8 bytes, which AMD's manual allows while another core "
                    + "executes them (APM vol. 2, 7.6.1)"
            ),
            { MeasurementsCount: true } => (
                true,
                "each change is within aligned 8 bytes, which were measured to be fetched whole "
                    + $"({facts.Processor.Name})"
            ),
            { Mode: CodeMode.Measured } => (
                false,
                $"of this processor ({facts.Processor.Name}) it is neither promised nor was it measured that a store "
                    + "is fetched whole by a core that executes there"
            ),
            _ => (
                false,
                $"this processor's manual ({facts.Processor.Name}) promises of no store, not even of one byte, that a "
                    + "core which executes there fetches it whole"
            ),
        };

    /// <param name="facts">The changes, the mode and the processor.</param>
    /// <param name="breakpointObstacle">Why breakpoints cannot be set, or null; it matters only if stores alone do not
    /// suffice.</param>
    /// <exception cref="CodeException">No method is right.</exception>
    public static PatchPlan Choose(in PatchFacts facts, PatchObstacle? breakpointObstacle)
    {
        (bool possible, string reason) = SingleStore(facts);
        if (possible)
        {
            // A core may continue with what it fetched before until it is synchronized; where it was measured it never
            // did, in hundreds of millions of executions.
            return new PatchPlan(
                PatchMethod.SingleStore,
                reason,
                facts.Sites,
                facts.Sites > 0 && !facts.MeasurementsCount ? 1 : 0
            );
        }

        return breakpointObstacle switch
        {
            null => new PatchPlan(PatchMethod.Breakpoint, reason, facts.Sites, 3),
            { } obstacle when facts.Mode == CodeMode.Measured => new PatchPlan(
                PatchMethod.PageSwap,
                $"{reason}; and breakpoints are not possible: {obstacle.Text}",
                facts.Sites,
                1
            ),
            { } obstacle => throw new CodeException(
                obstacle.Failure,
                $"The patch is refused, and nothing was changed: {reason}; and breakpoints are not possible: "
                    + $"{obstacle.Text}. CodeMode.Measured would exchange the pages."
            ),
        };
    }
}
