namespace Crosscore.HazardPointers;

/// <summary>
/// That the calling thread is running callbacks of a list, perhaps from inside of a callback of another one; and which
/// lists became due inside of them. Those are scanned when the outermost callbacks have returned: a scan
/// inside of a callback would make a long chain of objects that retire each other a deep recursion.
/// </summary>
internal sealed class HazardReclaiming(HazardGarbageList list)
{
    // Callbacks that retire without end must not keep their thread for ever. What is due then is scanned by the next
    // call that retires or reclaims.
    private const int MostScans = 1000;

    [ThreadStatic]
    private static HazardReclaiming? t_innermost;

    [ThreadStatic]
    private static Dictionary<HazardGarbageList, bool>? t_due; // with whether a scan was asked for, due or not

    [ThreadStatic]
    private static bool t_scanning;

    private HazardReclaiming? _outer;

    public static bool ByThisThread => t_innermost is not null;

    public static bool IsRunning(HazardGarbageList list)
    {
        for (HazardReclaiming? running = t_innermost; running is not null; running = running._outer)
        {
            if (running.IsOf(list))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>For a list that became due inside of a callback of this thread.</summary>
    /// <param name="list">The list.</param>
    /// <param name="asked">Scan it also if it is not due any more by then.</param>
    public static void ScanLater(HazardGarbageList list, bool asked = false)
    {
        try
        {
            Dictionary<HazardGarbageList, bool> due = t_due ??= [];
            due[list] = asked || due.GetValueOrDefault(list);
        }
        catch (OutOfMemoryException)
        {
            // The list stays due, and the next retirement into it finds that.
        }
    }

    /// <summary>Scans what became due inside of callbacks, unless the thread is still inside of one.</summary>
    /// <param name="outer">The list whose callbacks they were. What those of another list throw is kept for the calls
    /// of that one.</param>
    /// <param name="failures">What those of the outer list throw.</param>
    /// <param name="forLater">Whether that is kept, too.</param>
    public static void ScanDue(HazardGarbageList outer, ref HazardFailures failures, bool forLater)
    {
        if (t_innermost is not null || t_scanning || t_due is not { Count: > 0 } due)
        {
            return;
        }

        t_scanning = true;
        try
        {
            for (int scans = 0; scans < MostScans && due.Count > 0; scans++)
            {
                (HazardGarbageList next, bool asked) = due.First();
                _ = due.Remove(next);
                HazardFailures ofAnother = default; // a barrier that was refused; the next scan of that list asks again
                _ =
                    next == outer
                        ? next.TryScan(onlyIfDue: !asked, ref failures, forLater)
                        : next.TryScan(onlyIfDue: !asked, ref ofAnother, forLater: true);
            }
        }
        finally
        {
            due.Clear();
            t_scanning = false;
        }
    }

    public void Begin()
    {
        _outer = t_innermost;
        t_innermost = this;
    }

    public void End() => t_innermost = _outer;

    private bool IsOf(HazardGarbageList other) => list == other;
}
