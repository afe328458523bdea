using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Kernel;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Timelines;

/// <summary>
/// The trace to an outcome, as a reader can follow it: a lane for each CPU (without a kernel, for each thread), what
/// happens in which order, what each lane holds afterwards, and what goes from lane to lane. It says nothing that the
/// exploration did not do.
/// </summary>
internal sealed class Timeline
{
    private Timeline(ModelVerdict verdict, Outcome? outcome, IReadOnlyList<TraceEvent> events)
    {
        Verdict = verdict;
        Outcome = outcome;
        Names = new TimelineNames(verdict);
        Events = events;
        var builder = new TimelineBuilder(verdict, Names, Events);
        Rows = builder.Rows;
        Arrows = TimelineArrows.Of(Events, builder.RowOfEvent);
        Lanes =
        [
            .. Enumerable
                .Range(0, verdict.Kernel is null ? verdict.Test.Threads.Count : verdict.Test.System.Cpus)
                .Select(lane => verdict.Kernel is null ? $"P{lane}" : $"CPU {lane}"),
        ];
        Summary = TimelineSummary.Of(verdict, Names, Events);
    }

    /// <summary>Gets the verdict that allows the outcome.</summary>
    public ModelVerdict Verdict { get; }

    /// <summary>
    /// Gets the outcome; <see langword="null"/> where the trace leads to a state from which no end can be reached.
    /// </summary>
    public Outcome? Outcome { get; }

    /// <summary>Gets what the trace leads to, for people.</summary>
    public string Target =>
        Outcome?.Describe(Verdict.Test, Verdict.Layout) ?? "a hang: no end can be reached from here";

    /// <summary>Gets the names of the lanes.</summary>
    public IReadOnlyList<string> Lanes { get; }

    /// <summary>Gets the rows, in order.</summary>
    public IReadOnlyList<TimelineRow> Rows { get; }

    /// <summary>Gets what goes from lane to lane.</summary>
    public IReadOnlyList<TimelineArrow> Arrows { get; }

    /// <summary>Gets why the outcome comes about, in a sentence or two; empty when the events alone do not
    /// tell.</summary>
    public string Summary { get; }

    /// <summary>Gets how many tasks have names.</summary>
    public int Tasks => Names.Tasks;

    internal TimelineNames Names { get; }

    internal IReadOnlyList<TraceEvent> Events { get; }

    /// <summary>Gets the name of a task: that of its thread, or <c>idle</c>.</summary>
    /// <param name="task">The task.</param>
    public string NameOf(int task) => Names.Task(task);

    /// <summary>Gets the task that a lane runs at the start.</summary>
    /// <param name="lane">The lane.</param>
    public int FirstTaskOf(int lane) => Names.FirstTask(lane);

    /// <summary>Makes the shortest trace to an allowed outcome.</summary>
    /// <param name="verdict">The verdict that allows it.</param>
    /// <param name="outcome">The outcome.</param>
    public static Timeline Of(ModelVerdict verdict, Outcome outcome)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        ArgumentNullException.ThrowIfNull(outcome);
        return new Timeline(verdict, outcome, verdict.ShortestTraceTo(outcome));
    }

    /// <summary>
    /// Makes the shortest trace to an outcome for which the condition's proposition is true; <see langword="null"/>
    /// when none is allowed.
    /// </summary>
    /// <param name="verdict">The verdict.</param>
    public static Timeline? OfWitness(ModelVerdict verdict)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        return verdict.Allowed.FirstOrDefault(verdict.IsWitness) is Outcome witness ? Of(verdict, witness) : null;
    }

    /// <summary>
    /// Makes the shortest trace to a state from which no end can be reached; <see langword="null"/> when none was
    /// found.
    /// </summary>
    /// <param name="verdict">The verdict.</param>
    public static Timeline? OfHang(ModelVerdict verdict)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        return verdict.MayHang ? new Timeline(verdict, null, verdict.Exploration.ShortestTraceToHang()) : null;
    }

    /// <summary>
    /// Gets the lines of the design that were executed, by their index in <see cref="KernelDesign.SourceLines"/>.
    /// </summary>
    public IReadOnlySet<int> ExecutedKernelLines =>
        Events.Select(happened => happened.KernelLine).Where(line => line > 0).ToHashSet();

    /// <summary>Gets the instructions of a thread that did something, by their index.</summary>
    /// <param name="thread">The thread.</param>
    public IReadOnlySet<int> ExecutedInstructions(LitmusThread thread) =>
        Events
            .Where(happened => happened.Source >= 0 && happened.Task == thread.Id)
            .Select(happened => happened.Source)
            .ToHashSet();
}
