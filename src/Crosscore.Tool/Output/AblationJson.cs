using System.Text.Json;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Tool.Output;

/// <summary>An ablation as one JSON document; docs/output.md describes its members.</summary>
internal static class AblationJson
{
    public static void Write(Stream output, AblationReport report, string again)
    {
        using (var json = new Utf8JsonWriter(output, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("design", report.Design.Name);
            json.WriteString("core", AblationTable.CoreName(report));
            json.WriteStartArray("tests");
            foreach (LitmusTest test in report.Tests)
            {
                json.WriteStringValue(test.Name);
            }

            json.WriteEndArray();
            json.WriteStartArray("leftOut");
            foreach ((LitmusTest test, string reason) in report.LeftOut)
            {
                json.WriteStartObject();
                json.WriteString("test", test.Name);
                json.WriteString("reason", reason);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("removals");
            foreach (AblationRow row in report.Rows)
            {
                Write(json, report, row, again);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        output.WriteByte((byte)'\n');
    }

    private static void Write(Utf8JsonWriter json, AblationReport report, AblationRow row, string again)
    {
        json.WriteStartObject();
        json.WriteStartArray("labels");
        foreach (string name in row.Labels.Select(label => label.Name))
        {
            json.WriteStringValue(name);
        }

        json.WriteEndArray();
        json.WriteString("kind", AblationTable.Kind(row));
        json.WriteString("place", AblationTable.Place(report, row));
        json.WriteBoolean("breaks", row.Breaks);
        json.WriteBoolean("executed", row.IsExecuted);
        json.WriteBoolean("complete", !row.IsBounded);
        json.WriteStartArray("broken");
        foreach (
            (int test, AblationCell cell) in row
                .Cells.Index()
                .Where(entry => entry.Item.Effect is AblationEffect.Breaks or AblationEffect.NeverEnds)
        )
        {
            json.WriteStartObject();
            json.WriteString("test", report.Tests[test].Name);
            json.WriteString("effect", JsonNamingPolicy.CamelCase.ConvertName(cell.Effect.ToString()));
            json.WriteNumber("steps", cell.Steps);
            json.WriteString("outcome", cell.Outcome);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (row.Shortest >= 0)
        {
            json.WriteString("command", AblationTable.Command(report, row, again));
        }

        json.WriteEndObject();
    }
}
