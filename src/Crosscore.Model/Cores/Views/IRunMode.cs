namespace Crosscore.Model.Cores.Views;

/// <summary>
/// Whether a machine executes the program or looks for promises. It is a type rather than a flag, so that a machine
/// cannot change from one to the other, and that the JIT compiles each without the checks for the other.
/// </summary>
internal interface IRunMode
{
    /// <summary>Gets whether only one CPU runs, to find out which writes it could promise.</summary>
    static abstract bool IsIsolated { get; }

    /// <summary>
    /// Gets the position in the list of writes behind which a CPU in isolation appends; 0 where all CPUs run. Only the
    /// writes behind it may be forgotten during the run.
    /// </summary>
    int Origin { get; }
}

/// <summary>All CPUs run: the execution of the program.</summary>
internal readonly struct Concurrent : IRunMode
{
    public static bool IsIsolated => false;

    public int Origin => 0;
}

/// <summary>
/// One CPU runs in isolation from a state of the execution. Whatever it writes beyond its promises exists in that run
/// only, so it may write without a promise, and access memory while all other CPUs are still promising.
/// </summary>
/// <param name="run">The run.</param>
internal readonly struct Isolated(IsolatedRun run) : IRunMode
{
    public static bool IsIsolated => true;

    public int Origin => run.Origin;
}

/// <summary>A run in isolation.</summary>
internal sealed class IsolatedRun
{
    /// <summary>Gets or sets how many writes there were when the run began.</summary>
    public int Origin { get; set; }
}
