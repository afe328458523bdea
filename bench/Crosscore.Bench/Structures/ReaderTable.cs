using System.Globalization;

namespace Crosscore.Bench.Structures;

/// <summary>A table of what readers pay: alone, above the bare read, and when two do it on two processors.</summary>
internal static class ReaderTable
{
    /// <param name="title">Of the table.</param>
    /// <param name="rows">The first is what the others are compared with.</param>
    public static void Print(string title, params (string Name, LoopTimer.Loop Loop)[] rows)
    {
        var table = new Table(title, "what", "ns", "above the first", "ratio", "two readers, ns each", "to one alone");
        (double[] alone, double[] both) = LoopTimer.AloneAndTogether([.. rows.Select(row => row.Loop)]);
        for (int row = 0; row < rows.Length; row++)
        {
            double together = both[row];
            bool known = !double.IsInfinity(together);
            table.Add(
                rows[row].Name,
                Nanoseconds(alone[row]),
                row == 0 ? "-" : Nanoseconds(alone[row] - alone[0]),
                Table.Ratio(alone[row], alone[0]),
                known ? Nanoseconds(together) : "-",
                known ? Table.Ratio(together, alone[row]) : "-"
            );
        }

        table.Print();
    }

    private static string Nanoseconds(double time) => time.ToString("0.00", CultureInfo.InvariantCulture);
}
