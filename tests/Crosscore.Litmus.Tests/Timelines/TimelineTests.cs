using Crosscore.Litmus.Timelines;

namespace Crosscore.Litmus.Tests.Timelines;

/// <summary>Rows, lanes and arrows, and that what they say is what was done.</summary>
public class TimelineTests
{
    public static TheoryData<string, string> OnKernels =>
        new()
        {
            { "StaleCode.InterruptReturnSchedules", "linux-5.10-rc" },
            { "StaleCode.CallerReplaced", "linux-5.10-rc" },
            { "LiveCode.WidePatch", "linux-6.8" },
            { "GlobalBarrier.KernelThreadBorrows", "linux-5.4" },
            { "Restart.HandlerWithoutBarrier", "specification" },
        };

    [Fact]
    public void Without_a_kernel_each_thread_has_a_lane()
    {
        Timeline timeline = SampleTimelines.StoreBuffering;
        Assert.Equal(["P0", "P1"], timeline.Lanes);
        Assert.Empty(timeline.Arrows);
        Assert.Equal(6, timeline.Rows.Count);
        Assert.All(timeline.Rows, row => Assert.Equal(row.Lane, row.Task));
        Assert.Equal(2, timeline.Rows.Count(row => row.Effect.EndsWith("reaches memory", StringComparison.Ordinal)));
        Assert.Equal(["movl $1,(x)", "movl $1,(y)"], timeline.Rows.Take(2).Select(row => row.Code).Order());
    }

    [Fact]
    public void Store_buffering_is_explained_by_what_waited() =>
        Assert.Matches(
            @"^P(\d) read [xy] = 0 \(step \d\) while [xy] = 1 waited in the store buffer of P\d\.",
            SampleTimelines.StoreBuffering.Summary
        );

    [Fact]
    public void The_buffer_holds_what_was_stored_until_it_reaches_memory()
    {
        foreach (Timeline timeline in (Timeline[])[SampleTimelines.StoreBuffering, SampleTimelines.Race])
        {
            var waiting = timeline.Lanes.Select(_ => new List<string>()).ToArray();
            foreach (TimelineRow row in timeline.Rows)
            {
                string effect = row.Effect;
                if (
                    !effect.StartsWith("nothing", StringComparison.Ordinal)
                    && effect.EndsWith(" waits in the store buffer", StringComparison.Ordinal)
                )
                {
                    string store = effect[..^" waits in the store buffer".Length];
                    waiting[row.Lane]
                        .Add(
                            store.StartsWith("the answer to ", StringComparison.Ordinal)
                                ? store["the ".Length..]
                                : store.Replace(":=", "=", StringComparison.Ordinal)
                        );
                }
                else if (effect.EndsWith(" reaches memory", StringComparison.Ordinal))
                {
                    Assert.Equal(effect[..^" reaches memory".Length], waiting[row.Lane][0]);
                    waiting[row.Lane].RemoveAt(0);
                }
                else if (effect.StartsWith("the answer reaches ", StringComparison.Ordinal))
                {
                    Assert.StartsWith("answer to ", waiting[row.Lane][0], StringComparison.Ordinal);
                    waiting[row.Lane].RemoveAt(0);
                }

                Assert.All(
                    timeline.Lanes.Select((_, lane) => lane),
                    lane => Assert.Equal(waiting[lane], row.After[lane].Waiting)
                );
            }
        }
    }

    [Fact]
    public void The_race_is_told_from_the_call_to_the_old_code()
    {
        Timeline timeline = SampleTimelines.Race;
        Assert.Equal(["CPU 0", "CPU 1"], timeline.Lanes);
        string[] codes = [.. timeline.Rows.Select(row => row.Code)];
        int call = Array.IndexOf(codes, "membarrier private_expedited_sync_core");
        int taken = Array.IndexOf(codes, "interrupt from CPU 0");
        int switched = Array.IndexOf(codes, "switch_to(next);");
        int executed = Array.IndexOf(codes, "call f");
        Assert.True(0 <= call && call < taken && taken < switched && switched < executed);

        // Behind it comes at most what memory does by itself: a store that waited.
        Assert.All(codes[(executed + 1)..], code => Assert.Equal("", code));
        Assert.Equal(
            (TimelineMark.Stale, 1, "P2"),
            (timeline.Rows[executed].Mark, timeline.Rows[executed].Lane, timeline.NameOf(timeline.Rows[executed].Task))
        );
        Assert.Equal(["f: 1 or 2"], timeline.Rows[executed].After[1].OldCode);

        // The sibling leaves the kernel by SYSRET; the IRET never comes.
        Assert.Contains(timeline.Rows, row => row is { Code: "SYSRET", Lane: 1 });
        Assert.DoesNotContain("IRET", codes);
        Assert.DoesNotContain(timeline.Rows, row => row.Mark == TimelineMark.Serialized && row.Lane == 1);
        Assert.Equal(
            $"P2 on CPU 1 executed the old code of f (step {timeline.Rows[executed].Step}) "
                + "after membarrier private_expedited_sync_core of P0 had returned on CPU 0 "
                + $"(step {timeline.Rows.First(row => row is { Code: "SYSRET", Lane: 0 }).Step}). No "
                + "step since that call began serialized CPU 1, which took an interrupt in between.",
            timeline.Summary
        );
    }

    [Fact]
    public void An_interrupt_has_an_arrow_to_its_target_and_one_back()
    {
        Timeline timeline = SampleTimelines.Race;
        Assert.Equal(
            [TimelineArrowKind.Interrupt, TimelineArrowKind.Answer],
            timeline.Arrows.Select(arrow => arrow.Kind)
        );
        TimelineArrow sent = timeline.Arrows[0];
        TimelineArrow answered = timeline.Arrows[1];
        Assert.Equal((0, 1, 1, 0), (sent.FromLane, sent.ToLane, answered.FromLane, answered.ToLane));
        Assert.True(sent.ToRow < answered.FromRow);
        Assert.Equal("interrupts CPU 1", timeline.Rows[sent.FromRow].Effect);
        Assert.Equal("all interrupted CPUs have answered", timeline.Rows[answered.ToRow].Effect);
    }

    [Theory]
    [MemberData(nameof(OnKernels))]
    public void Arrows_begin_and_end_in_their_lanes_and_go_forward(string test, string design)
    {
        Timeline timeline = SampleTimelines.OnKernel(test, design);
        Assert.All(
            timeline.Arrows,
            arrow =>
            {
                Assert.True(arrow.FromRow <= arrow.ToRow);
                Assert.NotEqual(arrow.FromLane, arrow.ToLane);
                Assert.Equal(arrow.ToLane, timeline.Rows[arrow.ToRow].Lane);
            }
        );
        int taken = timeline.Rows.Count(row => row.Code.StartsWith("interrupt from", StringComparison.Ordinal));
        Assert.Equal(taken, timeline.Arrows.Count(arrow => arrow.Kind == TimelineArrowKind.Interrupt));
        Assert.Equal(taken, timeline.Arrows.Count(arrow => arrow.Kind == TimelineArrowKind.Answer));
    }

    [Theory]
    [MemberData(nameof(OnKernels))]
    public void What_the_test_or_the_design_wrote_names_its_line(string test, string design)
    {
        Timeline timeline = SampleTimelines.OnKernel(test, design);
        foreach (TimelineRow row in timeline.Rows)
        {
            bool written = row.Source is TimelineSource.Test or TimelineSource.Kernel;
            Assert.Equal(written, row.Place.Length > 0);
            Assert.Equal(timeline.Lanes.Count, row.After.Count);
            if (written)
            {
                string folder =
                    row.Source == TimelineSource.Kernel
                        ? Kernel.DesignText.Folder
                        : Path.GetDirectoryName(timeline.Verdict.Test.File)!;
                string[] place = row.Place.Split(':');
                Assert.Contains(
                    row.Code,
                    Folded(File.ReadAllLines(Path.Combine(folder, place[0]))[int.Parse(place[1]) - 1]),
                    StringComparison.Ordinal
                );
            }
        }
    }

    [Fact]
    public void A_task_that_moves_has_an_arrow_from_where_it_was()
    {
        Timeline timeline = SampleTimelines.OnKernel("StoreBuffering.AfterMigration", "linux-5.10");
        TimelineArrow[] moves = [.. timeline.Arrows.Where(arrow => arrow.Kind == TimelineArrowKind.Migration)];
        Assert.NotEmpty(moves);
        foreach (TimelineArrow move in moves)
        {
            int task = timeline.Rows[move.ToRow].Task;
            Assert.Contains(timeline.NameOf(task), (string[])["P0", "P1"]);
            Assert.Equal(task, timeline.Rows[move.FromRow - 1].After[move.FromLane].Task);
            Assert.NotEqual(task, timeline.Rows[move.FromRow].After[move.FromLane].Task);
        }
    }

    private static string Folded(string line) =>
        string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}
