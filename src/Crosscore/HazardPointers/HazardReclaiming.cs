namespace Crosscore.HazardPointers;

/// <summary>
/// Notes that the calling thread is running callbacks of a list, maybe inside of a callback of another list, and which
/// lists became due there. Those are scanned when the outermost callback has returned: a scan inside of a callback
/// would turn a long chain of objects that retire each other into a deep recursion.
/// </summary>
internal sealed class HazardReclaiming(HazardGarbageList list)
{
    // Callbacks that retire without end must not occupy their thread forever. What is due then is scanned by the next
    // call that retires or reclaims.
    private const int MaxScans = 1000;

    // The list whose callbacks this thread is running; null outside of callbacks.
    [ThreadStatic]
    private static HazardReclaiming? t_innermost;

    // The lists that became due inside of callbacks, with whether a scan was asked for, so that it is made also if it
    // is not due by then.
    [ThreadStatic]
    private static Dictionary<HazardGarbageList, bool>? t_due;

    // Whether this thread is scanning them, so that the scans do not nest.
    [ThreadStatic]
    private static bool t_isScanning;

    private HazardReclaiming? _outer; // the list in whose callback this one began

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

    /// <summary>Has a list scanned later that became due inside of a callback of this thread.</summary>
    /// <param name="list">The list.</param>
    /// <param name="asked">Whether to scan it also if it is not due any more by then.</param>
    public static void ScanLater(HazardGarbageList list, bool asked = false)
    {
        try
        {
            Dictionary<HazardGarbageList, bool> due = t_due ??= [];
            due[list] = asked || due.GetValueOrDefault(list);
        }
        catch (OutOfMemoryException)
        {
            // The list stays due: the next retirement into it scans it.
        }
    }

    /// <summary>Scans what became due inside of callbacks, unless the thread is still inside of one.</summary>
    /// <param name="outer">The list whose callbacks ran. What callbacks of another list throw is kept for the calls of
    /// that list.</param>
    /// <param name="failures">What callbacks of the outer list throw.</param>
    /// <param name="forLater">Whether that is kept, too.</param>
    public static void ScanDue(HazardGarbageList outer, ref HazardFailures failures, bool forLater)
    {
        if (t_innermost is not null || t_isScanning || t_due is not { Count: > 0 } due)
        {
            return;
        }

        t_isScanning = true;
        try
        {
            for (int scans = 0; scans < MaxScans && due.Count > 0; scans++)
            {
                (HazardGarbageList next, bool asked) = due.First();
                _ = due.Remove(next);
                HazardFailures ofAnother = default; // a barrier that was refused; the next scan of that list retries
                _ =
                    next == outer
                        ? next.TryScan(onlyIfDue: !asked, ref failures, forLater)
                        : next.TryScan(onlyIfDue: !asked, ref ofAnother, forLater: true);
            }
        }
        finally
        {
            due.Clear();
            t_isScanning = false;
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
