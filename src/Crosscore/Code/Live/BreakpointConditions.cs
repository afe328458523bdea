using Crosscore.Isa;
using Crosscore.Linux;

namespace Crosscore.Code;

/// <summary>The conditions in the process under which a breakpoint may be written.</summary>
/// <param name="HandlerObstacle">Why the handler would not get its breakpoints, or null.</param>
/// <param name="HasShadowStack">Whether the processor compares return addresses with a second stack.</param>
internal sealed record BreakpointConditions(Func<string?> HandlerObstacle, Func<bool> HasShadowStack)
{
    public static BreakpointConditions OfThisProcess { get; } =
        new(BreakpointHandler.Obstacle, () => ShadowStack.IsOn(ShadowStack.Status(out ulong features), features));

    /// <summary>The tracer of the process, as <see cref="Tracer.Find"/> returns it.</summary>
    public Func<int> FindTracer { get; init; } = Tracer.Find;

    /// <summary>Why no breakpoint may stand on these sites, or null.</summary>
    public PatchObstacle? ObstacleTo(ReadOnlySpan<PlacedSite> sites)
    {
        if (HandlerObstacle() is { } replaced)
        {
            return new(CodeFailure.BreakpointHandler, replaced);
        }

        if (TracerObstacle(FindTracer()) is { } traced)
        {
            return new(CodeFailure.TracerAttached, traced);
        }

        if (!HasShadowStack())
        {
            return null;
        }

        // A call is carried out by the handler, or by a copy, which push its return address. Nothing pushes it on the
        // shadow stack, so the return would end the process.
        Span<byte> bytes = stackalloc byte[InstructionBytes.Size];
        foreach ((_, PatchSite site) in sites)
        {
            if (X86_64Relocator.HasCall(site.Old.CopyTo(bytes)) || X86_64Relocator.HasCall(site.New.CopyTo(bytes)))
            {
                return new(
                    CodeFailure.PatchNotMovable,
                    $"the instruction at {site.Offset} is a call, or becomes one, and the process has shadow stacks "
                        + "(CET): a thread that met the breakpoint could not return from it. Let the distance lie "
                        + "within aligned 8 bytes, or start the program without shadow stacks "
                        + "(GLIBC_TUNABLES=glibc.cpu.x86_shstk=off)"
                );
            }
        }

        return null;
    }

    /// <summary>
    /// Says why a tracer, or not knowing whether there is one, prevents breakpoints; returns null if there is none. The
    /// kernel shows SIGTRAP to a tracer before the handler. gdb does not pass it on by default, so the thread would
    /// continue behind INT3, in the middle of an instruction.
    /// </summary>
    /// <param name="answer">What <see cref="Tracer.Find"/> returned.</param>
    public static string? TracerObstacle(int answer) =>
        answer switch
        {
            0 => null,
            > 0 => $"task {answer} traces this process (TracerPid in /proc/self/status), and a debugger that drops "
                + "SIGTRAP would let a thread that met a breakpoint continue in the middle of an instruction. "
                + "Detach the debugger",
            _ => "whether a debugger traces this process is not known: /proc/self/status answered "
                + $"{Errno.Name(-answer)}. Make it readable",
        };
}
