using System.Globalization;

namespace Crosscore;

/// <summary>
/// A set of CPUs as the kernel prints it: numbers and ranges with commas, for example <c>0-3,8,10-11</c>; an empty set is an empty text, or
/// <c>(null)</c>. Source: Documentation/admin-guide/cputopology.rst.
/// </summary>
internal static class CpuList
{
    /// <exception cref="FormatException">The text is not such a list.</exception>
    public static bool Contains(ReadOnlySpan<char> list, int cpu)
    {
        bool found = false;
        foreach (Range part in list.Split(','))
        {
            ReadOnlySpan<char> range = list[part].Trim();
            if (range.IsEmpty || range is "(null)")
            {
                continue;
            }

            int dash = range.IndexOf('-');
            int first = Number(dash < 0 ? range : range[..dash]);
            int last = dash < 0 ? first : Number(range[(dash + 1)..]);
            found |= first <= cpu && cpu <= last;
        }

        return found;
    }

    private static int Number(ReadOnlySpan<char> text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
