namespace Crosscore.Code;

/// <summary>What must be so in the process before a breakpoint may be written.</summary>
/// <param name="HandlerObstacle">Why the handler would not get its breakpoints, or null.</param>
internal sealed record BreakpointConditions(Func<string?> HandlerObstacle)
{
    public static BreakpointConditions OfThisProcess { get; } = new(BreakpointHandler.Obstacle);

    /// <summary>Why no breakpoint may be written, or null.</summary>
    public (CodeFailure Failure, string Text)? Obstacle => HandlerObstacle() is { } replaced ? (CodeFailure.BreakpointHandler, replaced) : null;
}
