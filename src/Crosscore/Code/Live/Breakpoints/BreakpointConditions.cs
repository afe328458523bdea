using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>What must be so in the process before a breakpoint may be written.</summary>
/// <param name="HandlerObstacle">Why the handler would not get its breakpoints, or null.</param>
/// <param name="HasShadowStack">Whether the processor compares return addresses with a second stack.</param>
internal sealed record BreakpointConditions(Func<string?> HandlerObstacle, Func<bool> HasShadowStack)
{
    public static BreakpointConditions OfThisProcess { get; } = new(BreakpointHandler.Obstacle, () => ShadowStack.IsOn(ShadowStack.Status(out ulong features), features));

    /// <summary>Why no breakpoint may stand on these sites, or null.</summary>
    public (CodeFailure Failure, string Text)? ObstacleTo(ReadOnlySpan<PlacedSite> sites)
    {
        if (HandlerObstacle() is { } replaced)
        {
            return (CodeFailure.BreakpointHandler, replaced);
        }

        if (!HasShadowStack())
        {
            return null;
        }

        // A call is carried out by the handler, or by a copy, which push its return address. Nothing pushes it on the shadow stack, so the return would end the process.
        Span<byte> bytes = stackalloc byte[InstructionBytes.Size];
        foreach ((_, PatchSite site) in sites)
        {
            if (X86Relocator.HasCall(site.Old.CopyTo(bytes)) || X86Relocator.HasCall(site.New.CopyTo(bytes)))
            {
                return (
                    CodeFailure.PatchNotMovable,
                    $"the instruction at {site.Offset} is a call, or is to be one, and the process has shadow stacks (CET): a thread that met the breakpoint could not return from it. Let the distance lie within aligned 8 bytes, or "
                        + "start the program without shadow stacks (GLIBC_TUNABLES=glibc.cpu.x86_shstk=off)");
            }
        }

        return null;
    }
}
