using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Crosscore.Threads;

/// <summary>
/// An operation that many callers want at the same time and that serves all who asked before it began: a process-wide
/// barrier, a grace period. One caller runs it; whoever asks meanwhile is too late for that run, because it may already
/// be past the moment that counts, and gathers for the next one. When a run ends, one of those gathered is appointed to
/// run the next; everybody who asks until the appointed one has begun is served by that run too.
/// </summary>
/// <remarks>
/// A run has two halves: it begins, and is over when <paramref name="isOver"/> says so. Callers who block wait for that
/// on their own threads; a run of callers who do not is left to <see cref="SharedThread"/>.
/// </remarks>
/// <param name="begin">The first half, or all of it. Whatever it throws ends the run.</param>
/// <param name="isOver">
/// Whether a run that has begun is over; told whether the wait is long already. Does not wait. Whatever it throws ends
/// the run. Null: as soon as it has begun.
/// </param>
internal sealed class CoalescedOperation(Action begin, Func<bool, bool>? isOver = null)
{
    private const int CrowdLasts = 8;
    private const int MostYields = 32;

    private readonly Lock _gate = new();
    private Batch _gathering = new();
    private bool _engaged; // a run is under way, or somebody is about to begin one
    private int _lastCaller; // managed thread id
    private int _crowd; // calls left in which others are reckoned with
    private long _asked;
    private long _run;

    /// <summary>
    /// Whether a run is under way or about to begin; whoever asks for this to be acted upon asks for a run of its own.
    /// </summary>
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
        begin();
    }

    /// <summary>
    /// Returns when the operation has been run from beginning to end after this call began; throws what that run threw.
    /// A full fence on entry and on return.
    /// </summary>
    public void Pass()
    {
        // What the caller did before must be before the run, whoever makes it: this fence and the gate put it there.
        // Without it the run of another processor orders only its own accesses. Shown by
        // litmus/reclamation/SharedBarrier and its control SharedBarrier.BegunBefore, and by CoalescedOperationTests.
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

    /// <summary>
    /// <see cref="Pass"/> without blocking the caller: <see cref="SharedThread"/> runs what no blocking caller does.
    /// </summary>
    /// <param name="cancellation">Ends the waiting, not the run.</param>
    /// <param name="blocks">Only a thread that blocks waits for the task.</param>
    public Task PassAsync(bool blocks = false, CancellationToken cancellation = default)
    {
        var caller = new AsyncCaller(cancellation, Forget, blocks);
        caller.Node = new LinkedListNode<AsyncCaller>(caller);
        Ask(caller);
        return caller.Task;
    }

    /// <summary>Sees to it that there is a run which begins after this call. If it fails, no caller is told.</summary>
    public void Ask() => Ask(null);

    private void Ask(AsyncCaller? caller)
    {
        Interlocked.MemoryBarrier(); // as in Pass
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        _asked++;
        Batch batch = _gathering;
        batch.IsAsked = true;
        if (caller is not null)
        {
            batch.AsyncCallers.AddLast(caller.Node!);
        }

        bool first = !_engaged;
        _engaged = true;
        _gate.Exit();

        if (first)
        {
            Appoint(batch, waiting: 0);
        }
    }

    private void Forget(AsyncCaller caller)
    {
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        if (caller.Node is { List: { } list } node)
        {
            list.Remove(node);
        }

        _gate.Exit();
    }

    /// <summary>
    /// Whether other threads have called lately, so that it is worth looking whether some are about to. Under the gate.
    /// </summary>
    private bool IsCrowded()
    {
        int caller = Environment.CurrentManagedThreadId;
        _crowd = caller != _lastCaller && _lastCaller != 0 ? CrowdLasts : Math.Max(0, _crowd - 1);
        _lastCaller = caller;
        return _crowd > 0;
    }

    /// <summary>
    /// Lets threads that are ready to run do so before the run begins, for as long as they join it: where there are
    /// more threads than processors, nobody else could ask during a short run. Gives the processor back at once if
    /// nobody is ready.
    /// </summary>
    private static void Gather(Batch batch)
    {
        int joined;
        int turns = 0;
        do
        {
            joined = Volatile.Read(ref batch.Waiting);
            _ = Thread.Yield();
        } while (Volatile.Read(ref batch.Waiting) > joined && ++turns < MostYields);
    }

    private void Lead(Batch? batch)
    {
        ExceptionDispatchInfo? failure = Begin(batch);
        if (failure is null)
        {
            using var patience = new Patience();
            while (!IsOver(patience.IsLong, ref failure))
            {
                patience.Pause();
            }
        }

        Finish(batch, failure);
        if (batch is null)
        {
            failure?.Throw();
        }
    }

    /// <summary>From here on those who ask are too late for the run that is about to begin.</summary>
    private void CloseGathering()
    {
        using var steady = new Uninterrupted();
        Batch? next = null;
        while (next is null)
        {
            try
            {
                next = new Batch();
            }
            catch (OutOfMemoryException)
            {
                steady.Sleep(1); // a run that has been claimed is made, because others wait for it
            }
        }

        steady.Enter(_gate);
        _gathering = next;
        _gate.Exit();
    }

    /// <param name="isLong">Whether the wait is long already.</param>
    /// <param name="failure">What ended the run, if that is no success.</param>
    private bool IsOver(bool isLong, ref ExceptionDispatchInfo? failure)
    {
        try
        {
            return isOver is null || isOver(isLong);
        }
        catch (Exception exception)
        {
            failure = ExceptionDispatchInfo.Capture(exception);
            return true;
        }
    }

    /// <summary>Returns what it threw.</summary>
    private ExceptionDispatchInfo? Begin(Batch? batch)
    {
        if (batch is not null)
        {
            CloseGathering();
        }

        try
        {
            begin();
            return null;
        }
        catch (Exception exception)
        {
            return ExceptionDispatchInfo.Capture(exception);
        }
    }

    private void Finish(Batch? batch, ExceptionDispatchInfo? failure)
    {
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        _run++;
        Batch next = _gathering;
        int waiting = next.Waiting;
        bool more = waiting > 0 || next.IsAsked;
        _engaged = more;
        _gate.Exit();

        batch?.Serve(failure);
        if (batch is { IsAsked: true })
        {
            EndCallers(batch, failure);
        }

        if (more)
        {
            Appoint(next, waiting);
        }
    }

    /// <summary>
    /// Ends the tasks of those who asked, on the shared thread: ending a task takes a lock of the runtime's, where an
    /// interruption of the thread that ends it would break off the caller and leave others waiting for ever.
    /// </summary>
    private void EndCallers(Batch batch, ExceptionDispatchInfo? failure)
    {
        if (!SharedThread.IsCurrent)
        {
            try
            {
                SharedThread.Add(new Ending(this, batch, failure));
                return;
            }
            catch (OutOfMemoryException)
            {
                // Better here than never.
            }
        }

        while (TakeCaller(batch) is { } caller)
        {
            _ = caller.TryEnd(failure?.SourceException);
        }
    }

    /// <summary>One of those who asked for a run that is over; nothing is allocated under the gate.</summary>
    private AsyncCaller? TakeCaller(Batch batch)
    {
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        AsyncCaller? caller = batch.AsyncCallers.First?.Value;
        if (caller is not null)
        {
            batch.AsyncCallers.RemoveFirst();
        }

        _gate.Exit();
        return caller;
    }

    /// <summary>The shared thread is in addition to those who wait: whichever comes first claims the run.</summary>
    private void Appoint(Batch batch, int waiting)
    {
        batch.Appoint();
        if (waiting > 0)
        {
            return;
        }

        try
        {
            SharedThread.Add(new SteppedRun(this, batch));
        }
        catch (OutOfMemoryException obstacle)
        {
            // No thread to run it. A caller who blocks may have come and claimed it; otherwise it fails for those who
            // asked.
            if (batch.TryClaim())
            {
                CloseGathering();
                Finish(batch, ExceptionDispatchInfo.Capture(obstacle));
            }
        }
    }

    private sealed class Ending(CoalescedOperation operation, Batch batch, ExceptionDispatchInfo? failure) : IStepped
    {
        public int Step()
        {
            operation.EndCallers(batch, failure);
            return SharedThread.Done;
        }
    }

    /// <summary>A run on the shared thread, which has others to wait for.</summary>
    private sealed class SteppedRun(CoalescedOperation operation, Batch batch) : IStepped
    {
        // Readers are mostly gone within a microsecond. Afterwards it is asked at longer and longer intervals: 1 ms,
        // and never later than by 1/64 of the time that it has lasted, nor by 50 ms.
        private const int LooksAtOnce = 100;
        private const int LongestPause = 50;
        private const int AgeToPause = 64;

        private int _looks;
        private long _beganAt; // 0 before

        public int Step()
        {
            if (_beganAt == 0)
            {
                if (!batch.TryClaim())
                {
                    return SharedThread.Done; // a caller who blocks was first
                }

                _beganAt = Stopwatch.GetTimestamp();
                if (operation.Begin(batch) is { } refusal)
                {
                    operation.Finish(batch, refusal);
                    return SharedThread.Done;
                }
            }

            ExceptionDispatchInfo? failure = null;
            if (operation.IsOver(isLong: _looks == LooksAtOnce, ref failure))
            {
                operation.Finish(batch, failure);
                return SharedThread.Done;
            }

            if (_looks < LooksAtOnce)
            {
                _looks++;
                return 0;
            }

            return (int)Math.Clamp(Stopwatch.GetElapsedTime(_beganAt).TotalMilliseconds / AgeToPause, 1, LongestPause);
        }
    }

    /// <summary>Callers who are served by the same run.</summary>
    private sealed class Batch
    {
        private const int Gathering = 0;
        private const int Appointed = 1; // one of them may begin
        private const int Claimed = 2; // one of them has
        private const int Done = 3;

        // A barrier that interrupts nobody is over in less than this; beyond it, waiting threads had better leave their
        // processors to those who run.
        private const int Spins = 30;

        private int _state;
        private ExceptionDispatchInfo? _failure; // written before Done

        /// <summary>Threads that wait; written under the gate.</summary>
        public int Waiting;

        /// <summary>Whether a caller who does not wait here has asked; kept under the gate.</summary>
        public bool IsAsked;

        /// <summary>Kept under the gate.</summary>
        public LinkedList<AsyncCaller> AsyncCallers { get; } = new();

        public bool TryClaim() =>
            Volatile.Read(ref _state) == Appointed
            && Interlocked.CompareExchange(ref _state, Claimed, Appointed) == Appointed;

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
