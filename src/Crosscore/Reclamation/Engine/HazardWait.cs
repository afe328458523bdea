namespace Crosscore.Reclamation;

/// <summary>How a domain or a cohort ends: nothing of it is left unreclaimed.</summary>
internal static class HazardWait
{
    /// <summary>Closes a list and reclaims until it is empty, waiting for readers.</summary>
    /// <exception cref="InvalidOperationException">The calling thread would wait for itself. The list was not closed.</exception>
    public static void UntilReclaimed(HazardGarbageList list, Action close)
    {
        if (list.Count > 0)
        {
            ThrowIfHeldByCaller(list);
        }

        close();
        List<Exception>? failures = null;
        var wait = new SpinWait();
        while (list.Count > 0)
        {
            try
            {
                list.Scan(onlyIfDue: false);
            }
            catch (AggregateException failed)
            {
                (failures ??= []).AddRange(failed.InnerExceptions);
            }

            if (list.Count > 0)
            {
                // A reader says nothing when it lets go, so that it need not look whether anybody waits.
                wait.SpinOnce();
            }
        }

        if (failures is not null)
        {
            throw new AggregateException("Callbacks of retired objects threw. Each object was given to its callback once; all were reclaimed.", failures);
        }
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
