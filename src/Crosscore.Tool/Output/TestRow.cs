using Crosscore.Litmus.Bench;
using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>One test in one line, written as soon as its report is known.</summary>
internal static class TestRow
{
    private static readonly string[] Titles =
    [
        "test",
        "model",
        "allowed",
        "designs",
        "seen",
        "trials",
        "witnesses",
        "verdict",
    ];

    public static void Write(ReportOutput output, TestReport report)
    {
        if (output is PlainOutput plain)
        {
            plain.WriteRow(Titles, Fields(output, report));
        }
        else
        {
            output.Line(Line(report));
        }
    }

    private static string[] Fields(ReportOutput output, TestReport report) =>
        [
            Markup.Escape(report.Test.Name),
            report.Model is null ? "" : Markup.Escape(Wording.Frequency(report.Model)),
            report.Model is null ? "" : output.Number(report.Model.Allowed.Count),
            Markup.Escape(string.Join(", ", Designs(report))),
            report.Run is null ? "" : output.Number(SeenOutcomes(report)),
            report.Run is null ? "" : output.Number(report.Run.RelevantTrials),
            report.Run is null ? "" : output.Number(report.WitnessesSeen),
            Markup.Escape(Wording.Verdict(report)),
        ];

    private static string Line(TestReport report)
    {
        string name = report.Test.Name.PadRight(34);
        string model =
            report.Designs.Count > 0 ? string.Join("  ", Designs(report)) + "  "
            : report.Model is null ? ""
            : $"{Wording.Frequency(report.Model), -10} {report.Model.Allowed.Count, 3} allowed  ";
        string run = report.Run is null
            ? ""
            : $"{SeenOutcomes(report), 3} seen in {Wording.Number(report.Run.RelevantTrials), 9} trials  "
                + $"{Wording.Number(report.WitnessesSeen), 9} witnesses  ";
        return $"{Markup.Escape($"{name} {model}{run}")}"
            + $"[{FolderTable.Color(report.Verdict)}]{Markup.Escape(Wording.Verdict(report))}[/]";
    }

    private static IEnumerable<string> Designs(TestReport report) =>
        report
            .Designs.GroupBy(design => design.Verdict is null ? "lacking" : Wording.Frequency(design.Verdict))
            .Select(group => $"{group.Key} on {group.Count()}");

    private static int SeenOutcomes(TestReport report) => report.Outcomes.Count(outcome => outcome.Seen > 0);
}
