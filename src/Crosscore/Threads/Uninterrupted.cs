using System.Diagnostics;

namespace Crosscore.Threads;

/// <summary>
/// Locks and waits that <see cref="Thread.Interrupt"/> cannot break off, for a thread that owes other threads
/// something and must not lose it to an exception on the way. The interruption is given back to the thread afterwards:
/// its next wait throws it.
/// </summary>
internal ref struct Uninterrupted
{
    private bool _interrupted; // to be given back

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
            // The monitor has been entered again; the caller checks its condition and waits again.
            _interrupted = true;
        }
    }

    /// <summary>
    /// Sets an event. If a thread waits, the event takes a lock, after it counts as set and before that thread is
    /// woken; an interruption there would leave the thread asleep. Setting it again does no harm.
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

    /// <summary>Sleeps; an interruption ends the sleep early.</summary>
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

    /// <summary>Waits until a task has ended, in whatever way, or the time is over.</summary>
    /// <returns>Whether the task has ended.</returns>
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

    /// <summary>Notes an interruption that reached the caller in another way.</summary>
    public void Remember() => _interrupted = true;

    /// <summary>Gives an interruption back. Call it once, when the thread owes nothing any more.</summary>
    public readonly void Dispose()
    {
        if (_interrupted)
        {
            Thread.CurrentThread.Interrupt();
        }
    }
}
