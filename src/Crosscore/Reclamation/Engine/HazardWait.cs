namespace Crosscore.Reclamation;

/// <summary>How a domain or a cohort ends: nothing of it is left unreclaimed.</summary>
internal static class HazardWait
{
    /// <summary>Closes a list and reclaims until it is empty, waiting for readers; goes on with that if the list has been closed before. <see cref="Thread.Interrupt"/> does not break it off.</summary>
    /// <exception cref="InvalidOperationException">The calling thread would wait for itself. The list was not closed.</exception>
    /// <exception cref="AggregateException">Callbacks threw, and the list is empty; or a scan failed, and it is closed, but not empty.</exception>
    public static void UntilReclaimed(HazardGarbageList list, Action close)
    {
        if (list.Count > 0)
        {
            ThrowIfHeldByCaller(list);
        }

        close();
        List<Exception>? failures = null;
        using var patience = new Patience();
        while (list.Count > 0 && list.TryScan(onlyIfDue: false, ref failures))
        {
            if (list.Count > 0)
            {
                // A reader says nothing when it lets go, so that it need not look whether anybody waits.
                patience.Pause();
            }
        }

        HazardFailures.Throw(failures);
    }

    private static void ThrowIfHeldByCaller(HazardGarbageList list)
    {
        if (HazardReclaiming.IsRunning(list))
        {
            throw new InvalidOperationException("A callback cannot wait for its own list of retired objects to be reclaimed, because it is one of them.");
        }

        if (list.IsHeldByCaller())
        {
            throw new InvalidOperationException("A hazard pointer of this thread protects one of the retired objects, so waiting for them would never end. Dispose of the pointer first.");
        }
    }
}

/// <summary>What scans and callbacks threw, as the one exception that those get who retire, reclaim or close.</summary>
internal static class HazardFailures
{
    public static void Throw(List<Exception>? failures)
    {
        if (failures is not null)
        {
            throw new AggregateException(
                "Callbacks of retired objects threw, or the process-wide barrier failed. Each object was given to its callback at most once and will not be again; what has not been given to it is retired and waits for the next scan.", failures);
        }
    }
}
