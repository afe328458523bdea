namespace Crosscore.Threads;

/// <summary>
/// A background thread of one owner that is started when there is work and leaves when there has been none for a while.
/// Callers that must not wait have it started by <see cref="SharedThread"/>, because the start of a thread takes a
/// hundred times as long as all else that they do.
/// </summary>
/// <param name="gate">The owner's monitor. It guards what says whether there is work, and the fields here.</param>
/// <param name="name">The name of the thread.</param>
/// <param name="run">What the thread does. It looks for work first, and calls <see cref="Leave"/> as its last act under
/// the gate.</param>
/// <param name="refused">Called under the gate when the thread could not be started, with the cause; it must not throw;
/// may be null.</param>
/// <param name="start">Starts a thread; <see langword="null"/> for <see cref="Thread.UnsafeStart()"/>.</param>
internal sealed class OnDemandThread(
    object gate,
    string name,
    ThreadStart run,
    Action<Exception>? refused = null,
    Action<Thread>? start = null
) : IStepped
{
    // In milliseconds. The shared thread, woken to start this one, must not take the processor of the caller.
    private const int StartDelay = 1;
    private const int RetryDelay = 50; // milliseconds after a start that was refused

    private Thread? _thread; // set under the gate, before the thread is started
    private bool _isStartAsked; // the shared thread is to start it
    private bool _isStartDue; // used by the shared thread only

    /// <summary>Whether the calling thread is this one.</summary>
    public bool IsCurrent => Volatile.Read(ref _thread) == Thread.CurrentThread;

    /// <summary>
    /// Whether the thread is there or is being started. If that start is refused, the shared thread tries again, so
    /// work that was left to the thread is done.
    /// </summary>
    public bool IsThere => Volatile.Read(ref _thread) is not null;

    /// <summary>Has the shared thread start this one, unless it is there. Called without the gate.</summary>
    /// <returns>Why that is impossible now, or null. The next call tries again.</returns>
    public Exception? StartLater()
    {
        using (new HeldMonitor(gate))
        {
            if (_thread is not null || _isStartAsked)
            {
                return null;
            }

            _isStartAsked = true;
        }

        try
        {
            SharedThread.Add(this);
            return null;
        }
        catch (OutOfMemoryException obstacle)
        {
            using (new HeldMonitor(gate))
            {
                _isStartAsked = false;
            }

            return obstacle;
        }
    }

    /// <summary>
    /// Starts the thread, unless it is there; for callers that wait anyway. Called without the gate.
    /// </summary>
    /// <returns>Why the thread does not run now, or null. The shared thread tries again.</returns>
    public Exception? StartNow()
    {
        Thread created;
        try
        {
            created = Create(); // before the gate, so that lack of memory leaves nothing held
        }
        catch (OutOfMemoryException lack)
        {
            return lack;
        }

        using (new HeldMonitor(gate))
        {
            if (_thread is not null)
            {
                return null;
            }

            _thread = created;
        }

        Exception? obstacle = Start(created);
        if (obstacle is not null)
        {
            // Callers that had work, and the shared thread, may have found the thread while it was being started and
            // left the work to it.
            _ = StartLater();
        }

        return obstacle;
    }

    /// <summary>Called by the thread, under the gate, when it ends.</summary>
    public void Leave() => _thread = null;

    int IStepped.Step()
    {
        if (!_isStartDue)
        {
            _isStartDue = true;
            return StartDelay;
        }

        Thread created;
        try
        {
            created = Create();
        }
        catch (OutOfMemoryException)
        {
            return RetryDelay; // still asked and due
        }

        bool starts;
        using (new HeldMonitor(gate))
        {
            starts = _thread is null;
            if (starts)
            {
                _thread = created;
            }

            // With the thread known: later it could have left, while callers still relied on this.
            _isStartAsked = false;
        }

        _isStartDue = false;
        if (!starts || Start(created) is null)
        {
            return SharedThread.Done;
        }

        using (new HeldMonitor(gate))
        {
            _isStartDue = _thread is null && !_isStartAsked; // otherwise another caller has seen to it
            _isStartAsked |= _isStartDue;
        }

        return _isStartDue ? RetryDelay : SharedThread.Done;
    }

    private Thread Create() => new(run) { IsBackground = true, Name = name };

    /// <summary>Without the gate, so that no thread that has work for this one waits for the start.</summary>
    private Exception? Start(Thread created)
    {
        try
        {
            if (start is null)
            {
                created.UnsafeStart();
            }
            else
            {
                start(created);
            }

            return null;
        }
        catch (Exception obstacle) when (obstacle is OutOfMemoryException or ThreadStartException)
        {
            using (new HeldMonitor(gate))
            {
                refused?.Invoke(obstacle);
                _thread = null;
            }

            return obstacle;
        }
    }
}
