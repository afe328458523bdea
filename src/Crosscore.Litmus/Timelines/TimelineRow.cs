namespace Crosscore.Litmus.Timelines;

/// <summary>Whose doing a row of a timeline is.</summary>
internal enum TimelineSource
{
    /// <summary>An instruction of the test.</summary>
    Test,

    /// <summary>A line of the kernel design.</summary>
    Kernel,

    /// <summary>The core or its store buffer: a store reaches memory, an interrupt is taken, IRET, SYSRET.</summary>
    Core,

    /// <summary>The scheduler: who runs next, who sleeps or wakes.</summary>
    Scheduler,
}

/// <summary>Marks what a reader should see at a glance.</summary>
internal enum TimelineMark
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The core was serialized: it holds no old code any more.</summary>
    Serialized,

    /// <summary>Old code was executed, or code of which nothing is promised.</summary>
    Stale,
}

/// <summary>What a lane holds after a row.</summary>
/// <param name="Task">The task on it.</param>
/// <param name="Waiting">Its store buffer, the oldest store first: <c>x = 2</c>.</param>
/// <param name="OldCode">The code of which it may still execute an old version: <c>f: 1 or 2</c>.</param>
internal sealed record TimelineLane(int Task, IReadOnlyList<string> Waiting, IReadOnlyList<string> OldCode)
{
    /// <summary>Whether another lane holds the same.</summary>
    /// <param name="other">The other one.</param>
    public bool HoldsSame(TimelineLane other) =>
        Waiting.SequenceEqual(other.Waiting) && OldCode.SequenceEqual(other.OldCode);
}

/// <summary>One row of a timeline.</summary>
internal sealed record TimelineRow
{
    /// <summary>Gets the step of the exploration, from 1; 0 for what threads do for themselves before the
    /// first.</summary>
    public required int Step { get; init; }

    /// <summary>In which lane it stands: a CPU, or without a kernel a thread.</summary>
    public required int Lane { get; init; }

    /// <summary>Gets the task that the lane is running, whether or not it is its own doing.</summary>
    public required int Task { get; init; }

    /// <summary>Whose doing it is.</summary>
    public required TimelineSource Source { get; init; }

    /// <summary>
    /// Gets what is executed, as the test or the design has it, or the processor's name for it; empty for what memory
    /// does by itself.
    /// </summary>
    public required string Code { get; init; }

    /// <summary>Gets where that stands, as <c>file:line</c>; empty for what stands nowhere.</summary>
    public required string Place { get; init; }

    /// <summary>Gets what happened, in words.</summary>
    public required string Effect { get; init; }

    /// <summary>
    /// Whether it is bookkeeping of the kernel that no other CPU takes part in; a reader may skip it.
    /// </summary>
    public bool IsDetail { get; init; }

    /// <summary>Gets what a reader should see at a glance.</summary>
    public TimelineMark Mark { get; init; }

    /// <summary>Gets what each lane holds afterwards.</summary>
    public required IReadOnlyList<TimelineLane> After { get; init; }
}

/// <summary>What connects two lanes.</summary>
internal enum TimelineArrowKind
{
    /// <summary>An interrupt, from where it is sent to where it is taken.</summary>
    Interrupt,

    /// <summary>The answer to it.</summary>
    Answer,

    /// <summary>A task that leaves one CPU and resumes on another.</summary>
    Migration,
}

/// <summary>An arrow between two lanes.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="FromRow">The index of the row where it begins.</param>
/// <param name="FromLane">The lane where it begins.</param>
/// <param name="ToRow">The index of the row where it ends; not before the first.</param>
/// <param name="ToLane">The lane where it ends.</param>
internal sealed record TimelineArrow(TimelineArrowKind Kind, int FromRow, int FromLane, int ToRow, int ToLane);
