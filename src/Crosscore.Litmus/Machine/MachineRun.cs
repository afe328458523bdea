using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Machine;

/// <summary>Says why a run ended.</summary>
internal enum MachineRunEnd
{
    /// <summary>All iterations were made.</summary>
    Completed,

    /// <summary><see cref="MachineRunOptions.StopWhen"/> was true of an outcome.</summary>
    Stopped,

    /// <summary>The time was up. Iterations of a batch that took too long to be awaited do not count.</summary>
    TimeLimit,

    /// <summary>
    /// The time was up, and a column was still running: it loops forever, or for very long. The iterations that had
    /// ended count; the unfinished one is no outcome.
    /// </summary>
    DidNotEnd,
}

/// <summary>What was seen when a test ran on this machine.</summary>
internal sealed record MachineRun
{
    /// <summary>Gets the test.</summary>
    public required LitmusTest Test { get; init; }

    /// <summary>Gets the mode used; never <see cref="MachineMode.Auto"/>.</summary>
    public required MachineMode Mode { get; init; }

    /// <summary>Gets why this mode, as a sentence.</summary>
    public required string ModeReason { get; init; }

    /// <summary>Gets why it ended.</summary>
    public required MachineRunEnd End { get; init; }

    /// <summary>Iterations that count; in perpetual mode, of the slow side.</summary>
    public required long Iterations { get; init; }

    /// <summary>Iterations of the fast side; in rendezvous mode the same as <see cref="Iterations"/>.</summary>
    public required long FastIterations { get; init; }

    /// <summary>
    /// Iterations that could have shown a weak outcome. In perpetual mode those of the slow side during which the fast
    /// side was seen to advance; in rendezvous mode all. An outcome that was not seen means no more than this number
    /// says.
    /// </summary>
    public required long RelevantTrials { get; init; }

    /// <summary>
    /// Gets each outcome seen, with a count, in ascending order. In rendezvous mode the counts add up to
    /// <see cref="Iterations"/>. In perpetual mode the count is the number of slow iterations that show the outcome
    /// together with some fast iteration; one slow iteration usually shows several.
    /// </summary>
    public required IReadOnlyDictionary<Outcome, long> Histogram { get; init; }

    /// <summary>Time from the first batch to the last, the counting of outcomes included.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Gets the processor that each column ran on.</summary>
    public required IReadOnlyList<int> Processors { get; init; }

    /// <summary>Whether there were fewer processors than columns, so that weak outcomes were unlikely.</summary>
    public required bool Oversubscribed { get; init; }

    /// <summary>Gets what a reader of the figures should know, as sentences; empty when there is nothing.</summary>
    public required IReadOnlyList<string> Remarks { get; init; }
}
