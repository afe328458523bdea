using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Comparison;

/// <summary>One line of a timeline.</summary>
/// <param name="Step">The step of the exploration, from 1; 0 for what threads do for themselves before the first.</param>
/// <param name="Thread">The thread in whose lane it stands.</param>
/// <param name="Instruction">The instruction as the test has it; empty for what memory does by itself.</param>
/// <param name="Effect">What happened.</param>
public sealed record TimelineRow(int Step, int Thread, string Instruction, string Effect);

/// <summary>The way to an outcome in the words of the test.</summary>
public static class Timeline
{
    /// <summary>Tells a shortest way to an allowed outcome.</summary>
    /// <param name="verdict">The verdict that allows it.</param>
    /// <param name="outcome">The outcome.</param>
    public static IReadOnlyList<TimelineRow> Of(ModelVerdict verdict, Outcome outcome)
    {
        var rows = new List<TimelineRow>();
        foreach (TraceEvent happening in verdict.ShortestWayTo(outcome))
        {
            string instruction = happening.Source < 0 ? "" : verdict.Test.Threads[happening.Thread].Code[happening.Source].ToString();
            var row = new TimelineRow(happening.Step, happening.Thread, instruction, Effect(verdict, happening));

            // The load and the store of one indivisible step stand on one line.
            bool joins = happening.Kind == TraceEventKind.AtomicStore && rows.Count > 0 && rows[^1].Step == row.Step && rows[^1].Instruction == instruction;
            if (joins)
            {
                rows[^1] = rows[^1] with { Effect = $"{rows[^1].Effect} and {row.Effect}" };
            }
            else
            {
                rows.Add(row);
            }
        }

        return rows;
    }

    private static string Effect(ModelVerdict verdict, TraceEvent happening)
    {
        string place = happening.Width == 0 ? "" : verdict.Layout.Describe(happening.Address) ?? $"0x{happening.Address:x}";
        string value = happening.Width == 0 ? "" : verdict.Layout.Describe(happening.Value) ?? verdict.Layout.TypeAt(happening.Address, happening.Width).Format(happening.Value);
        bool buffered = verdict.Core == CoreKind.X86Tso;
        return happening.Kind switch
        {
            TraceEventKind.Load or TraceEventKind.AtomicLoad => $"reads {place} = {value}",
            TraceEventKind.Store => buffered ? $"{place} := {value} waits in the store buffer" : $"{place} := {value}",
            TraceEventKind.ReachMemory => $"{place} = {value} reaches memory",
            TraceEventKind.AtomicStore => $"writes {place} := {value} at once",
            TraceEventKind.Fence => "nothing waits in the store buffer",
            TraceEventKind.RequestFences => "demands a fence of every other thread",
            TraceEventKind.AwaitFences => "all of them have passed one",
            _ => throw new InvalidOperationException($"Crosscore bug: unknown event {happening.Kind}"),
        };
    }
}
