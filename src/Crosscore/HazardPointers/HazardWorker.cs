using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// A thread for one domain, begun by the first retirement: it scans what is due at once, what is not due a moment
/// later, and what was protected again and again, more and more seldom. It waits for work without running, for a while
/// or forever, because waking it costs the thread that retires some ten microseconds and starting it some hundred.
/// </summary>
internal sealed class HazardWorker : HazardScheduler
{
    private const long ShortestDelay = 100; // milliseconds
    private const long LongestDelay = 3_200;

    // For so long after work the thread looks every ShortestDelay whether there is more, so that a retirement need not
    // wake it.
    private const long PollFor = 10_000;

    private readonly int _idle; // milliseconds without work after which the thread leaves
    private readonly string _name;
    private readonly OnDemandThread _thread;
    private readonly object _signal = new(); // guards all below but for _stack and _looks
    private readonly HashSet<HazardGarbageList> _noticed = [];
    private readonly HashSet<HazardGarbageList> _kept = []; // looked at before, with something protected in it
    private HazardGarbageList[] _current = [];
    private Noticed? _taken; // taken from the stack, and not yet in _noticed
    private long _lastNotice;
    private bool _due;
    private bool _closed;
    private PushStack<Noticed> _stack; // a stack of lists that the thread has not taken notice of
    private int _looks; // 1 while the thread looks at the stack by itself before long

    /// <param name="name">The thread's.</param>
    /// <param name="idle">Milliseconds without work after which the thread leaves, or
    /// <see cref="Timeout.Infinite"/>.</param>
    public HazardWorker(string name, int idle)
    {
        _idle = idle;
        _name = name;
        _thread = new OnDemandThread(_signal, name, Work);
    }

    /// <summary>
    /// Creates the worker of the default domain, which is never disposed of. What waits when the process ends is
    /// reclaimed by <see cref="ExitFlush"/>.
    /// </summary>
    public static HazardWorker ForProcess(string name)
    {
        var worker = new HazardWorker(name, Timeout.Infinite);
        ExitFlush.Add(worker.Flush);
        CollectibleContext.WhenUnloading(worker.Close); // after the flush, which was added first
        return worker;
    }

    public override Exception? Notice(HazardGarbageList list, int urgency)
    {
        Noticed notice;
        try
        {
            notice = new Noticed(list, urgency >= Due);
        }
        catch (OutOfMemoryException obstacle)
        {
            return obstacle;
        }

        _ = _stack.Push(notice, notice);

        // The push is a full fence, so it comes before this look; pairs with WaitForNotice, which says that it looks no
        // more and then reads the stack. litmus/reclamation/HazardPointer.Notice.litmus is the shape, and its twin
        // NoFence fails.
        if (urgency < Due && Volatile.Read(ref _looks) != 0)
        {
            return null;
        }

        using (var steady = new Uninterrupted())
        {
            steady.Enter(_signal);
            bool isThere = _thread.IsThere;
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

        return _thread.StartLater();
    }

    /// <summary>The thread ends as soon as it has nothing to do.</summary>
    public override void Close()
    {
        using var steady = new Uninterrupted();
        steady.Enter(_signal);
        _closed = true;
        Monitor.Pulse(_signal);
        Monitor.Exit(_signal);
    }

    /// <summary>
    /// Reclaims what is not protected, on a separate thread, and returns when that is done or the time is over. Called
    /// by a callback, which may be what would be waited for, it scans once. That is so where a plug-in is unloaded; at
    /// the end of the process the runtime calls on a thread made for it, so that a callback which ends the process is
    /// waited for until the time is over.
    /// </summary>
    /// <returns>Whether anything was reclaimed; false if the time was over first.</returns>
    public bool Flush(TimeSpan limit)
    {
        var deadline = new Deadline(limit);
        bool once = HazardReclaiming.ByThisThread;
        object done = new();
        bool isDone = false;
        bool reclaimed = false;
        var flushing = new Thread(() =>
        {
            bool any = false;
            try
            {
                any = Flush(deadline, once);
            }
            catch (OutOfMemoryException)
            {
                // What is not reclaimed by then is not.
            }

            lock (done)
            {
                isDone = true;
                reclaimed = any;
                Monitor.Pulse(done);
            }
        })
        {
            IsBackground = true,
            Name = _name + " at exit",
        };
        try
        {
            flushing.UnsafeStart();
        }
        catch (Exception obstacle) when (obstacle is OutOfMemoryException or ThreadStartException)
        {
            return false;
        }

        using var steady = new Uninterrupted();
        steady.Enter(done);
        while (!isDone && !deadline.IsOver)
        {
            steady.Wait(done, (int)Math.Ceiling(deadline.Left.TotalMilliseconds));
        }

        bool result = isDone && reclaimed;
        Monitor.Exit(done);
        return result;
    }

    private bool Flush(Deadline deadline, bool once)
    {
        using var steady = new Uninterrupted();
        bool any = false;
        for (int pause = 0; !deadline.IsOver; pause = Math.Min(pause + 1, 10))
        {
            HazardGarbageList[] lists = Known();
            foreach (HazardGarbageList list in lists)
            {
                any |= list.ScanForReclaimer(onlyIfDue: false);
            }

            if (once || !lists.Any(list => list.HasMoreThanProtected))
            {
                break;
            }

            steady.Sleep(pause); // callbacks run on the other thread
        }

        return any;
    }

    private HazardGarbageList[] Known()
    {
        using var held = new HeldMonitor(_signal);
        return
        [
            .. ListsOf(_stack.Top).Concat(ListsOf(_taken)).Concat(_noticed).Concat(_kept).Concat(_current).Distinct(),
        ];
    }

    private void Work()
    {
        long delay = ShortestDelay;
        while (true)
        {
            try
            {
                if (!Gather(ref delay))
                {
                    return;
                }

                bool reclaimed = false;
                foreach (HazardGarbageList list in _current)
                {
                    reclaimed |= list.ScanForReclaimer(onlyIfDue: false);
                }

                delay = reclaimed ? ShortestDelay : Math.Min(2 * delay, LongestDelay);
            }
            catch (OutOfMemoryException)
            {
                // Nothing is lost: what was to be scanned is still retired.
                using var steady = new Uninterrupted();
                steady.Sleep((int)ShortestDelay);
            }
        }
    }

    /// <summary>Waits until there is something to scan; returns false when the thread is to end.</summary>
    private bool Gather(ref long delay)
    {
        var steady = new Uninterrupted(); // an interruption is never given back: the thread is the domain's
        steady.Enter(_signal);
        try
        {
            foreach (HazardGarbageList list in _current)
            {
                if (list.Count > 0)
                {
                    _ = _kept.Add(list);
                }
            }

            _current = [];
            if (!WaitForNotice(ref steady, ref delay))
            {
                // A thread that retires now takes the lock after this one, and has another one started.
                _thread.Leave();
                return false;
            }

            _due = false;
            _current = [.. _noticed.Concat(_kept).Distinct()];
            _noticed.Clear();
            _kept.Clear();
            Volatile.Write(ref _looks, 1); // when the scans are done
            return true;
        }
        finally
        {
            Monitor.Exit(_signal);
        }
    }

    /// <summary>Waits until a scan is due; returns false when the thread is to end.</summary>
    private bool WaitForNotice(ref Uninterrupted steady, ref long delay)
    {
        long began = Environment.TickCount64;
        bool isFresh = false;
        while (true)
        {
            TakeNotices();
            if (_due)
            {
                return true;
            }

            long now = Environment.TickCount64;
            if (!isFresh && _noticed.Count > 0)
            {
                // Something new: not to wait for as long as what is protected.
                isFresh = true;
                began = now;
                delay = ShortestDelay;
            }

            bool any = isFresh || _kept.Count > 0;
            long waits =
                any ? delay
                : _closed ? 0
                : _idle;
            long left = waits == Timeout.Infinite ? Timeout.Infinite : Math.Max(0, waits - (now - began));
            if (left == 0 && any)
            {
                return true;
            }

            bool polls = now - _lastNotice < PollFor && (left is Timeout.Infinite or > ShortestDelay);
            bool looks = left != 0 && (polls || left is > 0 and <= ShortestDelay);

            // Said before the last look at the stack; pairs with Notice.
            _ = Interlocked.Exchange(ref _looks, looks ? 1 : 0);
            if (_stack.Top is not null)
            {
                continue;
            }

            if (left == 0)
            {
                return false;
            }

            steady.Wait(_signal, polls ? (int)ShortestDelay : (int)left);
        }
    }

    /// <summary>Holding the signal. Where memory is short, what was not taken notice of stays.</summary>
    private void TakeNotices()
    {
        while (true)
        {
            while (_taken is { } notice)
            {
                _ = _noticed.Add(notice.List);
                _due |= notice.IsDue;
                _lastNotice = Environment.TickCount64;
                _taken = notice.Next;
            }

            if (_stack.Top is null)
            {
                return;
            }

            _taken = _stack.TakeAll();
        }
    }

    private static IEnumerable<HazardGarbageList> ListsOf(Noticed? newest)
    {
        for (Noticed? notice = newest; notice is not null; notice = notice.Next)
        {
            yield return notice.List;
        }
    }

    /// <summary>What a retirement tells the thread; does not change once it is on the stack.</summary>
    private sealed class Noticed(HazardGarbageList list, bool isDue) : Linked<Noticed>
    {
        public HazardGarbageList List { get; } = list;

        public bool IsDue { get; } = isDue;
    }
}
