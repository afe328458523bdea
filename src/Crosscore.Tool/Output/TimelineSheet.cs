using System.Globalization;
using Crosscore.Litmus.Timelines;
using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>A timeline in a file or pipe: a row for each step.</summary>
internal static class TimelineSheet
{
    public static Sheet Of(Timeline timeline)
    {
        bool onKernel = timeline.Verdict.Kernel is not null;
        Sheet sheet = new Sheet().AddColumns(
            onKernel
                ? ["step", "where", "task", "code", "place", "effect", "afterwards"]
                : ["step", "thread", "code", "effect"]
        );
        foreach (TimelinePiece piece in TimelinePiece.Of(timeline))
        {
            TimelineRow row = piece.Row;
            string step = row.Step.ToString(CultureInfo.InvariantCulture);
            string[] cells =
                !onKernel ? [step, timeline.Lanes[row.Lane], row.Code, row.Effect]
                : piece.Folded > 0
                    ?
                    [
                        step,
                        timeline.Lanes[row.Lane],
                        "",
                        "",
                        string.Join(' ', piece.FoldedPlaces(timeline)),
                        $"{Wording.Counted(piece.Folded, "step")} of bookkeeping",
                        "",
                    ]
                :
                [
                    step,
                    timeline.Lanes[row.Lane],
                    timeline.NameOf(row.Task),
                    row.Code,
                    Place(row),
                    row.Effect,
                    Afterwards(timeline, piece.Index),
                ];
            sheet.AddRow(cells.Select(Markup.Escape));
        }

        return sheet;
    }

    /// <summary>Gets where a row stands; for a test, whose file is named above, the line alone.</summary>
    public static string Place(TimelineRow row) =>
        row.Source == TimelineSource.Test && row.Place.Length > 0
            ? $"line {row.Place[(row.Place.LastIndexOf(':') + 1)..]}"
            : row.Place;

    /// <summary>Gets what a row changed in what a lane holds. What is not said again still holds.</summary>
    public static IEnumerable<(string Text, string Color)> Changes(Timeline timeline, int index, int lane)
    {
        TimelineLane after = timeline.Rows[index].After[lane];
        TimelineLane? before = index == 0 ? null : timeline.Rows[index - 1].After[lane];
        if (!after.Waiting.SequenceEqual(before?.Waiting ?? []))
        {
            yield return after.Waiting.Count == 0
                ? ("buffer: empty", "blue")
                : ($"buffer: {string.Join("; ", after.Waiting)}", "blue");
        }

        if (!after.OldCode.SequenceEqual(before?.OldCode ?? []))
        {
            yield return after.OldCode.Count == 0
                ? ("holds no old code", "green")
                : ($"may still execute {string.Join("; ", after.OldCode)}", "red");
        }
    }

    private static string Afterwards(Timeline timeline, int index) =>
        string.Join(
            "; ",
            timeline
                .Lanes.Index()
                .SelectMany(lane => Changes(timeline, index, lane.Index).Select(change => $"{lane.Item} {change.Text}"))
        );
}

/// <summary>A row, or neighboring rows of bookkeeping of which it is the first.</summary>
/// <param name="Row">The row.</param>
/// <param name="Index">Its index in the timeline.</param>
/// <param name="Folded">How many rows of bookkeeping it stands for; 0 if it stands for itself.</param>
internal sealed record TimelinePiece(TimelineRow Row, int Index, int Folded)
{
    public static IEnumerable<TimelinePiece> Of(Timeline timeline)
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

            yield return new TimelinePiece(row, index, end - index);
            index = Math.Max(end, index + 1);
        }
    }

    /// <summary>Gets the files and lines of the folded rows: <c>linux-6.8.kernel:12,14</c>.</summary>
    public IEnumerable<string> FoldedPlaces(Timeline timeline) =>
        timeline
            .Rows.Skip(Index)
            .Take(Folded)
            .Where(folded => folded.Place.Length > 0)
            .GroupBy(folded => folded.Place[..folded.Place.LastIndexOf(':')])
            .Select(file =>
            {
                IEnumerable<string> lines = file.Select(folded => folded.Place[(file.Key.Length + 1)..]);
                return $"{file.Key}:{string.Join(',', lines.Distinct())}";
            });
}
