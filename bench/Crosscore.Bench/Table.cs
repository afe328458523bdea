using System.Globalization;
using System.Text;

namespace Crosscore.Bench;

/// <summary>A plain table: the first column flush left, the others flush right.</summary>
internal sealed class Table(string title, params string[] heads)
{
    private readonly List<string[]> _rows = [heads];

    public static string Number(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    public static string Milliseconds(TimeSpan time) =>
        time.TotalMilliseconds.ToString(time.TotalMilliseconds < 100 ? "N1" : "N0", CultureInfo.InvariantCulture);

    /// <summary>How many times as much; "-" where there is nothing to divide by.</summary>
    public static string Ratio(double value, double by) =>
        by > 0
            ? (value / by).ToString(
                value / by < 0.1 ? "0.0000"
                    : value / by < 10 ? "0.00"
                    : "#,##0",
                CultureInfo.InvariantCulture
            ) + " x"
            : "-";

    public void Add(params string[] cells) => _rows.Add(cells);

    public void Print()
    {
        int[] widths = [.. Enumerable.Range(0, heads.Length).Select(column => _rows.Max(row => row[column].Length))];
        Console.WriteLine();
        Console.WriteLine(title);
        for (int row = 0; row < _rows.Count; row++)
        {
            var line = new StringBuilder("  ");
            for (int column = 0; column < widths.Length; column++)
            {
                string cell = _rows[row][column];
                line.Append(column == 0 ? cell.PadRight(widths[column]) : "  " + cell.PadLeft(widths[column]));
            }

            Console.WriteLine(line.ToString().TrimEnd());
            if (row == 0)
            {
                Console.WriteLine("  " + new string('-', widths.Sum() + (2 * (widths.Length - 1))));
            }
        }
    }
}
