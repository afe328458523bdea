using System.Runtime.ExceptionServices;

namespace Crosscore.Threads;

/// <summary>
/// An operation that many callers want at the same time, such as a process-wide barrier or a grace period. One run
/// serves all callers that asked before it began.
/// </summary>
/// <remarks>
/// <para>There is one run at a time. A caller that asks during a run is too late for it, because the run may have
/// passed the point that matters; it joins the batch that the next run serves. The thread that ends a run makes that
/// batch ready, and one caller of the batch claims the next run. A caller that asks before the claimed run begins is
/// served by it too.</para>
/// <para>A run has two parts: it begins, and it is over when <paramref name="isOver"/> says so. Callers that block wait
/// for that on their own threads; <see cref="SharedThread"/> makes a run that only callers who do not block
/// want.</para>
/// </remarks>
/// <param name="begin">The first part of a run, or all of it. An exception ends the run.</param>
/// <param name="isOver">
/// Whether a run that has begun is over; its argument says whether the wait is long already. It does not wait. An
/// exception ends the run. Null: a run is over as soon as it has begun.
/// </param>
internal sealed class CoalescedOperation(Action begin, Func<bool, bool>? isOver = null)
{
    private const int CrowdedCallsAfterOther = 8;
    private const int MaxYields = 32;

    // Guards the fields below. Held for a few instructions: nothing is allocated, and no other code is called, under
    // it.
    private readonly Lock _gate = new();

    // The callers that the next run serves. A run replaces it before it begins, so callers that come later miss the
    // run.
    private CoalescedBatch _next = new();

    // A run is under way, or a caller is about to begin one. A caller that finds it set joins _next.
    private bool _isBusy;

    // The thread that called last, by managed thread id, and the number of calls for which others are still expected:
    // with others about, waiting a moment for them saves runs. See IsCrowded.
    private int _lastCaller;
    private int _crowdedCalls;

    // How many callers there were, and how many runs served them.
    private long _requests;
    private long _runs;

    /// <summary>
    /// Whether a run is under way or about to begin. A caller that wants this run to be acted upon asks for one itself.
    /// </summary>
    public bool IsBusy => Volatile.Read(ref _isBusy);

    /// <summary>How many callers there have been.</summary>
    public long RequestCount => Volatile.Read(ref _requests);

    /// <summary>How many runs there have been.</summary>
    public long RunCount => Volatile.Read(ref _runs);

    /// <summary>Runs an operation that is cheaper than sharing it.</summary>
    public void RunAlone()
    {
        _ = Interlocked.Increment(ref _requests);
        _ = Interlocked.Increment(ref _runs);
        begin();
    }

    /// <summary>
    /// Returns when the operation has been run from beginning to end after this call began, by this thread or another;
    /// throws what that run threw. A full fence on entry and on return.
    /// </summary>
    public void RunOrJoin()
    {
        // What the caller did before must be before the run, whichever thread makes it: this fence and the gate put it
        // there. Without it the run of another processor orders only its own accesses. Shown by
        // litmus/reclamation/SharedBarrier and its control SharedBarrier.BegunBefore, and by CoalescedOperationTests.
        Interlocked.MemoryBarrier();
        using var uninterrupted = new Uninterrupted(); // an interruption is given back when nothing is owed to others
        CoalescedBatch? batch = null; // null: a run for this caller alone
        bool waitsForOthers = false;
        uninterrupted.Enter(_gate);
        _requests++;
        if (_isBusy)
        {
            batch = _next;
            batch.Waiting++;
        }
        else if (IsCrowded())
        {
            batch = _next;
            waitsForOthers = true;
        }

        _isBusy = true;
        _gate.Exit();

        if (waitsForOthers)
        {
            WaitForOthers(batch!);
            Run(batch);
        }
        else if (batch is null || batch.WaitUntilClaimedOrDone())
        {
            Run(batch);
        }

        batch?.ThrowIfFailed();
        Interlocked.MemoryBarrier();
    }

    /// <summary>
    /// Does what <see cref="RunOrJoin"/> does without blocking the caller: <see cref="SharedThread"/> makes a run that
    /// no blocking caller makes.
    /// </summary>
    /// <param name="cancellation">Ends the waiting, not the run.</param>
    /// <param name="blocks">Whether only a thread that blocks waits for the task.</param>
    public Task RunOrJoinAsync(bool blocks = false, CancellationToken cancellation = default)
    {
        var caller = new AsyncCaller(cancellation, Forget, blocks);
        caller.Node = new LinkedListNode<AsyncCaller>(caller);
        Request(caller);
        return caller.Task;
    }

    /// <summary>Asks for a run that begins after this call. If it fails, no caller is told.</summary>
    public void Request() => Request(null);

    private void Request(AsyncCaller? caller)
    {
        Interlocked.MemoryBarrier(); // as in RunOrJoin
        CoalescedBatch batch;
        bool isFirst;
        using (new HeldLock(_gate))
        {
            _requests++;
            batch = _next;
            batch.IsRequested = true;
            if (caller is not null)
            {
                batch.AsyncCallers.AddLast(caller.Node!);
            }

            isFirst = !_isBusy;
            _isBusy = true;
        }

        if (isFirst)
        {
            MakeReady(batch, waiting: 0);
        }
    }

    private void Forget(AsyncCaller caller)
    {
        using var held = new HeldLock(_gate);
        if (caller.Node is { List: { } list } node)
        {
            list.Remove(node);
        }
    }

    /// <summary>
    /// Whether other threads have called lately, so that it is worth waiting a moment for more of them. Under the gate.
    /// </summary>
    private bool IsCrowded()
    {
        int caller = Environment.CurrentManagedThreadId;
        _crowdedCalls =
            caller != _lastCaller && _lastCaller != 0 ? CrowdedCallsAfterOther : Math.Max(0, _crowdedCalls - 1);
        _lastCaller = caller;
        return _crowdedCalls > 0;
    }

    /// <summary>
    /// Lets threads that are ready to run do so before the run begins, for as long as they join it: with more threads
    /// than processors, no other thread could ask during a short run. Returns at once if no thread is ready.
    /// </summary>
    private static void WaitForOthers(CoalescedBatch batch)
    {
        int joined;
        int turns = 0;
        do
        {
            joined = Volatile.Read(ref batch.Waiting);
            _ = Thread.Yield();
        } while (Volatile.Read(ref batch.Waiting) > joined && ++turns < MaxYields);
    }

    /// <summary>Makes a run on the calling thread, for a batch or for the caller alone.</summary>
    private void Run(CoalescedBatch? batch)
    {
        ExceptionDispatchInfo? failure = Begin(batch);
        if (failure is null)
        {
            using var backoff = new Backoff();
            while (!IsOver(backoff.IsLong, ref failure))
            {
                backoff.Pause();
            }
        }

        Finish(batch, failure);
        if (batch is null)
        {
            failure?.Throw();
        }
    }

    /// <summary>Begins the run of a batch, which callers cannot join from here on.</summary>
    /// <returns>What it threw, or null.</returns>
    internal ExceptionDispatchInfo? Begin(CoalescedBatch? batch)
    {
        if (batch is not null)
        {
            CloseBatch();
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

    /// <summary>Puts an empty batch in place of the one whose run is about to begin.</summary>
    private void CloseBatch()
    {
        using var uninterrupted = new Uninterrupted();
        CoalescedBatch? next = null;
        while (next is null)
        {
            try
            {
                next = new CoalescedBatch();
            }
            catch (OutOfMemoryException)
            {
                uninterrupted.Sleep(1); // the run has been claimed and others wait for it, so it is made
            }
        }

        uninterrupted.Enter(_gate);
        _next = next;
        _gate.Exit();
    }

    /// <param name="isLong">Whether the wait is long already.</param>
    /// <param name="failure">What ended the run, if it failed.</param>
    internal bool IsOver(bool isLong, ref ExceptionDispatchInfo? failure)
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

    /// <summary>Ends a run: tells its callers, and makes the next batch ready if it has any.</summary>
    internal void Finish(CoalescedBatch? batch, ExceptionDispatchInfo? failure)
    {
        using var uninterrupted = new Uninterrupted();
        uninterrupted.Enter(_gate);
        _runs++;
        CoalescedBatch next = _next;
        int waiting = next.Waiting;
        bool hasMore = waiting > 0 || next.IsRequested;
        _isBusy = hasMore;
        _gate.Exit();

        batch?.Complete(failure);
        if (batch is { IsRequested: true })
        {
            EndCallers(batch, failure);
        }

        if (hasMore)
        {
            MakeReady(next, waiting);
        }
    }

    /// <summary>
    /// Ends the tasks of the callers that do not block, on the shared thread. Ending a task takes a lock of the
    /// runtime: an interruption of the thread there would leave the other callers waiting forever.
    /// </summary>
    internal void EndCallers(CoalescedBatch batch, ExceptionDispatchInfo? failure)
    {
        if (!SharedThread.IsCurrent)
        {
            try
            {
                SharedThread.Add(new CoalescedEnding(this, batch, failure));
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

    /// <summary>Takes one caller out of a batch whose run is over; nothing is allocated under the gate.</summary>
    private AsyncCaller? TakeCaller(CoalescedBatch batch)
    {
        using var held = new HeldLock(_gate);
        AsyncCaller? caller = batch.AsyncCallers.First?.Value;
        if (caller is not null)
        {
            batch.AsyncCallers.RemoveFirst();
        }

        return caller;
    }

    /// <summary>
    /// Lets one caller of a batch claim its run. Where no thread waits the shared thread competes too: the first to
    /// claim the run makes it.
    /// </summary>
    private void MakeReady(CoalescedBatch batch, int waiting)
    {
        batch.MakeReady();
        if (waiting > 0)
        {
            return;
        }

        try
        {
            SharedThread.Add(new CoalescedStep(this, batch));
        }
        catch (OutOfMemoryException obstacle)
        {
            // There is no thread to make the run. A caller that blocks may have come and claimed it; otherwise the run
            // fails for the callers that asked.
            if (batch.TryClaim())
            {
                CloseBatch();
                Finish(batch, ExceptionDispatchInfo.Capture(obstacle));
            }
        }
    }
}
