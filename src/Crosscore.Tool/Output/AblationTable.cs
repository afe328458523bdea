using System.Globalization;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Timelines;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>
/// An ablation for people: a matrix of labels against the tests that break, the command that shows each
/// counterexample, and the labels that were not shown necessary.
/// </summary>
internal static class AblationTable
{
    public static void Write(ReportOutput output, AblationReport report, string again)
    {
        output.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"[bold]{Markup.Escape(report.Design.Name)}[/] on {CoreName(report)}: "
                    + $"{Wording.Counted(report.Rows.Count, "removal")}, "
                    + $"{Wording.Counted(report.Tests.Count, "applicable test")}, {report.LeftOut.Count} skipped"
            )
        );
        WriteMatrix(output, report);
        output.Break();
        WriteCommands(output, report, again);
        output.Break();
        output.Line(
            $"[bold]Not shown necessary by these tests on this core[/]: {Markup.Escape(List(report, executed: true))}"
        );
        output.Line($"[bold]Executed by none of these tests[/]: {Markup.Escape(List(report, executed: false))}");
        foreach (
            IGrouping<string, (LitmusTest Test, string Reason)> group in report.LeftOut.GroupBy(entry => entry.Reason)
        )
        {
            string tests = string.Join(", ", group.Select(entry => entry.Test.Name));
            output.Line($"[dim]{Markup.Escape($"Skipped, {group.Key}: {tests}")}[/]");
        }
    }

    /// <summary>Writes the shortest counterexample for each row that has one.</summary>
    public static void WriteTraces(ReportOutput output, AblationReport report, ExplorationOptions options)
    {
        foreach (AblationRow row in report.Rows.Where(row => row.Shortest >= 0))
        {
            LitmusTest test = report.Tests[row.Shortest];
            KernelDesign without = report.Design.With(removedLabels: row.Labels.Select(label => label.Name));
            ModelVerdict verdict = DesignReport.Of(test, without, report.Core, options).Verdict!;
            output.Break();
            output.Line($"[bold]without {Markup.Escape(row.Name)}[/]: {Markup.Escape(test.Name)}");
            if (Timeline.OfWitness(verdict) is Timeline timeline)
            {
                TimelineTable.Write(output, timeline);
            }
        }
    }

    /// <summary>Gets the tests that break without something, by their index.</summary>
    public static int[] BrokenTests(AblationReport report) =>
        [
            .. Enumerable
                .Range(0, report.Tests.Count)
                .Where(test =>
                    report.Rows.Any(row => row.Cells[test].Effect is AblationEffect.Breaks or AblationEffect.NeverEnds)
                ),
        ];

    public static string CoreName(AblationReport report) => CoreNames.Of(report.Core);

    public static string Kind(AblationRow row) =>
        string.Join(" + ", row.Labels.Select(label => Kind(label.Kind)).Distinct());

    /// <summary>Gets the word for a kind of label.</summary>
    public static string Kind(KernelLabelKind kind) =>
        kind switch
        {
            KernelLabelKind.Barrier => "barrier",
            KernelLabelKind.Restart => "restart",
            KernelLabelKind.Interrupt => "interrupt",
            _ => "serialization",
        };

    public static string Place(AblationReport report, AblationRow row) =>
        string.Join(
            " + ",
            row.Labels.Select(label =>
            {
                KernelSourceLine line = report.Design.SourceLines[label.Line];
                return $"{Path.GetFileName(line.File)}:{line.Number}";
            })
        );

    /// <summary>Gets the command that shows a row's shortest counterexample.</summary>
    public static string Command(AblationReport report, AblationRow row, string again) =>
        $"crosscore explore {report.Tests[row.Shortest].File} {again} "
        + $"{string.Join(' ', row.Labels.Select(label => $"--remove {label.Name}"))} --trace";

    /// <summary>Lists the labels that alone break nothing, of those that some test executes or of the others.</summary>
    public static string List(AblationReport report, bool executed)
    {
        string[] names =
        [
            .. report
                .Rows.Where(row => row.Labels.Count == 1 && !row.Breaks && row.IsExecuted == executed)
                .Select(row => row.Name + (row.IsBounded ? " (within the bound)" : "")),
        ];
        return names.Length == 0 ? "none" : string.Join(", ", names);
    }

    private static void WriteMatrix(ReportOutput output, AblationReport report)
    {
        int[] broken = BrokenTests(report);

        // A window is too narrow for the names.
        bool isNumbered = output.Terminal is not null;
        Sheet sheet = new Sheet(isFramed: true).AddColumns("without", "kind", "place");
        foreach ((int column, int test) in broken.Index())
        {
            sheet.AddColumn(
                isNumbered
                    ? (column + 1).ToString(CultureInfo.InvariantCulture)
                    : Markup.Escape(report.Tests[test].Name),
                Justify.Right
            );
        }

        foreach (AblationRow row in report.Rows.Where(row => row.Breaks || row.IsBounded))
        {
            sheet.AddRow([
                Markup.Escape(row.Name),
                Kind(row),
                Markup.Escape(Place(report, row)),
                .. broken.Select(test => Cell(row.Cells[test])),
            ]);
        }

        output.Write(sheet);
        if (isNumbered)
        {
            foreach ((int column, int test) in broken.Index())
            {
                output.Line(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{column + 1} {Markup.Escape(report.Tests[test].Name)}"
                    )
                );
            }

            output.Break();
        }

        output.Facts(
            ("number", "steps to the outcome that was impossible"),
            ("-", "the outcome stays impossible"),
            ("hangs", "no execution ends"),
            ("?", "not found within the bound"),
            (".", "the test executes nothing of what was removed"),
            ("s", "skipped: one label of the set alone breaks the test, or the test does not execute it")
        );
    }

    private static void WriteCommands(ReportOutput output, AblationReport report, string again)
    {
        IEnumerable<AblationRow> rows = report.Rows.Where(row => row.Shortest >= 0);
        if (output.Terminal is not null)
        {
            foreach (AblationRow row in rows)
            {
                output.Line($"[dim]{Markup.Escape(Command(report, row, again))}[/]");
            }

            return;
        }

        Sheet sheet = new Sheet().AddColumns("without", "command");
        foreach (AblationRow row in rows)
        {
            sheet.AddRow(Markup.Escape(row.Name), Markup.Escape(Command(report, row, again)));
        }

        output.Write(sheet);
    }

    private static string Cell(AblationCell cell) =>
        cell.Effect switch
        {
            AblationEffect.NotExecuted => "[dim].[/]",
            AblationEffect.NotAsked => "[dim]s[/]",
            AblationEffect.Holds => "[dim]-[/]",
            AblationEffect.NotFound => "[yellow]?[/]",
            AblationEffect.NeverEnds => "[red]hangs[/]",
            _ => $"[red]{cell.Steps}[/]",
        };
}
