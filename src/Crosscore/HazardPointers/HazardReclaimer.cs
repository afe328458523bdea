using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>Makes the scans of a domain whose callbacks do not run on the threads that retire.</summary>
internal abstract class HazardReclaimer
{
    /// <summary>A list has something that is to be looked at before long.</summary>
    public const int Later = 1;

    /// <summary>A list is to be scanned now.</summary>
    public const int Due = 2;

    /// <summary>Takes notice of a list. Returns why it cannot, or null.</summary>
    public abstract Exception? Notice(HazardGarbageList list, int urgency);

    /// <summary>Nothing more will be retired.</summary>
    public virtual void Close() { }
}

/// <summary>Gives the scans that are due to an executor of the user's, one piece of work at a time. It does not look
/// again at what was protected: the next scan that is due does.</summary>
internal sealed class HazardPosting(Action<Action> execute) : HazardReclaimer
{
    private readonly Lock _gate = new();
    private readonly List<HazardGarbageList> _due = [];
    private bool _posted;

    public override Exception? Notice(HazardGarbageList list, int urgency)
    {
        if (urgency < Due)
        {
            return null;
        }

        try
        {
            using (var steady = new Uninterrupted())
            {
                steady.Enter(_gate);
                try
                {
                    _due.Add(list);
                    if (_posted)
                    {
                        return null;
                    }

                    _posted = true;
                }
                finally
                {
                    _gate.Exit();
                }
            }

            execute(Work);
            return null;
        }
        catch (Exception obstacle)
        {
            foreach (HazardGarbageList refused in TakeAll())
            {
                refused.TakeNotice(); // the next retirement into it tries again
            }

            return obstacle;
        }
    }

    private void Work()
    {
        foreach (HazardGarbageList list in TakeAll())
        {
            if (HazardReclaiming.ByThisThread)
            {
                list.TakeNotice();
                HazardReclaiming.ScanLater(list); // the executor executes at once, in a callback
            }
            else
            {
                _ = list.ScanForReclaimer(onlyIfDue: true);
            }
        }
    }

    private HazardGarbageList[] TakeAll()
    {
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        HazardGarbageList[] due = [.. _due];
        _due.Clear();
        _posted = false;
        _gate.Exit();
        return due;
    }
}

/// <summary>
/// A thread for one domain, begun by the first retirement: it scans what is due at once, what is not due a moment
/// later, and what was protected again and again, more and more seldom. It waits for work without running, for a while
/// or for ever,
/// because waking it costs the thread that retires a few microseconds and starting it some hundred.
/// </summary>
/// <param name="name">The thread's.</param>
/// <param name="idle">Milliseconds without work after which the thread ends.</param>
internal sealed class HazardWorker(string name, int idle) : HazardReclaimer, IStepped
{
    private const long ShortestDelay = 100; // milliseconds
    private const long LongestDelay = 3_200;

    // For so long after work the thread looks every ShortestDelay whether there is more, so that a retirement need not
    // wake it: that costs the thread that retires some microseconds, and on a busy machine its processor.
    private const long PollFor = 10_000;

    // In milliseconds. The shared thread, woken to start this one, must not have the processor of the caller.
    private const int StartDelay = 1;
    private const int RetryDelay = 50; // milliseconds after a thread that was refused

    private readonly object _signal = new(); // guards all below
    private readonly HashSet<HazardGarbageList> _noticed = [];
    private readonly HashSet<HazardGarbageList> _kept = []; // looked at before, with something protected in it
    private HazardGarbageList[] _current = [];
    private Thread? _worker;
    private bool _due;
    private bool _closed;
    private bool _looksSoon; // by itself
    private long _lastNotice;
    private bool _isStartAsked; // the shared thread is to start the thread
    private bool _isStartDue; // the shared thread's alone

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

    /// <summary>The thread is started by the shared one, because that takes a hundred times as long as all the
    /// rest.</summary>
    public override Exception? Notice(HazardGarbageList list, int urgency)
    {
        using var steady = new Uninterrupted();
        steady.Enter(_signal);
        try
        {
            _ = _noticed.Add(list);
            _due |= urgency >= Due;
            _lastNotice = Environment.TickCount64;
            if (_worker is not null)
            {
                if (_due || !_looksSoon)
                {
                    Monitor.Pulse(_signal);
                }

                return null;
            }

            if (_isStartAsked)
            {
                return null;
            }

            _isStartAsked = true;
        }
        catch (OutOfMemoryException obstacle)
        {
            return obstacle;
        }
        finally
        {
            Monitor.Exit(_signal);
        }

        try
        {
            SharedThread.Add(this);
            return null;
        }
        catch (OutOfMemoryException obstacle)
        {
            steady.Enter(_signal);
            _isStartAsked = false;
            Monitor.Exit(_signal);
            return obstacle;
        }
    }

    /// <summary>On the shared thread: starts this one.</summary>
    int IStepped.Step()
    {
        if (!_isStartDue)
        {
            _isStartDue = true;
            return StartDelay;
        }

        using var steady = new Uninterrupted();
        try
        {
            var worker = new Thread(Work) { IsBackground = true, Name = name };
            steady.Enter(_signal);
            _worker = worker; // only started, and set, by this method, which runs when there is none
            _isStartAsked = false;
            _isStartDue = false;
            Monitor.Exit(_signal);
            worker.UnsafeStart(); // without the lock, so that no thread that retires waits for it
            return SharedThread.Done;
        }
        catch (Exception refusal) when (refusal is OutOfMemoryException or ThreadStartException)
        {
            steady.Enter(_signal);
            _worker = null;
            _isStartAsked = true;
            _isStartDue = true;
            Monitor.Exit(_signal);
            return RetryDelay;
        }
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
            Name = name + " at exit",
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
        using var steady = new Uninterrupted();
        steady.Enter(_signal);
        HazardGarbageList[] known = [.. _noticed.Concat(_kept).Concat(_current).Distinct()];
        Monitor.Exit(_signal);
        return known;
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
            long began = Environment.TickCount64;
            bool isFresh = false;
            while (!_due)
            {
                if (!isFresh && _noticed.Count > 0)
                {
                    // Something new: not to wait for as long as what is protected.
                    isFresh = true;
                    began = Environment.TickCount64;
                    delay = ShortestDelay;
                }

                bool any = isFresh || _kept.Count > 0;
                long waits =
                    any ? delay
                    : _closed ? 0
                    : idle;
                long left = waits == Timeout.Infinite ? Timeout.Infinite : waits - (Environment.TickCount64 - began);
                if (waits != Timeout.Infinite && left <= 0)
                {
                    if (any)
                    {
                        break;
                    }

                    // A thread that retires now takes the lock after this one, and starts another.
                    _worker = null;
                    return false;
                }

                bool polls =
                    Environment.TickCount64 - _lastNotice < PollFor && (left is Timeout.Infinite or > ShortestDelay);
                _looksSoon = polls || left is >= 0 and <= ShortestDelay;
                steady.Wait(_signal, polls ? (int)ShortestDelay : (int)left);
            }

            _due = false;
            _current = [.. _noticed.Concat(_kept).Distinct()];
            _noticed.Clear();
            _kept.Clear();
            return true;
        }
        finally
        {
            Monitor.Exit(_signal);
        }
    }
}
