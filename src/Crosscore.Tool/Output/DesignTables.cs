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

    // With this many, a line of the legend is no wider than the table above it.
    private const int NamesInLine = 5;

    /// <summary>One test: a line for each design.</summary>
    public static Sheet Of(TestReport report)
    {
        Sheet sheet = new Sheet().AddColumns("design", "verdict", "answer", "against the manual", "expected");
        bool compares = report.Designs.Any(design => design.Base is not null);
        if (compares)
        {
            sheet.AddColumn("against its base");
        }

        foreach (DesignReport design in report.Designs)
        {
            string verdict = Markup.Escape(Wording.OfDesign(design));
            List<string> cells =
            [
                Markup.Escape(design.Design.Name),
                design.Verdict is null ? $"[dim]{verdict}[/]" : verdict,
                Answer(design),
                Grade(report, design),
                Expected(design),
            ];
            if (compares)
            {
                string change = Markup.Escape(Wording.Change(design));
                cells.Add(design.IsWorseThanBase ? $"[red]{change}[/]" : change);
            }

            sheet.AddRow(cells);
        }

        return sheet;
    }

    /// <summary>All tests against all designs.</summary>
    public static void WriteMatrix(ReportOutput output, IReadOnlyList<TestReport> reports)
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

        // A window is too narrow for the names.
        bool isNumbered = output.Terminal is not null;
        Sheet sheet = new Sheet(isFramed: true).AddColumn("test");
        foreach ((int index, string name) in names.Index())
        {
            sheet.AddColumn(
                isNumbered ? (index + 1).ToString(CultureInfo.InvariantCulture) : Markup.Escape(name),
                Justify.Center
            );
        }

        foreach (TestReport report in reports)
        {
            sheet.AddRow([
                Markup.Escape(report.Test.Name),
                .. names.Select(name =>
                    report.Designs.FirstOrDefault(design => design.Design.Name == name) is DesignReport design
                        ? Cell(report, design, isNumbered)
                        : ""
                ),
            ]);
        }

        output.Write(sheet);
        if (isNumbered)
        {
            foreach (
                IEnumerable<string> line in names.Select((name, index) => $"{index + 1} {name}").Chunk(NamesInLine)
            )
            {
                output.Line(Markup.Escape(string.Join("  ", line)));
            }
        }

        output.Facts(
            ("N, S, A", "never, sometimes, always"),
            (isNumbered ? "red" : "*", "the design allows what the manual forbids"),
            ("hangs", "no execution ends"),
            ("h", "some execution may hang"),
            ("?", "a bound was hit"),
            ("-", "the design lacks what the test needs, or was not examined"),
            ("!", "NOT as expected")
        );
    }

    private static string Expected(DesignReport design) =>
        design.Expected is not { } wanted || design.Verdict is null ? ""
        : design.Disagrees ? $"[red]{wanted.Frequency}, NOT as expected[/] {Markup.Escape(wanted.Reason)}"
        : $"[green]as expected[/]  [dim]{Markup.Escape(wanted.Reason)}[/]";

    private static string Answer(DesignReport design) =>
        design.Verdict is not ModelVerdict verdict ? ""
        : verdict.Answer is TestAnswer.Violated or TestAnswer.NeverEnds
            ? $"[red]{Markup.Escape(Wording.Answer(verdict))}[/]"
        : Markup.Escape(Wording.Answer(verdict));

    private static string Cell(TestReport report, DesignReport design, bool hasColor)
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
        return IsWrong(report, design) != true ? $"[green]{letter}{mark}[/]"
            : hasColor ? $"[red]{letter}{mark}[/]"
            : $"{letter}{mark}*";
    }

    private static string Grade(TestReport report, DesignReport design) =>
        IsWrong(report, design) switch
        {
            true => "[red]allows what it forbids[/]",
            false => "[green]conforms[/]",
            null => "",
        };

    private static bool? IsWrong(TestReport report, DesignReport design) =>
        report.Designs.FirstOrDefault(candidate => candidate.Design.Name == Specification) is DesignReport specification
            ? design.Excess(specification) is { } excess
                ? excess.Count > 0
                : null
            : null;
}
