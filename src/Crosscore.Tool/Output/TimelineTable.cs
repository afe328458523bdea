using System.Globalization;
using Crosscore.Litmus.Timelines;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Crosscore.Tool.Output;

/// <summary>
/// A timeline on the terminal: a column for each lane if the window is wide enough, otherwise one below the other. In a
/// file or pipe: a line for each step. Nothing depends on color.
/// </summary>
internal static class TimelineTable
{
    // Below this a lane wraps so often that it cannot be followed.
    private const int MinLaneWidth = 44;

    public static void Write(ReportOutput output, Timeline timeline)
    {
        string title = $"shortest trace to [cyan]{Markup.Escape(timeline.Target)}[/]";
        output.Line(output.Terminal is null ? title : "  " + title);
        if (timeline.Summary.Length > 0 && timeline.Verdict.Kernel is not null)
        {
            output.Prose("summary", timeline.Summary);
        }

        if (output.Terminal is not IAnsiConsole console)
        {
            output.Write(TimelineSheet.Of(timeline));
            return;
        }

        bool plain = timeline.Verdict.Kernel is null;
        bool lanes = plain || console.Profile.Width >= 8 + (timeline.Lanes.Count * MinLaneWidth);
        console.Write(new Padder(lanes ? InLanes(timeline, plain) : InOneColumn(timeline), new Padding(1, 0, 0, 0)));
    }

    private static Table InLanes(Timeline timeline, bool plain)
    {
        Table table = NewTable();
        for (int lane = 0; lane < timeline.Lanes.Count; lane++)
        {
            string first = plain ? "" : $"  [dim]{Markup.Escape(timeline.NameOf(timeline.FirstTaskOf(lane)))}[/]";
            table.AddColumn(timeline.Lanes[lane] + first);
        }

        foreach (TimelinePiece piece in TimelinePiece.Of(timeline))
        {
            IRenderable[] cells = [.. Enumerable.Repeat(Text.Empty, timeline.Lanes.Count + 1)];
            cells[0] = Step(piece.Row.Step);
            for (int lane = 0; lane < timeline.Lanes.Count; lane++)
            {
                List<string> lines = piece.Row.Lane == lane ? Lines(timeline, piece, plain) : [];
                if (!plain && piece.Folded == 0)
                {
                    lines.AddRange(Holdings(timeline, piece.Index, lane));
                }

                if (lines.Count > 0)
                {
                    cells[lane + 1] = new Markup(string.Join('\n', lines));
                }
            }

            table.AddRow(cells);
        }

        return table;
    }

    private static Table InOneColumn(Timeline timeline)
    {
        Table table = NewTable().AddColumns("where", "what");
        foreach (TimelinePiece piece in TimelinePiece.Of(timeline))
        {
            List<string> lines = Lines(timeline, piece, plain: false);
            for (int lane = 0; lane < timeline.Lanes.Count && piece.Folded == 0; lane++)
            {
                string where = lane == piece.Row.Lane ? "" : $"{timeline.Lanes[lane]} ";
                lines.AddRange(Holdings(timeline, piece.Index, lane).Select(line => where + line));
            }

            table.AddRow(
                Step(piece.Row.Step),
                new Text(timeline.Lanes[piece.Row.Lane]),
                new Markup(string.Join('\n', lines))
            );
        }

        return table;
    }

    private static Table NewTable() =>
        new Table().Border(TableBorder.Simple).AddColumn(new TableColumn("step").RightAligned().NoWrap());

    private static Text Step(int step) => new(step.ToString(CultureInfo.InvariantCulture));

    private static List<string> Lines(Timeline timeline, TimelinePiece piece, bool plain)
    {
        TimelineRow row = piece.Row;
        string code = Markup.Escape(row.Code);
        string effect = Markup.Escape(row.Effect);
        if (piece.Folded > 0)
        {
            return
            [
                $"[dim]… {Wording.Counted(piece.Folded, "step")} of "
                    + $"bookkeeping  {Markup.Escape(string.Join("  ", piece.FoldedPlaces(timeline)))}[/]",
            ];
        }

        if (plain)
        {
            return [code.Length == 0 ? $"[yellow]{effect}[/]" : $"[bold]{code}[/]  [dim]{effect}[/]"];
        }

        string who = Markup.Escape(timeline.NameOf(row.Task));
        string color = row.Mark switch
        {
            TimelineMark.Stale => "red",
            TimelineMark.Serialized => "green",
            _ => row.Source == TimelineSource.Test ? "default"
            : row.Source == TimelineSource.Kernel ? "grey"
            : "yellow",
        };
        var lines = new List<string>();
        string place = TimelineSheet.Place(row);
        string arrow = Arrow(timeline, piece.Index, row);
        lines.Add(
            code.Length == 0
                ? $"[yellow]{effect}{arrow}[/]"
                : $"{(row.Source is TimelineSource.Test ? who + "  " : "")}[bold]{code}[/]"
                    + (place.Length > 0 ? $"  [dim]{Markup.Escape(place)}[/]" : "")
        );
        if (code.Length > 0)
        {
            lines.Add($"  [{color}]{effect}{arrow}[/]");
        }

        return lines;
    }

    private static IEnumerable<string> Holdings(Timeline timeline, int index, int lane) =>
        TimelineSheet
            .Changes(timeline, index, lane)
            .Select(change => $"  [{change.Color}]{Markup.Escape(change.Text)}[/]");

    private static string Arrow(Timeline timeline, int index, TimelineRow row)
    {
        IEnumerable<string> ends = timeline
            .Arrows.Where(arrow => arrow.FromRow == index && arrow.FromLane == row.Lane)
            .Select(arrow => arrow.FromLane < arrow.ToLane ? "──▶" : "◀──")
            .Distinct();
        string sent = string.Concat(ends.Select(end => " " + end));
        return sent
            + (
                timeline.Arrows.Any(arrow =>
                    arrow.ToRow == index && arrow.ToLane == row.Lane && arrow.Kind != TimelineArrowKind.Answer
                )
                    ? " ●"
                    : ""
            );
    }
}
