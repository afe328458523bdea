using System.Diagnostics;

namespace Crosscore.Reclamation;

/// <summary>
/// What was retired in a domain, and the thread that reclaims it: it gathers a batch, waits for a grace period, calls the callbacks in the order of retiring, and goes when nothing has
/// come for a while. Callbacks run on this thread alone: never on one that retires, which may hold locks or be inside of a section (facebook/folly#2010), and never on a finaliser's.
/// </summary>
internal sealed class Reclaimer(RcuDomainOptions options, GracePeriods gracePeriods, Action<Exception> report)
{
    private const int Idle = 2_000;    // milliseconds without work after which the thread goes
    private const int RetryDelay = 50; // milliseconds after a barrier that was refused

    private readonly object _signal = new(); // guards _worker and _urgent
    private readonly object _room = new();   // pulsed when items have been reclaimed
    private Retired? _newest;                // a stack; the worker takes all of it and turns it round
    private Thread? _worker;
    private bool _urgent;
    private long _retired;
    private long _reclaimed;
    private long _pendingBytes;
    private long _overruns;
    private int _waitingForRoom;

    public long RetiredCount => Volatile.Read(ref _retired);

    public long ReclaimedCount => Volatile.Read(ref _reclaimed);

    public long PendingCount
    {
        get
        {
            // Two statements and a barrier: the JIT may exchange two volatile reads of one expression (dotnet/runtime#133524). In this order the difference is never negative.
            long reclaimed = ReclaimedCount;
            Volatile.ReadBarrier();
            return RetiredCount - reclaimed;
        }
    }

    public long PendingBytes => Volatile.Read(ref _pendingBytes);

    public long Overruns => Volatile.Read(ref _overruns);

    /// <summary>Whether the caller runs in a callback.</summary>
    public bool IsWorker => Volatile.Read(ref _worker) == Thread.CurrentThread;

    /// <summary>Once it is linked in, the item is the domain's: nothing is thrown, also where the thread cannot be started now. The next call tries that again.</summary>
    public void Enqueue(Retired item, bool mayWait)
    {
        long count = Interlocked.Increment(ref _retired) - Volatile.Read(ref _reclaimed);
        long bytes = Interlocked.Add(ref _pendingBytes, item.Bytes);
        bool batchIsFull = count % options.BatchCount == 0 || bytes / options.BatchBytes != (bytes - item.Bytes) / options.BatchBytes;
        _ = Push(item, urgent: batchIsFull);
        if (IsFull(count, bytes))
        {
            WaitForRoom(mayWait);
        }
    }

    /// <summary>Not an item: it is not counted, nor ever refused, and what stands before it does not wait for a full batch.</summary>
    public void Enqueue(RetiredMarker marker)
    {
        if (Push(marker, urgent: true) is { } obstacle)
        {
            marker.Stalled(obstacle);
        }
    }

    private bool IsFull(long count, long bytes) => count >= options.LimitCount || bytes >= options.LimitBytes;

    /// <summary>Returns why the thread does not run, or null.</summary>
    private Exception? Push(Retired item, bool urgent)
    {
        // Interlocked, so a full fence: what the caller unlinked is unlinked before the worker can find the item and begin a grace period for it.
        Retired? newest = Volatile.Read(ref _newest);
        while (true)
        {
            item.Next = newest;
            Retired? found = Interlocked.CompareExchange(ref _newest, item, newest);
            if (found == newest)
            {
                break;
            }

            newest = found;
        }

        // There is no thread although the item is not the first one: it could not be started for those before it.
        return urgent || newest is null || Volatile.Read(ref _worker) is null ? Wake(urgent) : null;
    }

    /// <summary>Returns why the thread does not run, or null.</summary>
    private Exception? Wake(bool urgent)
    {
        using var steady = new Uninterrupted();
        steady.Enter(_signal);
        try
        {
            _urgent |= urgent;
            if (_worker is null)
            {
                var worker = new Thread(Work) { IsBackground = true, Name = $"{options.Name} reclaimer" };
                worker.UnsafeStart(); // waits for the lock, and so finds itself in _worker
                _worker = worker;
            }
            else
            {
                Monitor.Pulse(_signal);
            }

            return null;
        }
        catch (Exception obstacle) when (obstacle is OutOfMemoryException or ThreadStartException)
        {
            return obstacle;
        }
        finally
        {
            Monitor.Exit(_signal);
        }
    }

    private void WaitForRoom(bool mayWait)
    {
        if (Wake(urgent: true) is not null || !mayWait || IsWorker)
        {
            _ = Interlocked.Increment(ref _overruns);
            return;
        }

        long began = Stopwatch.GetTimestamp();
        using var steady = new Uninterrupted();
        _ = Interlocked.Increment(ref _waitingForRoom); // before the test of the limit; pairs with the worker's look at it after it has counted
        steady.Enter(_room);
        try
        {
            while (IsFull(PendingCount, PendingBytes))
            {
                int left = Timeout.Infinite;
                if (options.BackPressureTimeout != Timeout.InfiniteTimeSpan)
                {
                    left = (int)Math.Ceiling((options.BackPressureTimeout - Stopwatch.GetElapsedTime(began)).TotalMilliseconds);
                    if (left <= 0)
                    {
                        _ = Interlocked.Increment(ref _overruns);
                        return;
                    }
                }

                steady.Wait(_room, left);
            }
        }
        finally
        {
            Monitor.Exit(_room);
            _ = Interlocked.Decrement(ref _waitingForRoom);
        }
    }

    private void Work()
    {
        while (Gather())
        {
            Retired? oldest = TakeAll();
            WaitForGracePeriod(oldest!); // nobody else takes anything out, so what Gather has seen is there
            while (oldest is not null)
            {
                Retired item = oldest;
                oldest = item.Next;
                item.Next = null;
                Reclaim(item);
            }
        }
    }

    /// <summary>Waits for items, and for more of them; returns false when the thread is to end.</summary>
    private bool Gather()
    {
        using var steady = new Uninterrupted();
        steady.Enter(_signal);
        try
        {
            long began = Stopwatch.GetTimestamp();
            while (Volatile.Read(ref _newest) is null)
            {
                if (Stopwatch.GetElapsedTime(began).TotalMilliseconds >= Idle)
                {
                    // Whoever retires something now finds the queue empty, takes the lock after us, and starts another thread.
                    _worker = null;
                    return false;
                }

                steady.Wait(_signal, Idle);
            }

            began = Stopwatch.GetTimestamp();
            while (!_urgent && options.MaximumDelay - Stopwatch.GetElapsedTime(began) is { Ticks: > 0 } left)
            {
                steady.Wait(_signal, (int)Math.Ceiling(left.TotalMilliseconds));
            }

            _urgent = false;
            return true;
        }
        finally
        {
            Monitor.Exit(_signal);
        }
    }

    private Retired? TakeAll()
    {
        Retired? newest = Interlocked.Exchange(ref _newest, null);
        Retired? oldest = null;
        while (newest is not null)
        {
            (newest.Next, oldest, newest) = (oldest, newest, newest.Next);
        }

        return oldest;
    }

    /// <summary>
    /// Does not return before a grace period has ended. While the kernel refuses the barrier, the items stay, those that come meanwhile join them, and those who wait for any of them are told.
    /// </summary>
    private void WaitForGracePeriod(Retired items)
    {
        while (true)
        {
            try
            {
                gracePeriods.Wait();
                return;
            }
            catch (Exception refusal)
            {
                // Also those who have come since: a barrier that is asked for while the kernel refuses must not wait for as long as it does.
                Retired last = items;
                while (last.Next is { } next)
                {
                    last = next;
                }

                last.Next = TakeAll();
                for (Retired? item = items; item is not null; item = item.Next)
                {
                    item.Stalled(refusal);
                }

                using var steady = new Uninterrupted();
                steady.Sleep(RetryDelay);
            }
        }
    }

    private void Reclaim(Retired item)
    {
        try
        {
            item.Reclaim();
        }
        catch (Exception failure)
        {
            report(failure);
        }

        if (item is RetiredMarker)
        {
            return;
        }

        _ = Interlocked.Add(ref _pendingBytes, -item.Bytes);
        _ = Interlocked.Increment(ref _reclaimed);
        if (Volatile.Read(ref _waitingForRoom) != 0 && !IsFull(PendingCount, PendingBytes))
        {
            using var steady = new Uninterrupted();
            steady.Enter(_room);
            Monitor.PulseAll(_room);
            Monitor.Exit(_room);
        }
    }
}
