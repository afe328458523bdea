using System.Diagnostics;
using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// What was retired in a domain, and the thread that reclaims it: it gathers a batch, waits for a grace period, calls
/// the callbacks in the order of retiring, and goes when nothing has come for a while. Callbacks run on this thread
/// alone: never on one that retires, which may hold locks or be inside of a section (facebook/folly#2010), and never on
/// a finalizer's.
/// </summary>
internal sealed class Reclaimer : IBounded
{
    // Milliseconds without work after which the thread leaves. Until then it looks for work by itself, so that a call
    // of Retire need not wake it: on an idle machine the wake-up is most of what such a call costs.
    private const int Idle = 10_000;
    private const int ShortestLook = 10; // milliseconds; a domain with a shorter delay has its thread woken
    private const int LongestLook = 100; // milliseconds
    private const int RetryDelay = 50; // milliseconds after a barrier that was refused

    private readonly RcuDomainOptions _options;
    private readonly GracePeriods _gracePeriods;
    private readonly Action<Exception> _report;
    private readonly OnDemandThread _worker;
    private readonly object _signal = new(); // guards _urgent and the worker's coming and going
    private readonly SpaceSignal _space = new(); // given when items have been reclaimed
    private PushStack<Retired> _stack; // the worker takes all of it and reverses it
    private bool _urgent; // the worker waits for no further item
    private int _looks; // 1 while the worker looks at the stack by itself before the delay is over
    private long _retired;
    private long _reclaimed;
    private ByteSum _pendingBytes;
    private long _overruns;

    public Reclaimer(RcuDomainOptions options, GracePeriods gracePeriods, Action<Exception> report)
    {
        _options = options;
        _gracePeriods = gracePeriods;
        _report = report;
        _worker = new OnDemandThread(_signal, $"{options.Name} reclaimer", Work, Stall);
    }

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
    public bool IsWorker => _worker.IsCurrent;

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
            count % _options.BatchCount == 0
            || bytes == long.MaxValue
            || bytes / _options.BatchBytes != (bytes - item.Bytes) / _options.BatchBytes;
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

    bool IBounded.IsFull => IsFull(PendingCount, PendingBytes);

    private bool IsFull(long count, long bytes) =>
        count >= _options.MaxPendingCount || bytes >= _options.MaxPendingBytes;

    /// <summary>Returns why the thread does not run, or null.</summary>
    private Exception? Push(Retired item, bool urgent, bool startHere)
    {
        // A full fence: what the caller unlinked is unlinked before the worker can find the item and begin a grace
        // period for it.
        Retired? newest = _stack.Push(item, item);

        // The push is a full fence, so it comes before this look; pairs with Gather, which says that it looks no more
        // and then reads the stack. litmus/reclamation/HazardPointer.Notice.litmus is the shape, and its twin NoFence
        // fails. The thread is missing although the item is not the first one where it could not be started for those
        // before.
        return !urgent && (Volatile.Read(ref _looks) != 0 || (newest is not null && _worker.IsThere))
            ? null
            : Wake(urgent, startHere);
    }

    /// <summary>Returns why the thread does not run, or null.</summary>
    /// <param name="urgent">Do not wait for more items.</param>
    /// <param name="startHere">
    /// The caller waits anyway, so it starts the thread itself and learns at once whether that can be done.
    /// </param>
    private Exception? Wake(bool urgent, bool startHere)
    {
        using (var steady = new Uninterrupted())
        {
            steady.Enter(_signal);
            _urgent |= urgent;
            bool isThere = _worker.IsThere;
            if (isThere)
            {
                Monitor.Pulse(_signal);
            }

            Monitor.Exit(_signal);
            if (isThere)
            {
                return null;
            }
        }

        return startHere ? _worker.StartNow() : _worker.StartLater();
    }

    /// <summary>
    /// Tells all who wait for an item that there is no thread; they relied on it. Holding the signal, and with no
    /// thread that takes anything out, so the stack can be walked.
    /// </summary>
    private void Stall(Exception obstacle)
    {
        for (Retired? item = _stack.Top; item is not null; item = item.Next)
        {
            item.Stalled(obstacle);
        }
    }

    private void WaitForRoom(bool mayWait)
    {
        if (Wake(urgent: true, startHere: false) is not null || !mayWait || IsWorker)
        {
            _ = Interlocked.Increment(ref _overruns);
            return;
        }

        if (!_space.Wait(this, new Deadline(_options.BackPressureTimeout)))
        {
            _ = Interlocked.Increment(ref _overruns);
        }
    }

    private void Work()
    {
        var callbacks = new StrangersCallbacks(_options.Name, _report); // for the life of the thread
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
            if (!WaitForFirst(ref steady, out long since))
            {
                _worker.Leave();
                return false;
            }

            while (!_urgent && _options.MaxDelay - Stopwatch.GetElapsedTime(since) is { Ticks: > 0 } left)
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

    /// <summary>Waits until the stack has an item; returns false when none has come for long.</summary>
    /// <param name="steady">Of the caller, who holds the signal.</param>
    /// <param name="since">A time stamp: no item that is found is older, unless it came in the last batch's
    /// time.</param>
    private bool WaitForFirst(ref Uninterrupted steady, out long since)
    {
        int look = (int)Math.Min(_options.MaxDelay.TotalMilliseconds, LongestLook);
        long began = Stopwatch.GetTimestamp();
        since = began;
        while (_stack.Top is null)
        {
            bool isIdle = Stopwatch.GetElapsedTime(began).TotalMilliseconds >= Idle;
            if (isIdle || look < ShortestLook)
            {
                // Before the last look at the stack; pairs with Push.
                _ = Interlocked.Exchange(ref _looks, 0);
                if (_stack.Top is not null)
                {
                    break;
                }

                if (isIdle)
                {
                    // A thread that retires now takes the signal after this one, and has another one started.
                    return false;
                }

                steady.Wait(_signal, Idle);
                since = Stopwatch.GetTimestamp();
            }
            else
            {
                Volatile.Write(ref _looks, 1);
                since = Stopwatch.GetTimestamp();
                steady.Wait(_signal, look);
            }
        }

        // Items that come from here on are found when the batch is done, or join it.
        Volatile.Write(ref _looks, 1);
        return true;
    }

    private Retired? TakeAll()
    {
        Retired? newest = _stack.TakeAll();
        Retired? oldest = null;
        while (newest is not null)
        {
            (newest.Next, oldest, newest) = (oldest, newest, newest.Next);
        }

        return oldest;
    }

    /// <summary>
    /// Does not return before a grace period has ended. While the kernel refuses the barrier, the items stay, those
    /// that arrive in that time join them, and those who wait for any of them are told.
    /// </summary>
    private void WaitForGracePeriod(Retired items)
    {
        while (true)
        {
            try
            {
                _gracePeriods.Wait();
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
        _space.Signal(this); // the increment is the full fence that it asks for
    }
}
