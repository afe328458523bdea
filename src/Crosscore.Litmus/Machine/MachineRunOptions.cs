using Crosscore.Litmus.Outcomes;

namespace Crosscore.Litmus.Machine;

/// <summary>How the threads of a test are brought together.</summary>
public enum MachineMode
{
    /// <summary>
    /// <see cref="Perpetual"/> where exactly one of two columns issues membarrier and the test has a perpetual form,
    /// otherwise <see cref="Rendezvous"/>.
    /// </summary>
    Auto,

    /// <summary>All threads meet before every iteration, which runs on fresh memory.</summary>
    Rendezvous,

    /// <summary>
    /// No thread ever waits: each iteration stores its number in place of the test's constants, and pairs of iterations
    /// are judged afterwards. What a slow barrier on one side needs, because the other side would otherwise have
    /// finished long before the barrier takes effect.
    /// </summary>
    Perpetual,
}

/// <summary>What to run, and when to end.</summary>
internal sealed record MachineRunOptions
{
    /// <summary>Gets how many iterations; in <see cref="MachineMode.Perpetual"/>, of the slow side.</summary>
    public long Iterations { get; init; } = 1_000_000;

    /// <summary>Gets the mode.</summary>
    public MachineMode Mode { get; init; } = MachineMode.Auto;

    /// <summary>
    /// When to end although there are iterations left. The batch that runs at that moment may finish, for at most a
    /// second.
    /// </summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Ends the run after the first batch in which it is true of an outcome; asked once of each outcome, on the calling
    /// thread.
    /// </summary>
    public Func<Outcome, bool>? StopWhen { get; init; }
}
