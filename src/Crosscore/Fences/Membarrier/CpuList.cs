using System.Globalization;

namespace Crosscore;

/// <summary>
/// Parses a set of CPUs as the kernel prints it: numbers and ranges with commas, for example <c>0-3,8,10-11</c>; an
/// empty set is an empty text, or <c>(null)</c>. Source: Documentation/admin-guide/cputopology.rst.
/// </summary>
internal static class CpuList
{
    /// <exception cref="FormatException">The text is not such a list.</exception>
    public static bool Contains(ReadOnlySpan<char> list, int cpu)
    {
        bool found = false;
        Visit(list, (first, last) => found |= first <= cpu && cpu <= last);
        return found;
    }

    /// <summary>
    /// Gets the largest number of the set; -1 for an empty set. Numbers may have gaps, so this is not the count less
    /// one.
    /// </summary>
    /// <exception cref="FormatException">The text is not such a list.</exception>
    public static int Last(ReadOnlySpan<char> list)
    {
        int largest = -1;
        Visit(list, (_, last) => largest = Math.Max(largest, last));
        return largest;
    }

    private static void Visit(ReadOnlySpan<char> list, Action<int, int> range)
    {
        foreach (Range part in list.Split(','))
        {
            ReadOnlySpan<char> text = list[part].Trim();
            if (text.IsEmpty || text is "(null)")
            {
                continue;
            }

            int dash = text.IndexOf('-');
            int first = Number(dash < 0 ? text : text[..dash]);
            range(first, dash < 0 ? first : Number(text[(dash + 1)..]));
        }
    }

    private static int Number(ReadOnlySpan<char> text) =>
        int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
