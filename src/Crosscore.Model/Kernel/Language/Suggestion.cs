namespace Crosscore.Model.Kernel.Language;

/// <summary>Finds the name that was probably meant, for messages about one that does not exist.</summary>
internal static class Suggestion
{
    /// <summary>"; did you mean 'x'?", or nothing when no known name is near.</summary>
    public static string For(string name, IEnumerable<string> known)
    {
        string? nearest = null;
        // A third of the letters may differ: enough for a slip, too little for another word.
        int best = Math.Max(1, name.Length / 3) + 1;
        foreach (string candidate in known.Order(StringComparer.Ordinal))
        {
            int distance = Distance(name, candidate);
            if (distance < best)
            {
                best = distance;
                nearest = candidate;
            }
        }

        return nearest is null ? "" : $"; did you mean '{nearest}'?";
    }

    // Levenshtein: the fewest letters to insert, drop or replace.
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
