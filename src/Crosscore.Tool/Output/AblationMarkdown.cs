using Crosscore.Litmus.Bench;

namespace Crosscore.Tool.Output;

/// <summary>An ablation as a table of documentation; docs/barriers.md holds what it prints.</summary>
internal static class AblationMarkdown
{
    public static void Write(TextWriter output, AblationReport report)
    {
        output.WriteLine($"| without | kind | place | breaks, on {AblationTable.CoreName(report)} (steps) |");
        output.WriteLine("|---|---|---|---|");
        foreach (AblationRow row in report.Rows.Where(row => row.Breaks))
        {
            IEnumerable<string> broken = row
                .Cells.Index()
                .Where(entry => entry.Item.Effect is AblationEffect.Breaks or AblationEffect.NeverEnds)
                .Select(entry =>
                    $"{report.Tests[entry.Index].Name} "
                    + $"({(entry.Item.Effect == AblationEffect.Breaks ? $"{entry.Item.Steps}" : "hangs")})"
                );
            output.WriteLine(
                $"| {string.Join(" + ", row.Labels.Select(label => $"`{label.Name}`"))} | "
                    + $"{AblationTable.Kind(row)} | {AblationTable.Place(report, row)} | {string.Join(", ", broken)} |"
            );
        }

        output.WriteLine();
        output.WriteLine(
            $"Not shown necessary on this core by the {report.Tests.Count} applicable tests: "
                + $"{AblationTable.List(report, executed: true)}."
        );
        output.WriteLine();
        output.WriteLine($"Executed by none of them: {AblationTable.List(report, executed: false)}.");
    }
}
