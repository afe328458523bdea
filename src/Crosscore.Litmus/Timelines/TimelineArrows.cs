using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Timelines;

/// <summary>Finds what goes from lane to lane: interrupts, their answers, tasks that move.</summary>
internal static class TimelineArrows
{
    public static IReadOnlyList<TimelineArrow> Of(IReadOnlyList<TraceEvent> events, IReadOnlyList<int> rowOfEvent) =>
        new Finder(events, rowOfEvent).Find();

    private sealed class Finder(IReadOnlyList<TraceEvent> events, IReadOnlyList<int> rowOfEvent)
    {
        private readonly List<TimelineArrow> _arrows = [];

        public List<TimelineArrow> Find()
        {
            for (int index = 0; index < events.Count; index++)
            {
                TraceEvent from = events[index];
                switch (from.Kind)
                {
                    case TraceEventKind.SendIpi:
                        ConnectInterrupts(index);
                        break;
                    case TraceEventKind.AnswerArrives:
                    case TraceEventKind.EndInterrupt when !AnswerWaits(from) && !ArrivesLater(events, index):
                        Connect(
                            TimelineArrowKind.Answer,
                            index,
                            from.Cpu,
                            from.Task,
                            later => later.Kind == TraceEventKind.AwaitIpi && later.Cpu == from.Task
                        );
                        break;
                    case TraceEventKind.SwitchTo when LastCpuOf(events, index) is int last && last != from.Cpu:
                        _arrows.Add(
                            new TimelineArrow(
                                TimelineArrowKind.Migration,
                                rowOfEvent[LeftAt(events, index, last)],
                                last,
                                rowOfEvent[index],
                                from.Cpu
                            )
                        );
                        break;
                }
            }

            return _arrows;
        }

        // A CPU sends no further interrupts before it has all answers, so the next one that is taken of it is this.
        private void ConnectInterrupts(int index)
        {
            TraceEvent from = events[index];
            foreach (int target in Enumerable.Range(0, from.Cores.Count).Where(cpu => (from.Value >> cpu & 1) != 0))
            {
                Connect(
                    TimelineArrowKind.Interrupt,
                    index,
                    from.Cpu,
                    target,
                    later => later.Kind == TraceEventKind.TakeInterrupt && later.Cpu == target && later.Task == from.Cpu
                );
            }
        }

        private void Connect(
            TimelineArrowKind kind,
            int index,
            int fromLane,
            int toLane,
            Func<TraceEvent, bool> arrives
        )
        {
            for (int later = index + 1; later < events.Count; later++)
            {
                if (arrives(events[later]))
                {
                    _arrows.Add(new TimelineArrow(kind, rowOfEvent[index], fromLane, rowOfEvent[later], toLane));
                    return;
                }
            }
        }
    }

    private static bool AnswerWaits(TraceEvent end) =>
        end.Cores[end.Cpu].Waiting.Any(store => store.Answers == end.Task);

    // With an empty buffer the answer may leave it within the same step.
    private static bool ArrivesLater(IReadOnlyList<TraceEvent> events, int end) =>
        events
            .Skip(end + 1)
            .TakeWhile(later => later.Kind != TraceEventKind.AwaitIpi || later.Cpu != events[end].Task)
            .Any(later =>
                later.Kind == TraceEventKind.AnswerArrives
                && later.Cpu == events[end].Cpu
                && later.Task == events[end].Task
            );

    private static int? LastCpuOf(IReadOnlyList<TraceEvent> events, int index)
    {
        for (int earlier = index - 1; earlier >= 0; earlier--)
        {
            for (int cpu = 0; cpu < events[earlier].Cores.Count; cpu++)
            {
                if (events[earlier].Cores[cpu].Task == events[index].Task)
                {
                    return cpu;
                }
            }
        }

        return null;
    }

    private static int LeftAt(IReadOnlyList<TraceEvent> events, int index, int cpu)
    {
        int left = index;
        while (left > 0 && events[left - 1].Cores[cpu].Task != events[index].Task)
        {
            left--;
        }

        return left;
    }
}
