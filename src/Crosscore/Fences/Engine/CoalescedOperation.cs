using System.Runtime.ExceptionServices;

namespace Crosscore;

/// <summary>
/// An operation that many callers want at the same time and that serves all who asked before it began: a process-wide barrier, a grace period. One caller runs it; whoever asks meanwhile is
/// too late for that run, because it may already be past the moment that counts, and gathers for the next one. When a run ends, one of those gathered is appointed to run the next;
/// everybody who asks until the appointed one has begun is served by that run too.
/// </summary>
internal sealed class CoalescedOperation(Action operation)
{
    private const int CrowdLasts = 8;
    private const int MostYields = 32;

    private readonly Lock _gate = new();
    private Batch _gathering = new();
    private bool _engaged; // a run is under way, or somebody is about to begin one
    private int _lastCaller; // managed thread id
    private int _crowd;      // calls left in which others are reckoned with
    private long _asked;
    private long _run;

    /// <summary>Whether a run is under way or about to begin; whoever asks for this to be acted upon asks for a run of its own.</summary>
    public bool IsEngaged => Volatile.Read(ref _engaged);

    /// <summary>How many callers there have been.</summary>
    public long Asked => Volatile.Read(ref _asked);

    /// <summary>How many runs there have been.</summary>
    public long Run => Volatile.Read(ref _run);

    /// <summary>For an operation that is cheaper than sharing it.</summary>
    public void RunAlone()
    {
        _ = Interlocked.Increment(ref _asked);
        _ = Interlocked.Increment(ref _run);
        operation();
    }

    /// <summary>Returns when the operation has been run from beginning to end after this call began; throws what that run threw. A full fence on entry and on return.</summary>
    public void Pass()
    {
        // What the caller did before must be before the run, whoever makes it: this fence and the gate put it there. Without it the run of another processor orders only its own accesses.
        // Shown by litmus/reclamation/SharedBarrier and its control SharedBarrier.BegunBefore, and by CoalescedOperationTests.
        Interlocked.MemoryBarrier();
        using var steady = new Uninterrupted();
        Batch? batch = null;
        bool gather = false;
        steady.Enter(_gate);
        _asked++;
        if (_engaged)
        {
            batch = _gathering;
            batch.Waiting++;
        }
        else if (IsCrowded())
        {
            batch = _gathering;
            gather = true;
        }

        _engaged = true;
        _gate.Exit();

        if (gather)
        {
            Gather(batch!);
            Lead(batch);
        }
        else if (batch is null || batch.WaitUntilServedOrAppointed())
        {
            Lead(batch);
        }

        batch?.ThrowIfFailed();
        Interlocked.MemoryBarrier();
    }

    /// <summary><see cref="Pass"/> without blocking the caller: a thread of the pool runs what nobody else does, and is held by it for as long as it takes.</summary>
    public Task PassAsync()
    {
        Interlocked.MemoryBarrier(); // as in Pass
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        _asked++;
        Batch batch = _gathering;
        Task served = batch.Served;
        bool first = !_engaged;
        _engaged = true;
        _gate.Exit();

        if (first)
        {
            Appoint(batch, waiting: 0);
        }

        return served;
    }

    /// <summary>Whether other threads have called lately, so that it is worth looking whether some are about to. Under the gate.</summary>
    private bool IsCrowded()
    {
        int caller = Environment.CurrentManagedThreadId;
        _crowd = caller != _lastCaller && _lastCaller != 0 ? CrowdLasts : Math.Max(0, _crowd - 1);
        _lastCaller = caller;
        return _crowd > 0;
    }

    /// <summary>
    /// Lets threads that are ready to run do so before the run begins, for as long as they join it: where there are more threads than processors, nobody else could ask during a short run. Gives
    /// the processor back at once if nobody is ready.
    /// </summary>
    private static void Gather(Batch batch)
    {
        int joined;
        int turns = 0;
        do
        {
            joined = Volatile.Read(ref batch.Waiting);
            _ = Thread.Yield();
        }
        while (Volatile.Read(ref batch.Waiting) > joined && ++turns < MostYields);
    }

    private void Lead(Batch? batch)
    {
        using var steady = new Uninterrupted();
        if (batch is not null)
        {
            // From here on those who ask are too late for this run.
            steady.Enter(_gate);
            _gathering = new Batch();
            _gate.Exit();
        }

        ExceptionDispatchInfo? failure = null;
        try
        {
            operation();
        }
        catch (Exception exception)
        {
            failure = ExceptionDispatchInfo.Capture(exception);
        }

        steady.Enter(_gate);
        _run++;
        Batch next = _gathering;
        int waiting = next.Waiting;
        _engaged = waiting > 0 || next.IsAwaited;
        bool more = _engaged;
        _gate.Exit();

        batch?.Serve(failure);
        if (more)
        {
            Appoint(next, waiting);
        }

        if (batch is null)
        {
            failure?.Throw();
        }
    }

    /// <summary>The thread of the pool is in addition to those who wait: whichever comes first claims the run.</summary>
    private void Appoint(Batch batch, int waiting)
    {
        batch.Appoint();
        if (waiting == 0)
        {
            _ = ThreadPool.UnsafeQueueUserWorkItem(
                static work =>
                {
                    if (work.batch.TryClaim())
                    {
                        work.self.Lead(work.batch);
                    }
                },
                (self: this, batch),
                preferLocal: false);
        }
    }

    /// <summary>Callers who are served by the same run.</summary>
    private sealed class Batch
    {
        private const int Gathering = 0;
        private const int Appointed = 1; // one of them may begin
        private const int Claimed = 2;   // one of them has
        private const int Done = 3;

        // A barrier that interrupts nobody is over in less than this; beyond it, waiting threads had better leave their processors to those who run.
        private const int Spins = 30;

        private int _state;
        private ExceptionDispatchInfo? _failure; // written before Done
        private TaskCompletionSource? _served;

        /// <summary>Threads that wait; written under the gate.</summary>
        public int Waiting;

        /// <summary>Whether somebody has asked for <see cref="Served"/>; kept under the gate.</summary>
        public bool IsAwaited => _served is not null;

        /// <summary>Created under the gate.</summary>
        public Task Served => (_served ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public bool TryClaim() => Volatile.Read(ref _state) == Appointed && Interlocked.CompareExchange(ref _state, Claimed, Appointed) == Appointed;

        /// <summary>Returns whether the caller has to run the operation for all.</summary>
        public bool WaitUntilServedOrAppointed()
        {
            // With others waiting already, the processors are better left to those who have yet to ask.
            for (int spin = Volatile.Read(ref Waiting) > 1 ? Spins : 0; spin < Spins; spin++)
            {
                if (TryClaim())
                {
                    return true;
                }

                if (Volatile.Read(ref _state) == Done)
                {
                    return false;
                }

                Thread.SpinWait(10);
            }

            using var steady = new Uninterrupted();
            steady.Enter((object)this);
            try
            {
                while (true)
                {
                    if (TryClaim())
                    {
                        return true;
                    }

                    if (Volatile.Read(ref _state) == Done)
                    {
                        return false;
                    }

                    steady.Wait(this);
                }
            }
            finally
            {
                Monitor.Exit(this);
            }
        }

        public void Appoint()
        {
            using var steady = new Uninterrupted();
            steady.Enter((object)this);
            Volatile.Write(ref _state, Appointed);
            Monitor.Pulse(this);
            Monitor.Exit(this);
        }

        public void Serve(ExceptionDispatchInfo? failure)
        {
            using var steady = new Uninterrupted();
            steady.Enter((object)this);
            _failure = failure;
            Volatile.Write(ref _state, Done);
            Monitor.PulseAll(this);
            Monitor.Exit(this);
            if (failure is null)
            {
                _served?.SetResult();
            }
            else if (_served is not null)
            {
                _served.SetException(failure.SourceException);

                // Some of those who share the task drop it: they poll, or have given up waiting. That is no exception that nobody has noticed (TaskScheduler.UnobservedTaskException).
                _ = _served.Task.Exception;
            }
        }

        public void ThrowIfFailed()
        {
            if (Volatile.Read(ref _state) == Done)
            {
                _failure?.Throw();
            }
        }
    }
}
