using System.Globalization;
using Crosscore.Litmus.Timelines;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Crosscore.Tool.Output;

/// <summary>
/// A timeline on the terminal: a column for each lane where the window is wide enough for them, otherwise one below the
/// other. Nothing depends on colour.
/// </summary>
internal static class TimelineTable
{
    // Below this a lane wraps so often that nobody follows it.
    private const int LeastLaneWidth = 44;

    public static void Write(IAnsiConsole console, Timeline timeline, string outcome)
    {
        console.MarkupLine($"  shortest trace to [cyan]{Markup.Escape(outcome)}[/]");
        if (timeline.Summary.Length > 0 && timeline.Verdict.Kernel is not null)
        {
            console.Write(Terminal.Prose(timeline.Summary));
        }

        bool plain = timeline.Verdict.Kernel is null;
        bool lanes = plain || console.Profile.Width >= 8 + (timeline.Lanes.Count * LeastLaneWidth);
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

        foreach (Piece piece in Pieces(timeline))
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
        foreach (Piece piece in Pieces(timeline))
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

    private static List<string> Lines(Timeline timeline, Piece piece, bool plain)
    {
        TimelineRow row = piece.Row;
        string code = Markup.Escape(row.Code);
        string effect = Markup.Escape(row.Effect);
        if (piece.Folded > 0)
        {
            IEnumerable<string> places = timeline
                .Rows.Skip(piece.Index)
                .Take(piece.Folded)
                .Where(folded => folded.Place.Length > 0)
                .GroupBy(folded => folded.Place[..folded.Place.LastIndexOf(':')])
                .Select(file =>
                    $"{file.Key}:{string.Join(',', file.Select(folded => folded.Place[(file.Key.Length + 1)..]).Distinct())}"
                );
            return
            [
                $"[dim]… {Wording.Counted(piece.Folded, "step")} of "
                    + $"bookkeeping  {Markup.Escape(string.Join("  ", places))}[/]",
            ];
        }

        if (plain)
        {
            return [code.Length == 0 ? $"[yellow]{effect}[/]" : $"[bold]{code}[/]  [dim]{effect}[/]"];
        }

        string who = Markup.Escape(timeline.NameOf(row.Task));
        string colour = row.Mark switch
        {
            TimelineMark.Stale => "red",
            TimelineMark.Serialized => "green",
            _ => row.Source == TimelineSource.Test ? "default"
            : row.Source == TimelineSource.Kernel ? "grey"
            : "yellow",
        };
        var lines = new List<string>();
        // The test is named above; its file would fill the lane.
        string place =
            row.Source == TimelineSource.Test ? $"line {row.Place[(row.Place.LastIndexOf(':') + 1)..]}" : row.Place;
        string arrow = Arrow(timeline, piece.Index, row);
        lines.Add(
            code.Length == 0
                ? $"[yellow]{effect}{arrow}[/]"
                : $"{(row.Source is TimelineSource.Test ? who + "  " : "")}[bold]{code}[/]{(place.Length > 0 ? $"  [dim]{Markup.Escape(place)}[/]" : "")}"
        );
        if (code.Length > 0)
        {
            lines.Add($"  [{colour}]{effect}{arrow}[/]");
        }

        return lines;
    }

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

    // Only what the row changed: what is not said again still holds.
    private static IEnumerable<string> Holdings(Timeline timeline, int index, int lane)
    {
        TimelineLane after = timeline.Rows[index].After[lane];
        TimelineLane? before = index == 0 ? null : timeline.Rows[index - 1].After[lane];
        IReadOnlyList<string> waited = before?.Waiting ?? [];
        IReadOnlyList<string> old = before?.OldCode ?? [];
        if (!after.Waiting.SequenceEqual(waited))
        {
            yield return after.Waiting.Count == 0
                ? "  [blue]buffer: empty[/]"
                : $"  [blue]buffer: {Markup.Escape(string.Join("; ", after.Waiting))}[/]";
        }

        if (!after.OldCode.SequenceEqual(old))
        {
            yield return after.OldCode.Count == 0
                ? "  [green]holds no old code[/]"
                : $"  [red]may still execute {Markup.Escape(string.Join("; ", after.OldCode))}[/]";
        }
    }

    private static IEnumerable<Piece> Pieces(Timeline timeline)
    {
        for (int index = 0; index < timeline.Rows.Count; )
        {
            TimelineRow row = timeline.Rows[index];
            int end = index;
            while (
                timeline.Verdict.Kernel is not null
                && end < timeline.Rows.Count
                && timeline.Rows[end].IsDetail
                && timeline.Rows[end].Lane == row.Lane
            )
            {
                end++;
            }

            yield return new Piece(row, index, end - index);
            index = Math.Max(end, index + 1);
        }
    }

    /// <summary>A row, or neighbouring rows of bookkeeping of which it is the first.</summary>
    private sealed record Piece(TimelineRow Row, int Index, int Folded);
}
