namespace Crosscore.Code;

/// <summary>
/// The tables that no thread reads, and those that were retired while a thread was in the handler, which may still be
/// reading them. Used under the lock of patches.
/// </summary>
internal static class BreakpointTables
{
    private static readonly List<BreakpointTable> Retired = [];
    private static readonly List<BreakpointTable> Free = [];

    /// <summary>Whether no retired table can still be read.</summary>
    public static bool AllAreFree => Retired.Count == 0;

    /// <summary>How many tables can be taken.</summary>
    internal static int FreeCount => Free.Count;

    public static BreakpointTable Take(int sites)
    {
        int index = Free.FindIndex(table => table.Capacity >= sites * 2);
        if (index < 0)
        {
            return new BreakpointTable(sites);
        }

        BreakpointTable found = Free[index];
        Free.RemoveAt(index);
        return found;
    }

    /// <summary>Takes a table that is no longer published.</summary>
    public static void Retire(BreakpointTable table) => Retired.Add(table);

    /// <summary>
    /// Frees the retired tables if no thread is in the handler now; otherwise they wait for the next call.
    /// </summary>
    public static void Collect()
    {
        if (Retired.Count > 0 && BreakpointControl.IsQuiet)
        {
            foreach (BreakpointTable table in Retired)
            {
                table.Clear();
                Free.Add(table);
            }

            Retired.Clear();
        }
    }
}
