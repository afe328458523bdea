using System.Text;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>Writes a test in herd's AArch64 format, from its columns.</summary>
internal static class AArch64Text
{
    public static string Write(
        string name,
        IReadOnlyList<string> memory,
        IReadOnlyList<IReadOnlyList<string>> initialRegisters,
        IReadOnlyList<IReadOnlyList<string>> columns,
        IReadOnlyList<string> locations
    )
    {
        var text = new StringBuilder($"AArch64 {name}\n{{\n");
        text.Append(' ').AppendJoin(' ', memory.Select(item => item + ";")).Append('\n');
        for (int thread = 0; thread < columns.Count; thread++)
        {
            text.Append(' ').AppendJoin(' ', initialRegisters[thread].Select(item => $"{thread}:{item};")).Append('\n');
        }

        text.Append("}\n");
        text.AppendJoin(" | ", columns.Select((_, thread) => $"P{thread}")).Append(" ;\n");
        for (int row = 0; row < columns.Max(column => column.Count); row++)
        {
            text.AppendJoin(" | ", columns.Select(column => row < column.Count ? column[row] : "")).Append(" ;\n");
        }

        return text.Append("locations [")
            .AppendJoin(' ', locations.Select(location => location + ";"))
            .Append("]\nforall true\n")
            .ToString();
    }
}
