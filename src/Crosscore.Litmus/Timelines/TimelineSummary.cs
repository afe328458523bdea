using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Timelines;

/// <summary>
/// Says in a sentence or two what a trace to an outcome turns on. Each clause is looked up in the events; where they do
/// not bear one out, it is not said.
/// </summary>
internal static class TimelineSummary
{
    public static string Of(ModelVerdict verdict, TimelineNames names, IReadOnlyList<TraceEvent> events)
    {
        int undefined = Find(events, happened => happened.Kind == TraceEventKind.FetchUnpredictable);
        if (undefined >= 0)
        {
            return $"{Who(verdict, names, events[undefined])} executed code that was being changed "
                + $"(step {events[undefined].Step}); of what follows nothing is promised.";
        }

        int stale = events.ToList().FindLastIndex(happened => happened.Kind == TraceEventKind.FetchStale);
        return stale >= 0 ? OldCode(verdict, names, events, stale) : OldData(verdict, names, events);
    }

    private static string OldCode(
        ModelVerdict verdict,
        TimelineNames names,
        IReadOnlyList<TraceEvent> events,
        int stale
    )
    {
        TraceEvent fetch = events[stale];
        string sentence =
            $"{Who(verdict, names, fetch)} executed the old code of {names.Place(fetch.Address)} (step {fetch.Step})";

        // The last call that had returned by then, of any task: it has left its kernel code, and its first event says
        // when it began.
        int returned = -1;
        for (int index = 0; index < stale; index++)
        {
            returned =
                events[index] is { Kind: TraceEventKind.LeaveSyscall, Source: >= 0 }
                && IsBarrier(verdict, events[index])
                    ? index
                    : returned;
        }

        if (returned < 0)
        {
            return sentence
                + "."
                + Unserialized(events, ReachedAt(events, stale), stale, fetch, "since the new code reached memory");
        }

        TraceEvent leave = events[returned];
        int began = Find(
            events,
            happened => happened.Task == leave.Task && happened.Source == leave.Source && happened.KernelLine > 0
        );
        string call = verdict.Test.Threads[leave.Task].Instructions[leave.Source].Text;
        return $"{sentence} after {call} of {names.Task(leave.Task)} "
            + $"had returned on CPU {leave.Cpu} (step {leave.Step})."
            + Unserialized(events, began, stale, fetch, "since that call began");
    }

    // What a store buffer is known by: a load that misses a store which is done but still waits.
    private static string OldData(ModelVerdict verdict, TimelineNames names, IReadOnlyList<TraceEvent> events)
    {
        var sentences = new List<string>();
        for (int index = 0; index < events.Count; index++)
        {
            TraceEvent load = events[index];
            if (
                load.Kind is not (TraceEventKind.Load or TraceEventKind.AtomicLoad)
                || verdict.Layout.Describe(load.Address) is null
            )
            {
                continue;
            }

            for (int cpu = 0; cpu < load.Cores.Count; cpu++)
            {
                WaitingStore? missed =
                    cpu == load.Cpu
                        ? null
                        : load.Cores[cpu]
                            .Waiting.Cast<WaitingStore?>()
                            .FirstOrDefault(store =>
                                store!.Value.Answers < 0
                                && store.Value.Address == load.Address
                                && store.Value.Value != load.Value
                            );
                if (missed is { } store)
                {
                    string owner = verdict.Kernel is null ? names.Task(cpu) : $"CPU {cpu}";
                    sentences.Add(
                        $"{Who(verdict, names, load)} read {names.Place(load.Address)} = "
                            + $"{names.Value(load.Address, load.Width, load.Value)} (step {load.Step})"
                            + $" while {names.Place(store.Address)} = "
                            + $"{names.Value(store.Address, store.Width, store.Value)} "
                            + $"waited in the store buffer of {owner}."
                    );
                }
            }
        }

        return string.Join(" ", sentences.Distinct().Take(2));
    }

    private static string Unserialized(
        IReadOnlyList<TraceEvent> events,
        int from,
        int to,
        TraceEvent fetch,
        string since
    )
    {
        bool entry =
            from >= 0
            && events
                .Skip(from)
                .Take(to - from)
                .Any(happened => happened.Kind == TraceEventKind.TakeInterrupt && happened.Cpu == fetch.Cpu);
        bool serialized =
            from < 0
            || events
                .Skip(from)
                .Take(to - from)
                .Any(happened =>
                    happened.Cpu == fetch.Cpu
                    && happened.Kind is TraceEventKind.Serialize or TraceEventKind.ReturnSerializing
                );

        // The entry of an interrupt may serialize without a separate event: then the old value is gone from what the
        // core may fetch.
        bool held = from >= 0 && events.Skip(from).Take(to - from).All(happened => MayFetch(happened, fetch));
        return serialized || !held ? ""
            : entry ? $" No step {since} serialized CPU {fetch.Cpu}, which took an interrupt in between."
            : $" No step {since} serialized CPU {fetch.Cpu}.";
    }

    private static bool MayFetch(TraceEvent happened, TraceEvent fetch) =>
        happened.Cores[fetch.Cpu].Code.Any(code => code.Address == fetch.Address && code.Values.Contains(fetch.Value));

    private static int ReachedAt(IReadOnlyList<TraceEvent> events, int stale) =>
        Find(
            events,
            happened =>
                happened.Address == events[stale].Address
                && happened.Kind is TraceEventKind.ReachMemory or TraceEventKind.AtomicStore
        );

    private static bool IsBarrier(ModelVerdict verdict, TraceEvent leave) =>
        verdict.Test.Threads[leave.Task].Instructions[leave.Source].Command is not null;

    private static string Who(ModelVerdict verdict, TimelineNames names, TraceEvent happened) =>
        verdict.Kernel is null ? names.Task(happened.Task) : $"{names.Task(happened.Task)} on CPU {happened.Cpu}";

    private static int Find(IReadOnlyList<TraceEvent> events, Func<TraceEvent, bool> wanted)
    {
        for (int index = 0; index < events.Count; index++)
        {
            if (wanted(events[index]))
            {
                return index;
            }
        }

        return -1;
    }
}
