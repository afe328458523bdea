using System.Globalization;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Verdicts;
using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>Tests on kernel designs: one test against its designs, and all tests against all designs.</summary>
internal static class DesignTables
{
    // The design that says what the manual promises; others are measured by it.
    private const string Specification = "specification";

    // So many that a line of the legend is no wider than the table above it.
    private const int NamesInLine = 5;

    /// <summary>One test: a line for each design.</summary>
    public static Table Of(TestReport report)
    {
        Table table = new Table()
            .Border(TableBorder.Simple)
            .AddColumns("design", "verdict", "answer", "against the manual", "expected");
        bool compares = report.Designs.Any(design => design.Base is not null);
        if (compares)
        {
            table.AddColumn("against its base");
        }

        foreach (DesignReport design in report.Designs)
        {
            string verdict = design.Verdict is null
                ? $"[dim]{Markup.Escape(Wording.OfDesign(design))}[/]"
                : Markup.Escape(Wording.OfDesign(design));
            string expected =
                design.Expected is not { } wanted || design.Verdict is null ? ""
                : design.Disagrees ? $"[red]{wanted.Frequency}, NOT as expected[/] {Markup.Escape(wanted.Reason)}"
                : $"[green]as expected[/]  [dim]{Markup.Escape(wanted.Reason)}[/]";
            List<string> cells =
            [
                Markup.Escape(design.Design.Name),
                verdict,
                Answer(design),
                Grade(report, design),
                expected,
            ];
            if (compares)
            {
                cells.Add(
                    design.IsWorseThanBase
                        ? $"[red]{Markup.Escape(Wording.Change(design))}[/]"
                        : Markup.Escape(Wording.Change(design))
                );
            }

            table.AddRow([.. cells]);
        }

        return table;
    }

    /// <summary>All tests against all designs.</summary>
    public static void WriteMatrix(IAnsiConsole console, IReadOnlyList<TestReport> reports)
    {
        // The test that says something of most designs has them in the order of all.
        string[] names =
        [
            .. reports
                .OrderByDescending(report => report.Designs.Count)
                .SelectMany(report => report.Designs)
                .Select(design => design.Design.Name)
                .Distinct(),
        ];
        Table table = new Table().Border(TableBorder.Rounded).AddColumn("test");
        for (int index = 0; index < names.Length; index++)
        {
            table.AddColumn(new TableColumn((index + 1).ToString(CultureInfo.InvariantCulture)).Centered());
        }

        foreach (TestReport report in reports)
        {
            table.AddRow([
                Markup.Escape(report.Test.Name),
                .. names.Select(name =>
                    report.Designs.FirstOrDefault(design => design.Design.Name == name) is DesignReport design
                        ? Cell(report, design)
                        : ""
                ),
            ]);
        }

        console.Write(table);
        foreach (IEnumerable<string> line in names.Select((name, index) => $"{index + 1} {name}").Chunk(NamesInLine))
        {
            console.WriteLine(string.Join("  ", line));
        }

        console.MarkupLine(
            "N never, S sometimes, A always; [red]red[/]: allows what the manual forbids; hangs: no execution "
                + "ends; h: some execution may hang; -: the design lacks what the test needs; !: NOT as expected"
        );
    }

    private static string Answer(DesignReport design) =>
        design.Verdict is not ModelVerdict verdict ? ""
        : verdict.Answer is TestAnswer.Violated or TestAnswer.NeverEnds
            ? $"[red]{Markup.Escape(Wording.Answer(verdict))}[/]"
        : Markup.Escape(Wording.Answer(verdict));

    private static string Cell(TestReport report, DesignReport design)
    {
        if (design.Verdict is not ModelVerdict verdict)
        {
            return "[dim]-[/]";
        }

        string letter =
            verdict.Answer == TestAnswer.NeverEnds ? "hangs"
            : verdict.IsFinal ? $"{verdict.Frequency}"[..1]
            : "?";
        string mark = verdict is { MayHang: true, Answer: not TestAnswer.NeverEnds } ? "h" : "";
        mark += design.Disagrees ? "!" : "";
        return IsWrong(report, design) == true ? $"[red]{letter}{mark}[/]" : $"[green]{letter}{mark}[/]";
    }

    private static string Grade(TestReport report, DesignReport design) =>
        IsWrong(report, design) switch
        {
            true => "[red]allows what it forbids[/]",
            false => "[green]right[/]",
            null => "",
        };

    private static bool? IsWrong(TestReport report, DesignReport design) =>
        report.Designs.FirstOrDefault(candidate => candidate.Design.Name == Specification) is DesignReport specification
            ? design.Excess(specification) is { } excess
                ? excess.Count > 0
                : null
            : null;
}
