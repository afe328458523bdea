namespace Crosscore.Threads;

/// <summary>
/// A background thread of one owner that is started when there is work and leaves when there has been none for a while.
/// Callers who must not wait have it started by <see cref="SharedThread"/>, because the start of a thread takes a
/// hundred times as long as all else that they do.
/// </summary>
/// <param name="gate">The owner's monitor. It guards what says whether there is work, and the fields here.</param>
/// <param name="name">The name of the thread.</param>
/// <param name="run">What the thread does. It calls <see cref="Leave"/> as its last act under the gate.</param>
/// <param name="refused">Called under the gate when the thread could not be started, with the cause; may be
/// null.</param>
internal sealed class OnDemandThread(object gate, string name, ThreadStart run, Action<Exception>? refused = null)
    : IStepped
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
    /// Whether the thread is there. False under the gate is final: a thread that starts later looks for work first.
    /// </summary>
    public bool IsThere => Volatile.Read(ref _thread) is not null;

    /// <summary>Has the shared thread start this one, unless it is there. Called without the gate.</summary>
    /// <returns>Why that is impossible now, or null. The next call tries again.</returns>
    public Exception? StartLater()
    {
        using var steady = new Uninterrupted();
        steady.Enter(gate);
        bool asks = _thread is null && !_isStartAsked;
        _isStartAsked |= asks;
        Monitor.Exit(gate);
        if (!asks)
        {
            return null;
        }

        try
        {
            SharedThread.Add(this);
            return null;
        }
        catch (OutOfMemoryException obstacle)
        {
            steady.Enter(gate);
            _isStartAsked = false;
            Monitor.Exit(gate);
            return obstacle;
        }
    }

    /// <summary>
    /// Starts the thread, unless it is there; for callers that wait anyway. Called without the gate.
    /// </summary>
    /// <returns>Why the thread does not run, or null.</returns>
    public Exception? StartNow()
    {
        using var steady = new Uninterrupted();
        steady.Enter(gate);
        Thread? created = null;
        if (_thread is null)
        {
            created = _thread = Create();
        }

        Monitor.Exit(gate);
        return created is null ? null : Start(created);
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

        using var steady = new Uninterrupted();
        steady.Enter(gate);
        Thread? created = null;
        if (_thread is null)
        {
            created = _thread = Create();
        }

        // With the thread known: later it could have left, while callers still relied on this.
        _isStartAsked = false;
        _isStartDue = false;
        Monitor.Exit(gate);
        if (created is null || Start(created) is null)
        {
            return SharedThread.Done;
        }

        steady.Enter(gate);
        bool again = _thread is null && !_isStartAsked; // otherwise another caller has seen to it
        _isStartAsked |= again;
        _isStartDue = again;
        Monitor.Exit(gate);
        return again ? RetryDelay : SharedThread.Done;
    }

    private Thread Create() => new(run) { IsBackground = true, Name = name };

    /// <summary>Without the gate, so that no thread that has work for this one waits for the start.</summary>
    private Exception? Start(Thread created)
    {
        try
        {
            created.UnsafeStart();
            return null;
        }
        catch (Exception obstacle) when (obstacle is OutOfMemoryException or ThreadStartException)
        {
            using var steady = new Uninterrupted();
            steady.Enter(gate);
            try
            {
                refused?.Invoke(obstacle);
                _thread = null;
            }
            finally
            {
                Monitor.Exit(gate);
            }

            return obstacle;
        }
    }
}
