namespace Crosscore.Threads;

/// <summary>A store of things that may wait, with an upper bound.</summary>
internal interface IBounded
{
    /// <summary>Whether the bound is reached. May be asked by any thread; the answer may be outdated.</summary>
    bool IsFull { get; }
}

/// <summary>
/// Where threads wait until a bounded store has space again, and where the thread that made space wakes them. A thread
/// that makes space while no thread waits pays one look.
/// </summary>
internal sealed class SpaceSignal
{
    private readonly object _monitor = new(); // pulsed when there is space

    // How many threads wait or are about to look. Without it every thread that makes space would enter the monitor.
    private int _waiting;

    /// <summary>
    /// Waits until there is space or the time is over. <see cref="Thread.Interrupt"/> does not break it off.
    /// </summary>
    /// <returns>Whether there is space.</returns>
    public bool Wait(IBounded store, Deadline deadline)
    {
        using var uninterrupted = new Uninterrupted();

        // A full fence between the count and the looks below. Pairs with Signal, whose caller passes a full fence
        // between making space and looking at the count: at least one of the two sees the other. The shape is that of
        // litmus/reclamation/HazardPointer.Notice.litmus.
        _ = Interlocked.Increment(ref _waiting);
        uninterrupted.Enter(_monitor);
        try
        {
            while (store.IsFull)
            {
                if (deadline.IsOver)
                {
                    return false;
                }

                uninterrupted.Wait(_monitor, deadline.MillisecondsLeft);
            }

            return true;
        }
        finally
        {
            Monitor.Exit(_monitor);
            _ = Interlocked.Decrement(ref _waiting);
        }
    }

    /// <summary>
    /// Wakes the threads that wait, if there is space. The caller has passed a full fence after what made it.
    /// </summary>
    public void Signal(IBounded store)
    {
        if (Volatile.Read(ref _waiting) != 0 && !store.IsFull)
        {
            using var uninterrupted = new Uninterrupted();
            uninterrupted.Enter(_monitor);
            Monitor.PulseAll(_monitor);
            Monitor.Exit(_monitor);
        }
    }
}
