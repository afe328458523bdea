using System.Diagnostics;
using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// What was retired in a domain, and the thread that reclaims it: it gathers a batch, waits for a grace period, calls
/// the callbacks in the order of retiring, and goes when nothing has come for a while. Callbacks run on this thread
/// alone: never on one that retires, which may hold locks or be inside of a section (facebook/folly#2010), and never on
/// a finaliser's.
/// </summary>
internal sealed class Reclaimer(RcuDomainOptions options, GracePeriods gracePeriods, Action<Exception> report)
    : IStepped
{
    private const int Idle = 2_000; // milliseconds without work after which the thread goes
    private const int RetryDelay = 50; // milliseconds after a barrier or a thread that was refused

    // In milliseconds. The shared thread, woken to start another one, must not have the processor of the caller.
    private const int StartDelay = 1;

    private readonly object _signal = new(); // guards the next three
    private readonly object _room = new(); // pulsed when items have been reclaimed
    private Retired? _newest; // a stack; the worker takes all of it and turns it round
    private Thread? _worker;
    private bool _isStartAsked; // the shared thread is to start it
    private bool _isStartDue; // the shared thread's alone
    private bool _urgent;
    private long _retired;
    private long _reclaimed;
    private ByteSum _pendingBytes;
    private long _overruns;
    private int _waitingForRoom;

    public long RetiredCount => Volatile.Read(ref _retired);

    public long ReclaimedCount => Volatile.Read(ref _reclaimed);

    public long PendingCount
    {
        get
        {
            // Two statements and a barrier: the JIT may exchange two volatile reads of one expression
            // (dotnet/runtime#133524). In this order the difference is never negative.
            long reclaimed = ReclaimedCount;
            Volatile.ReadBarrier();
            return RetiredCount - reclaimed;
        }
    }

    public long PendingBytes => _pendingBytes.Value;

    public long Overruns => Volatile.Read(ref _overruns);

    /// <summary>Whether the caller runs in a callback.</summary>
    public bool IsWorker => Volatile.Read(ref _worker) == Thread.CurrentThread;

    /// <summary>
    /// Once it is linked in, the item is the domain's: nothing is thrown, also where the thread cannot be started now;
    /// that is tried again. Where there is no thread, the shared one is asked to start it, because the
    /// start of a thread takes a hundred times as long as all the rest.
    /// </summary>
    public void Enqueue(Retired item, bool mayWait)
    {
        long count = Interlocked.Increment(ref _retired) - Volatile.Read(ref _reclaimed);
        _pendingBytes.Add(item.Bytes);
        long bytes = _pendingBytes.Value;
        bool batchIsFull =
            count % options.BatchCount == 0
            || bytes == long.MaxValue
            || bytes / options.BatchBytes != (bytes - item.Bytes) / options.BatchBytes;
        _ = Push(item, urgent: batchIsFull, startHere: false);
        if (IsFull(count, bytes))
        {
            WaitForRoom(mayWait);
        }
    }

    /// <summary>
    /// Not an item: it is not counted, nor ever refused, and what stands before it does not wait for a full batch.
    /// </summary>
    public void Enqueue(RetiredMarker marker)
    {
        if (Push(marker, urgent: true, startHere: true) is { } obstacle)
        {
            marker.Stalled(obstacle);
        }
    }

    private bool IsFull(long count, long bytes) => count >= options.LimitCount || bytes >= options.LimitBytes;

    /// <summary>Returns why the thread does not run, or null.</summary>
    private Exception? Push(Retired item, bool urgent, bool startHere)
    {
        // Interlocked, so a full fence: what the caller unlinked is unlinked before the worker can find the item and
        // begin a grace period for it.
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
        return urgent || newest is null || Volatile.Read(ref _worker) is null ? Wake(urgent, startHere) : null;
    }

    /// <summary>Returns why the thread does not run, or null.</summary>
    /// <param name="urgent">Do not wait for more items.</param>
    /// <param name="startHere">
    /// The caller waits anyway, so it starts the thread itself and learns at once whether that can be done.
    /// </param>
    private Exception? Wake(bool urgent, bool startHere)
    {
        Thread? worker = null;
        using var steady = new Uninterrupted();
        steady.Enter(_signal);
        try
        {
            _urgent |= urgent;
            if (_worker is not null)
            {
                Monitor.Pulse(_signal);
                return null;
            }

            if (startHere)
            {
                worker = NewWorker();
            }
            else if (_isStartAsked)
            {
                return null;
            }
            else
            {
                _isStartAsked = true;
            }
        }
        finally
        {
            Monitor.Exit(_signal);
        }

        return worker is null ? AskForStart() : Start(worker);
    }

    /// <summary>Under the lock. Started without it, so that no other thread that retires waits for that.</summary>
    private Thread NewWorker() =>
        _worker = new Thread(Work) { IsBackground = true, Name = $"{options.Name} reclaimer" };

    /// <summary>Returns why the thread does not run, or null.</summary>
    private Exception? Start(Thread worker)
    {
        try
        {
            worker.UnsafeStart();
            return null;
        }
        catch (Exception obstacle) when (obstacle is OutOfMemoryException or ThreadStartException)
        {
            using var steady = new Uninterrupted();
            steady.Enter(_signal);
            try
            {
                // Those that came since relied on it. No thread takes anything out here, so the queue can be
                // walked.
                for (Retired? item = Volatile.Read(ref _newest); item is not null; item = item.Next)
                {
                    item.Stalled(obstacle);
                }

                _worker = null;
            }
            finally
            {
                Monitor.Exit(_signal);
            }

            return obstacle;
        }
    }

    private OutOfMemoryException? AskForStart()
    {
        try
        {
            SharedThread.Add(this);
            return null;
        }
        catch (OutOfMemoryException obstacle)
        {
            using var steady = new Uninterrupted();
            steady.Enter(_signal);
            _isStartAsked = false;
            Monitor.Exit(_signal);
            return obstacle;
        }
    }

    /// <summary>On the shared thread: starts the thread of the domain, now or later.</summary>
    int IStepped.Step()
    {
        if (!_isStartDue)
        {
            _isStartDue = true;
            return StartDelay;
        }

        Thread? worker = null;
        using var steady = new Uninterrupted();
        steady.Enter(_signal);
        if (_worker is null)
        {
            worker = NewWorker();
        }

        // With the thread known: later it could be gone again, while those who retire still relied on this.
        _isStartAsked = false;
        _isStartDue = false;
        Monitor.Exit(_signal);
        if (worker is null || Start(worker) is null)
        {
            return SharedThread.Done;
        }

        steady.Enter(_signal);
        bool again = _worker is null && !_isStartAsked; // otherwise another caller has seen to it
        _isStartAsked |= again;
        _isStartDue = again;
        Monitor.Exit(_signal);
        return again ? RetryDelay : SharedThread.Done;
    }

    private void WaitForRoom(bool mayWait)
    {
        if (Wake(urgent: true, startHere: false) is not null || !mayWait || IsWorker)
        {
            _ = Interlocked.Increment(ref _overruns);
            return;
        }

        long began = Stopwatch.GetTimestamp();
        using var steady = new Uninterrupted();
        // before the test of the limit; pairs with the worker's look at it after it has counted
        _ = Interlocked.Increment(ref _waitingForRoom);
        steady.Enter(_room);
        try
        {
            while (IsFull(PendingCount, PendingBytes))
            {
                int left = Timeout.Infinite;
                if (options.BackPressureTimeout != Timeout.InfiniteTimeSpan)
                {
                    left = (int)
                        Math.Ceiling((options.BackPressureTimeout - Stopwatch.GetElapsedTime(began)).TotalMilliseconds);
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
        var callbacks = new StrangersCallbacks(options.Name, report); // for the life of the thread
        while (Gather())
        {
            Retired? oldest = TakeAll();
            WaitForGracePeriod(oldest!); // no other thread takes anything out, so what Gather has seen is there
            while (oldest is not null)
            {
                Retired item = oldest;
                oldest = item.Next;
                item.Next = null;
                Reclaim(item, callbacks);
            }

            callbacks.LeaveOpenSections(ofThread: true);
        }
    }

    /// <summary>Waits for items, and for more of them; returns false when the thread is to end.</summary>
    private bool Gather()
    {
        var steady = new Uninterrupted(); // an interruption is never given back: the thread is the domain's
        steady.Enter(_signal);
        try
        {
            long began = Stopwatch.GetTimestamp();
            while (Volatile.Read(ref _newest) is null)
            {
                if (Stopwatch.GetElapsedTime(began).TotalMilliseconds >= Idle)
                {
                    // A thread that retires now finds the queue empty, takes the lock after this one, and has another
                    // one started.
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
    /// Does not return before a grace period has ended. While the kernel refuses the barrier, the items stay, those
    /// that come meanwhile join them, and those who wait for any of them are told.
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
                // Also those who have come since: a barrier that is asked for while the kernel refuses must not wait
                // for as long as it does.
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

    private void Reclaim(Retired item, StrangersCallbacks callbacks)
    {
        if (item is RetiredMarker)
        {
            callbacks.LeaveOpenSections(ofThread: true); // so that who waits for the marker is told
        }

        callbacks.Run(static item => ((Retired)item!).Reclaim(), item);
        if (item is RetiredMarker)
        {
            return;
        }

        _pendingBytes.Subtract(item.Bytes);
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
