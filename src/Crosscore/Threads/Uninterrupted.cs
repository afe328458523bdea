using System.Diagnostics;

namespace Crosscore.Threads;

/// <summary>
/// Locks and waits that <see cref="Thread.Interrupt"/> cannot break off. Whoever owes others a hand-over must not lose
/// it to an exception on the way; the interruption is given back to the thread afterwards, where its next wait of its
/// own meets it.
/// </summary>
internal ref struct Uninterrupted
{
    private bool _interrupted;

    public void Enter(Lock gate)
    {
        while (true)
        {
            try
            {
                gate.Enter();
                return;
            }
            catch (ThreadInterruptedException)
            {
                _interrupted = true;
            }
        }
    }

    public void Enter(object monitor)
    {
        while (true)
        {
            try
            {
                Monitor.Enter(monitor);
                return;
            }
            catch (ThreadInterruptedException)
            {
                _interrupted = true;
            }
        }
    }

    /// <summary>Waits for a pulse of a monitor that this thread has entered; may return without one.</summary>
    public void Wait(object monitor, int milliseconds = Timeout.Infinite)
    {
        try
        {
            _ = Monitor.Wait(monitor, milliseconds);
        }
        catch (ThreadInterruptedException)
        {
            // The monitor has been entered again; the caller looks at its condition and comes back.
            _interrupted = true;
        }
    }

    /// <summary>
    /// Sets an event. It takes a lock inside if anybody waits, after the event counts as set and before the one who
    /// waits is woken, so it must not be broken off there; setting it again does no harm.
    /// </summary>
    public void Set(ManualResetEventSlim happened)
    {
        while (true)
        {
            try
            {
                happened.Set();
                return;
            }
            catch (ThreadInterruptedException)
            {
                _interrupted = true;
            }
        }
    }

    /// <summary>Sleeps at most so long.</summary>
    public void Sleep(int milliseconds)
    {
        try
        {
            Thread.Sleep(milliseconds);
        }
        catch (ThreadInterruptedException)
        {
            _interrupted = true;
        }
    }

    /// <summary>Waits until a task is over, whatever its end, but at most so long.</summary>
    /// <returns>Whether it is over.</returns>
    public bool Wait(Task task, TimeSpan limit)
    {
        long began = Stopwatch.GetTimestamp();
        while (!task.IsCompleted)
        {
            TimeSpan left = limit == Timeout.InfiniteTimeSpan ? limit : limit - Stopwatch.GetElapsedTime(began);
            if (left < TimeSpan.Zero && left != Timeout.InfiniteTimeSpan)
            {
                return false;
            }

            try
            {
                _ = task.Wait(left);
            }
            catch (ThreadInterruptedException)
            {
                _interrupted = true;
            }
            catch (AggregateException) when (task.IsCompleted)
            {
                // The task's own failure or cancellation, which the caller takes from it.
            }
        }

        return true;
    }

    /// <summary>An interruption reached the caller in some other way, and is to be given back like these.</summary>
    public void Remember() => _interrupted = true;

    /// <summary>Gives an interruption back. Call it once, when nothing is owed any more.</summary>
    public readonly void Dispose()
    {
        if (_interrupted)
        {
            Thread.CurrentThread.Interrupt();
        }
    }
}
