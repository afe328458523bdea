using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>Ends a domain or a cohort: everything retired into it is reclaimed.</summary>
internal static class HazardWait
{
    // Milliseconds; each look costs a barrier, which interrupts the threads that run.
    private const int MaxPause = 10;

    /// <summary>
    /// Closes a list and reclaims until it is empty, waiting for readers; resumes that if the list was closed before.
    /// <see cref="Thread.Interrupt"/> does not break it off.
    /// </summary>
    /// <returns>Whether the list is empty; otherwise the time is over.</returns>
    /// <exception cref="InvalidOperationException">The calling thread would wait for itself. The list was not
    /// closed.</exception>
    /// <exception cref="OperationCanceledException">The list was closed, unless the token had been canceled before the
    /// call.</exception>
    /// <exception cref="AggregateException">Callbacks threw, and the list is empty; or a scan failed, and it is closed,
    /// but not empty.</exception>
    public static bool UntilReclaimed(
        HazardGarbageList list,
        Action close,
        TimeSpan timeout,
        CancellationToken cancellation
    )
    {
        var deadline = new Deadline(timeout, cancellation);
        if (list.Count > 0)
        {
            ThrowIfHeldByCaller(list);
        }

        close();
        HazardFailures failures = default;
        int pause = 0;
        using (var uninterrupted = new Uninterrupted())
        {
            while (list.Count > 0 && list.TryScan(onlyIfDue: false, ref failures) && list.Count > 0)
            {
                if (cancellation.IsCancellationRequested || deadline.IsOver)
                {
                    list.Keep(failures);
                    cancellation.ThrowIfCancellationRequested();
                    return false;
                }

                // A reader does not report that it stops protecting, which would cost it a look at the threads that
                // wait.
                uninterrupted.Sleep((int)deadline.Slice(TimeSpan.FromMilliseconds(pause)).TotalMilliseconds);
                pause = Math.Min(pause + 1, MaxPause);
            }
        }

        list.AddKept(ref failures);
        failures.Throw();
        return true;
    }

    private static void ThrowIfHeldByCaller(HazardGarbageList list)
    {
        if (HazardReclaiming.IsRunning(list))
        {
            throw new InvalidOperationException(
                "A callback cannot dispose its own domain or cohort: it would wait for itself. "
                    + "Dispose on another thread."
            );
        }

        if (list.IsHeldByCaller())
        {
            throw new InvalidOperationException(
                "A hazard pointer of this thread protects one of the retired objects, so waiting for them would never "
                    + "end. Dispose of the pointer first."
            );
        }
    }
}
