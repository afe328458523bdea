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
/// An ablation for people: a matrix of labels against the tests that break, how to see each counterexample, and what
/// was not shown necessary.
/// </summary>
internal static class AblationTable
{
    public static void Write(IAnsiConsole console, AblationReport report, string again)
    {
        int[] broken = BrokenTests(report);
        console.MarkupLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"[bold]{Markup.Escape(report.Design.Name)}[/] on {CoreName(report)}: {report.Rows.Count} "
                    + $"removals, {report.Tests.Count} tests that can tell, {report.LeftOut.Count} that cannot"
            )
        );
        Table table = new Table().Border(TableBorder.Rounded).AddColumns("without", "kind", "place");
        for (int column = 0; column < broken.Length; column++)
        {
            table.AddColumn(new TableColumn((column + 1).ToString(CultureInfo.InvariantCulture)).RightAligned());
        }

        foreach (AblationRow row in report.Rows.Where(row => row.Breaks || row.IsBounded))
        {
            table.AddRow([
                Markup.Escape(row.Name),
                Kind(row),
                Markup.Escape(Place(report, row)),
                .. broken.Select(test => Cell(row.Cells[test])),
            ]);
        }

        console.Write(table);
        for (int column = 0; column < broken.Length; column++)
        {
            console.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"{column + 1} {report.Tests[broken[column]].Name}")
            );
        }

        console.MarkupLine(
            "A number: the outcome that was impossible can happen, in this many steps; -: it cannot; empty: "
                + "the test executes nothing of it; .: not asked, one of the two breaks it alone or is "
                + "not executed; [yellow]?[/]: not found within the bound; hangs: no execution ends."
        );
        console.WriteLine();
        foreach (AblationRow row in report.Rows.Where(row => row.Shortest >= 0))
        {
            console.MarkupLine($"[dim]{Markup.Escape(Command(report, row, again))}[/]");
        }

        console.WriteLine();
        console.MarkupLine(
            $"[bold]Not shown necessary by these tests on this core[/]: {Markup.Escape(List(report, executed: true))}"
        );
        console.MarkupLine($"[bold]Executed by none of these tests[/]: {Markup.Escape(List(report, executed: false))}");
        foreach (
            IGrouping<string, (LitmusTest Test, string Reason)> group in report.LeftOut.GroupBy(entry => entry.Reason)
        )
        {
            console.MarkupLine(
                $"[dim]{Markup.Escape($"{group.Key}: {string.Join(", ", group.Select(entry => entry.Test.Name))}")}[/]"
            );
        }
    }

    /// <summary>The shortest counterexample for each row that has one.</summary>
    public static void WriteTraces(IAnsiConsole console, AblationReport report, ExplorationOptions options)
    {
        foreach (AblationRow row in report.Rows.Where(row => row.Shortest >= 0))
        {
            LitmusTest test = report.Tests[row.Shortest];
            KernelDesign without = report.Design.With(removedLabels: row.Labels.Select(label => label.Name));
            ModelVerdict verdict = DesignReport.Of(test, without, report.Core, options).Verdict!;
            console.WriteLine();
            console.MarkupLine($"[bold]without {Markup.Escape(row.Name)}[/]: {Markup.Escape(test.Name)}");
            if (Timeline.OfWitness(verdict) is Timeline timeline)
            {
                TimelineTable.Write(console, timeline, timeline.Target);
            }
        }
    }

    /// <summary>The tests that break without something, by their index.</summary>
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
        string.Join(" + ", row.Labels.Select(label => label.Kind.ToString().ToLowerInvariant()).Distinct());

    public static string Place(AblationReport report, AblationRow row) =>
        string.Join(
            " + ",
            row.Labels.Select(label =>
            {
                KernelSourceLine line = report.Design.SourceLines[label.Line];
                return $"{Path.GetFileName(line.File)}:{line.Number}";
            })
        );

    /// <summary>The command that shows a row's shortest counterexample.</summary>
    public static string Command(AblationReport report, AblationRow row, string again) =>
        $"crosscore explore {report.Tests[row.Shortest].File} {again} "
        + $"{string.Join(' ', row.Labels.Select(label => $"--remove {label.Name}"))} --trace";

    /// <summary>The labels alone that break nothing, of those that some test executes or of the others.</summary>
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

    private static string Cell(AblationCell cell) =>
        cell.Effect switch
        {
            AblationEffect.NotExecuted => "",
            AblationEffect.NotAsked => "[dim].[/]",
            AblationEffect.Holds => "[dim]-[/]",
            AblationEffect.NotFound => "[yellow]?[/]",
            AblationEffect.NeverEnds => "[red]hangs[/]",
            _ => $"[red]{cell.Steps}[/]",
        };
}
