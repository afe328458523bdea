using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Timelines;

/// <summary>
/// Makes rows of events: one for each, but the load and the store of one indivisible step stand together.
/// </summary>
internal sealed class TimelineBuilder
{
    private readonly ModelVerdict _verdict;
    private readonly TimelineNames _names;
    private readonly IReadOnlyList<TraceEvent> _events;
    private readonly TimelineWords _words;
    private readonly HashSet<ulong> _shared;
    private readonly List<TimelineRow> _rows = [];
    private readonly List<int> _rowOfEvent = [];
    private readonly HashSet<(int Task, int Source)> _called = [];

    public TimelineBuilder(ModelVerdict verdict, TimelineNames names, IReadOnlyList<TraceEvent> events)
    {
        _verdict = verdict;
        _names = names;
        _events = events;
        _words = new TimelineWords(verdict, names);
        _shared = SharedPlaces(events);
        for (int index = 0; index < events.Count; index++)
        {
            Add(index);
            _rowOfEvent.Add(_rows.Count - 1);
        }

        FoldRepeats();
    }

    public IReadOnlyList<TimelineRow> Rows => _rows;

    /// <summary>Gets the row that tells of an event.</summary>
    public IReadOnlyList<int> RowOfEvent => _rowOfEvent;

    private void Add(int index)
    {
        TraceEvent happened = _events[index];
        AddCall(happened);
        IReadOnlyList<CoreView> before = index == 0 ? [] : _events[index - 1].Cores;
        string effect = _words.Effect(happened, before, LastOnCpu(index));
        (string code, string place, TimelineSource source) = Executed(happened);
        if (
            happened.Kind == TraceEventKind.AtomicStore
            && _rows.Count > 0
            && _rows[^1] is { } last
            && last.Step == happened.Step
            && last.Code == code
            && last.Place == place
        )
        {
            _rows[^1] = last with
            {
                Effect = $"{last.Effect} and {effect}",
                IsDetail = last.IsDetail && IsDetail(happened),
            };
            return;
        }

        int lane = happened.Cpu >= 0 ? happened.Cpu : NextCpuOf(happened.Task, index);
        _rows.Add(
            new TimelineRow
            {
                Step = happened.Step,
                Lane = lane,
                Task =
                    happened.Kind != TraceEventKind.Wait && happened.Cores.Count > lane
                        ? happened.Cores[lane].Task
                        : happened.Task,
                Source = source,
                Code = code,
                Place = place,
                Effect = effect,
                IsDetail = IsDetail(happened),
                Mark = happened.Kind switch
                {
                    TraceEventKind.Serialize or TraceEventKind.ReturnSerializing => TimelineMark.Serialized,
                    TraceEventKind.TakeInterrupt when _words.EntrySerializes => TimelineMark.Serialized,
                    TraceEventKind.FetchStale or TraceEventKind.FetchUnpredictable or TraceEventKind.TranslateStale =>
                        TimelineMark.Stale,
                    _ => TimelineMark.None,
                },
                After = [.. happened.Cores.Select(Lane)],
            }
        );
    }

    private TimelineLane Lane(CoreView core) =>
        new(
            core.Task,
            [
                .. core.Waiting.Select(store =>
                    store.Answers >= 0
                        ? $"answer to CPU {store.Answers}"
                        : $"{_names.Place(store.Address)} = {_names.Value(store.Address, store.Width, store.Value)}"
                ),
            ],
            [
                .. core
                    .Code.Where(code => code.Values.Count > 1)
                    .Select(code => $"{_names.Place(code.Address)}: {string.Join(" or ", code.Values)}"),
            ]
        );

    private (string Code, string Place, TimelineSource Source) Executed(TraceEvent happened)
    {
        string place = "";
        if (happened.KernelLine > 0)
        {
            KernelSourceLine line = _verdict.Kernel!.SourceLines[happened.KernelLine];
            return (WithoutComment(line.Text), $"{Path.GetFileName(line.File)}:{line.Number}", TimelineSource.Kernel);
        }

        if (_words.Hardware(happened) is string name)
        {
            return (
                name,
                place,
                happened.Kind
                    is TraceEventKind.BeginSwitch
                        or TraceEventKind.Preempt
                        or TraceEventKind.Sleep
                        or TraceEventKind.Wake
                    ? TimelineSource.Scheduler
                    : TimelineSource.Core
            );
        }

        if (happened.Source < 0)
        {
            return ("", place, TimelineSource.Core);
        }

        ITestInstruction instruction = _verdict.Test.Threads[happened.Task].Instructions[happened.Source];
        string label = happened.Kind == TraceEventKind.Wait ? LabelOf(happened) : "";
        place = $"{Path.GetFileName(_verdict.Test.File)}:{instruction.Position.Line}";
        return (label + instruction.Text, place, TimelineSource.Test);
    }

    // A place that is named by itself is found by its label.
    private string LabelOf(TraceEvent happened)
    {
        string? label = _verdict
            .Test.Threads[happened.Task]
            .Labels.Where(label => label.Value == happened.Source)
            .Select(label => label.Key)
            .Order(StringComparer.Ordinal)
            .FirstOrDefault();
        return label is null ? "" : label + ": ";
    }

    // What a thread does again and again within a step stands once: a spin is as long as its loop.
    private void FoldRepeats()
    {
        var folded = new List<TimelineRow>();
        int[] places = new int[_rows.Count];
        for (int first = 0; first < _rows.Count; )
        {
            int end = first;
            while (end < _rows.Count && (_rows[end].Step, _rows[end].Lane) == (_rows[first].Step, _rows[first].Lane))
            {
                end++;
            }

            while (first < end)
            {
                int period = PeriodAt(first, end);
                int last = first + period;
                while (period > 0 && last < end && IsSame(_rows[last], _rows[last - period]))
                {
                    last++;
                }

                int length = period == 0 ? 1 : period;
                for (int row = first; row < first + length; row++)
                {
                    places[row] = folded.Count;
                    folded.Add(_rows[row]);
                }

                for (int row = first + length; row < last; row++)
                {
                    places[row] = places[row - length];
                }

                if (period > 0)
                {
                    string again = Again(folded[^1], last == end, (last - first) / period - 1);
                    folded[^1] = folded[^1] with { Effect = $"{folded[^1].Effect}; again, {again}" };
                }

                first = period == 0 ? first + 1 : last;
            }
        }

        for (int index = 0; index < _rowOfEvent.Count; index++)
        {
            _rowOfEvent[index] = places[_rowOfEvent[index]];
        }

        _rows.Clear();
        _rows.AddRange(folded);
    }

    // How often what a row ends is repeated.
    private string Again(TimelineRow row, bool isLast, int more)
    {
        bool waits =
            isLast
            && _events.Any(happened =>
                happened is { Kind: TraceEventKind.Wait, Value: 1 }
                && (happened.Step, happened.Task) == (row.Step, row.Task)
            );
        return waits ? "forever"
            : more == 1 ? "once more"
            : $"{more} times more";
    }

    // How many rows come again directly behind themselves; 0 for none.
    private int PeriodAt(int first, int end)
    {
        for (int period = 1; first + (2 * period) <= end; period++)
        {
            if (Enumerable.Range(first, period).All(row => IsSame(_rows[row], _rows[row + period])))
            {
                return period;
            }
        }

        return 0;
    }

    private static bool IsSame(TimelineRow one, TimelineRow other) =>
        (one.Code, one.Place, one.Effect) == (other.Code, other.Place, other.Effect)
        && (one.Task, one.Mark, one.After.Count) == (other.Task, other.Mark, other.After.Count)
        && one.After.Zip(other.After)
            .All(lanes => lanes.First.Task == lanes.Second.Task && lanes.First.HoldsSame(lanes.Second));

    private static string WithoutComment(string line) =>
        line.IndexOf("//", StringComparison.Ordinal) is int comment and > 0 ? line[..comment].TrimEnd() : line;

    // Entering the kernel touches no memory, so it has no event; it comes before the first thing that the call
    // does.
    private void AddCall(TraceEvent happened)
    {
        if (
            happened is not { KernelLine: > 0, Source: >= 0, Task: >= 0 }
            || !_called.Add((happened.Task, happened.Source))
        )
        {
            return;
        }

        (string code, string place, TimelineSource source) = Executed(
            happened with
            {
                KernelLine = 0,
                Kind = TraceEventKind.Load,
            }
        );
        _rows.Add(
            new TimelineRow
            {
                Step = happened.Step,
                Lane = happened.Cpu,
                Task = happened.Task,
                Source = source,
                Code = code,
                Place = place,
                Effect = $"{_names.Task(happened.Task)} enters the kernel",
                After =
                    _rows.Count > 0
                        ? _rows[^1].After
                        : [.. happened.Cores.Select((_, cpu) => new TimelineLane(_names.FirstTask(cpu), [], []))],
            }
        );
    }

    // What its CPU did before; for what waits for answers, what was asked.
    private TraceEvent? LastOnCpu(int index)
    {
        bool waits = _events[index].Kind == TraceEventKind.AwaitIpi;
        for (int earlier = index - 1; earlier >= 0; earlier--)
        {
            TraceEventKind kind = _events[earlier].Kind;
            if (
                _events[earlier].Cpu == _events[index].Cpu
                && (
                    waits
                        ? kind == TraceEventKind.SendIpi
                        : kind is not (TraceEventKind.ReachMemory or TraceEventKind.AnswerArrives)
                )
            )
            {
                return _events[earlier];
            }
        }

        return null;
    }

    // A task that wakes is on no CPU: it stands in the lane where it resumes.
    private int NextCpuOf(int task, int index)
    {
        foreach (TraceEvent later in _events.Skip(index + 1))
        {
            if (
                later.Cpu >= 0
                && later.Task == task
                && later.Kind
                    is not (TraceEventKind.TakeInterrupt or TraceEventKind.EndInterrupt or TraceEventKind.AnswerArrives)
            )
            {
                return later.Cpu;
            }
        }

        return _verdict.Test.System.Threads[task].Cpu;
    }

    private bool IsDetail(TraceEvent happened) =>
        happened.Kind switch
        {
            TraceEventKind.Load
            or TraceEventKind.Store
            or TraceEventKind.AtomicLoad
            or TraceEventKind.AtomicStore
            or TraceEventKind.ReachMemory => _verdict.Layout.Describe(happened.Address) is null
                && !_shared.Contains(happened.Address),
            TraceEventKind.BeginReturn or TraceEventKind.MarkRestart => true,
            _ => false,
        };

    // Where one CPU stores and another loads or stores, in this trace.
    private static HashSet<ulong> SharedPlaces(IReadOnlyList<TraceEvent> events)
    {
        IEnumerable<IGrouping<ulong, TraceEvent>> places = events
            .Where(happened => happened.Width > 0)
            .GroupBy(happened => happened.Address);
        return
        [
            .. places
                .Where(place =>
                    place.Select(happened => happened.Cpu).Distinct().Count() > 1
                    && place.Any(happened => happened.Kind is TraceEventKind.Store or TraceEventKind.AtomicStore)
                )
                .Select(place => place.Key),
        ];
    }
}
