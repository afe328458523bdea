using System.Globalization;

namespace Crosscore.Litmus.Timelines;

/// <summary>
/// The lanes: a grid with a row for each row of the timeline. Where there is no room for columns it becomes a list.
/// </summary>
internal static partial class TimelinePage
{
    private const int FirstGridRow = 2;
    private const int TaskColors = 6;

    private static void WriteLanes(Markup page, Timeline timeline)
    {
        page.Text("h2", "", "A shortest trace");
        WriteLegend(page, timeline);
        int details = timeline.Rows.Count(row => row.IsDetail);
        page.Open("div", ("class", "fold"));
        if (details > 0)
        {
            page.Open("label");
            page.Void("input", ("type", "checkbox"));
            page.Text($" show the kernel's bookkeeping too ({details} rows)");
            page.Close();
        }

        page.Close();
        int lanes = timeline.Lanes.Count;
        string columns = string.Join(" 1.7rem ", Enumerable.Repeat("minmax(0, 1fr)", lanes));
        page.Open("div", ("class", "timeline"), ("style", $"grid-template-columns: 2.2rem {columns}"));
        page.Open("div", ("class", "head step"), ("style", Place(1, 1)));
        page.Text("step");
        page.Close();
        for (int lane = 0; lane < lanes; lane++)
        {
            page.Open("div", ("class", "head"), ("style", Place(1, Column(lane))));
            page.Text(timeline.Lanes[lane] + " ");
            if (timeline.Verdict.Kernel is not null)
            {
                page.Text("small", "", $"begins with {timeline.NameOf(timeline.FirstTaskOf(lane))}");
            }

            page.Close();
        }

        int lastStep = -1;
        for (int index = 0; index < timeline.Rows.Count; index++)
        {
            TimelineRow row = timeline.Rows[index];
            string detail = row.IsDetail ? " detail" : "";
            page.Open("div", ("class", $"step{detail}"), ("style", Place(index + FirstGridRow, 1)));
            if (!row.IsDetail && row.Step != lastStep)
            {
                page.Text(row.Step.ToString(CultureInfo.InvariantCulture));
                lastStep = row.Step;
            }

            page.Close();
            for (int lane = 0; lane < lanes; lane++)
            {
                WriteCell(page, timeline, index, lane);
            }
        }

        foreach (TimelineArrow arrow in timeline.Arrows)
        {
            WriteArrow(page, arrow);
        }

        page.Close();
    }

    private static void WriteLegend(Markup page, Timeline timeline)
    {
        page.Open("div", ("class", "legend"));
        if (timeline.Verdict.Kernel is not null)
        {
            for (int task = 0; task < timeline.Tasks; task++)
            {
                bool thread = task < timeline.Verdict.Test.Threads.Count;
                page.Open("span");
                page.Open("span", ("class", thread ? $"key t{task % TaskColors}" : "key"));
                page.End();
                page.Text($"{timeline.NameOf(task)} is the current task");
                page.Close();
            }
        }

        page.Text("span", "chip buffer", "store buffer: waits to reach memory");
        if (timeline.Rows.Any(row => row.After.Any(lane => lane.OldCode.Count > 0)))
        {
            page.Text("span", "chip old", "code of which this core may still execute an old version");
        }

        if (timeline.Arrows.Count > 0)
        {
            page.Open("span");
            page.Open("svg", ("viewBox", "0 0 32 12"), ("role", "img"));
            page.Text("title", "", "an arrow between two lanes");
            page.Void("path", ("d", "M0 6H24"), ("stroke", "currentColor"), ("stroke-width", "2"));
            page.Void("path", ("d", "M22 1L32 6L22 11Z"), ("fill", "currentColor"));
            page.End();
            page.Text(
                timeline.Arrows.Any(arrow => arrow.Kind == TimelineArrowKind.Migration)
                    ? "an interrupt; dotted: its answer; colored: a task moves"
                    : "an interrupt; dotted: its answer"
            );
            page.Close();
        }

        page.Close();
    }

    private static void WriteCell(Markup page, Timeline timeline, int index, int lane)
    {
        TimelineRow row = timeline.Rows[index];
        TimelineLane after = row.After[lane];
        TimelineLane? before = index == 0 ? null : timeline.Rows[index - 1].After[lane];
        bool here = row.Lane == lane;
        bool changed = !after.HoldsSame(before ?? new TimelineLane(0, [], []));
        string color = after.Task < timeline.Verdict.Test.Threads.Count ? $" t{after.Task % TaskColors}" : "";
        page.Open(
            "div",
            (
                "class",
                $"cell l{lane}{color}{(after.OldCode.Count > 0 ? " stale" : "")}"
                    + $"{(here || changed ? "" : " empty")}{(row.IsDetail ? " detail" : "")}"
            ),
            ("style", Place(index + FirstGridRow, Column(lane)))
        );
        if (here)
        {
            WriteEvent(page, timeline, index);
        }

        if ((here && after.Waiting.Count + after.OldCode.Count > 0) || changed)
        {
            WriteHoldings(page, timeline.Lanes[lane], before, after);
        }

        page.Close();
    }

    private static void WriteEvent(Markup page, Timeline timeline, int index)
    {
        TimelineRow row = timeline.Rows[index];
        string mark = row.Mark switch
        {
            TimelineMark.Stale => " bad",
            TimelineMark.Serialized => " good",
            _ => row.IsDetail ? " quiet" : "",
        };
        page.Open("div", ("class", $"event {row.Source.ToString().ToLowerInvariant()}{mark}"));
        bool thread = row.Task < timeline.Verdict.Test.Threads.Count;
        string name = timeline.NameOf(row.Task);
        page.Text("span", "where", timeline.Lanes[row.Lane]);
        if (row.Source == TimelineSource.Test && timeline.Verdict.Kernel is not null)
        {
            page.Text("span", thread ? $"who n{row.Task % TaskColors}" : "who", name);
        }

        page.Text("span", "code", row.Code);
        if (row.Place.Length > 0)
        {
            page.Text(
                "span",
                "place",
                row.Source == TimelineSource.Test ? $"line {row.Place[(row.Place.LastIndexOf(':') + 1)..]}" : row.Place
            );
        }

        page.Text("span", "effect", row.Effect);
        foreach (TimelineArrow arrow in timeline.Arrows)
        {
            if (arrow.FromRow == index)
            {
                page.Text("span", "link", $"→ {timeline.Lanes[arrow.ToLane]}, step {timeline.Rows[arrow.ToRow].Step}");
            }
            else if (arrow.ToRow == index)
            {
                page.Text(
                    "span",
                    "link",
                    $"← {timeline.Lanes[arrow.FromLane]}, step {timeline.Rows[arrow.FromRow].Step}"
                );
            }
        }

        page.Close();
    }

    private static void WriteHoldings(Markup page, string lane, TimelineLane? before, TimelineLane after)
    {
        page.Open("div", ("class", "holds"));
        bool bufferChanged = !after.Waiting.SequenceEqual(before?.Waiting ?? []);
        bool codeChanged = !after.OldCode.SequenceEqual(before?.OldCode ?? []);
        if (after.Waiting.Count > 0 || bufferChanged)
        {
            Chip(
                after.Waiting.Count == 0 ? "none"
                    : bufferChanged ? "buffer"
                    : "buffer kept",
                $"store buffer: {(after.Waiting.Count == 0 ? "empty" : string.Join("; ", after.Waiting))}"
            );
        }

        if (after.OldCode.Count > 0 || codeChanged)
        {
            Chip(
                after.OldCode.Count == 0 ? "none"
                    : codeChanged ? "old"
                    : "old kept",
                after.OldCode.Count == 0 ? "holds no old code" : $"may execute {string.Join("; ", after.OldCode)}"
            );
        }

        page.Close();

        void Chip(string style, string text)
        {
            page.Open("span", ("class", $"chip {style}"));
            page.Text("span", "where", lane + " ");
            page.Text(text);
            page.End();
        }
    }

    private static void WriteArrow(Markup page, TimelineArrow arrow)
    {
        bool right = arrow.FromLane < arrow.ToLane;
        string kind = arrow.Kind.ToString().ToLowerInvariant();
        int gap = right ? Column(arrow.ToLane) - 1 : Column(arrow.ToLane) + 1;
        int start = right ? Column(arrow.FromLane) + 1 : gap + 1;
        int end = right ? gap : Column(arrow.FromLane);
        int from = arrow.FromRow + FirstGridRow;
        int to = arrow.ToRow + FirstGridRow;
        if (start < end)
        {
            Void("out", $"grid-row: {from}; grid-column: {start} / {end}");
        }

        // In the gap itself only the part up to where the line turns down.
        Void("out", $"grid-row: {from}; grid-column: {gap}; {(right ? "margin-right: 65%" : "margin-left: 65%")}");
        page.Open(
            "div",
            ("class", $"down {kind} {(right ? "right" : "left")}"),
            ("style", from == to ? Place(from, gap) + "; height: 0" : $"grid-row: {from} / {to}; grid-column: {gap}"),
            ("aria-hidden", "true")
        );
        page.Text("i", "", "");
        page.Text("b", "", "");
        page.Open("svg", ("viewBox", "0 0 9 10"));
        page.Void("path", ("d", right ? "M0 0L9 5L0 10Z" : "M9 0L0 5L9 10Z"));
        page.End();
        page.Close();

        void Void(string style, string place)
        {
            page.Open("div", ("class", $"{style} {kind}"), ("style", place), ("aria-hidden", "true"));
            page.Close();
        }
    }

    private static int Column(int lane) => 2 + (2 * lane);

    private static string Place(int row, int column) => $"grid-row: {row}; grid-column: {column}";
}
