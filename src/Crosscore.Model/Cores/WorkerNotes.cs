using Crosscore.Model.Traces;

namespace Crosscore.Model.Cores;

/// <summary>
/// What a worker notes while it executes. It is the only part of a machine that changes, so each worker has its own;
/// everything else is shared or is the state itself.
/// </summary>
/// <param name="bounds">The bounds that were reached.</param>
internal sealed class WorkerNotes(BoundsReached bounds)
{
    /// <summary>
    /// Gets the bounds that were reached. A machine that looks for promises has separate notes but shares these: a
    /// bound that cuts its search cuts the exploration.
    /// </summary>
    public BoundsReached Bounds { get; } = bounds;

    /// <summary>
    /// Gets or sets what is told of each event while a trace is replayed; <see langword="null"/> during the search.
    /// </summary>
    public ITraceRecorder? Recorder { get; set; }
}

/// <summary>Bounds that made an exploration incomplete, rather than a limit that the program itself sets.</summary>
internal sealed class BoundsReached
{
    /// <summary>Gets or sets whether a store waited because the store buffer was full.</summary>
    public bool Buffer { get; set; }

    /// <summary>Gets or sets whether a store waited because the list of writes was full.</summary>
    public bool Writes { get; set; }

    /// <summary>Gets or sets whether a task was not switched out because of the upper bound on preemptions.</summary>
    public bool Preemptions { get; set; }
}
