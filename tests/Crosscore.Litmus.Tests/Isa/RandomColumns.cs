namespace Crosscore.Litmus.Tests.Isa;

/// <summary>What random tests of all instruction sets have in common: columns of lines.</summary>
internal static class RandomColumns
{
    /// <summary>Makes two long columns, or sometimes three short ones.</summary>
    /// <param name="three">Whether there are three.</param>
    /// <param name="column">Makes a column of at most the given number of instructions.</param>
    public static IReadOnlyList<IReadOnlyList<string>> Make(bool three, Func<int, List<string>> column) =>
        [.. Enumerable.Range(0, three ? 3 : 2).Select(_ => column(three ? 3 : 4))];

    /// <summary>
    /// Gets the columns with one line less, for each line that is no label: a jump keeps its target.
    /// </summary>
    /// <param name="columns">The columns.</param>
    public static IEnumerable<IReadOnlyList<IReadOnlyList<string>>> WithoutOneLine(
        IReadOnlyList<IReadOnlyList<string>> columns
    )
    {
        for (int column = 0; column < columns.Count; column++)
        {
            for (int line = 0; line < columns[column].Count; line++)
            {
                if (columns[column][line].EndsWith(':'))
                {
                    continue;
                }

                List<IReadOnlyList<string>> shorter = [.. columns];
                shorter[column] = [.. columns[column].Where((_, index) => index != line)];
                yield return shorter;
            }
        }
    }
}
