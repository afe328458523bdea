using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <content>What is retired, how callers wait for it, and the end of the domain.</content>
public sealed partial class RcuDomain
{
    private readonly KeptFailures _failures = new(); // of callbacks, that no handler was told of
    private long _failedCallbacks;

    /// <summary>
    /// Raised, on the thread that reclaims, when a callback throws or leaves a read section open. Without a handler
    /// <see cref="Barrier()"/> and <see cref="Dispose"/> throw the exceptions. Callers of <see cref="Default"/> do not
    /// know each other's callbacks, so its exceptions are raised as <see cref="TaskScheduler.UnobservedTaskException"/>
    /// instead.
    /// </summary>
    public event Action<Exception>? CallbackFailed;

    /// <summary>
    /// Disposes of an object after a grace period, on a thread of the domain, in the order of retiring. Unlink the
    /// object first, so that no new reader finds it.
    /// </summary>
    /// <remarks>
    /// The call returns at once, unless a limit of <see cref="RcuDomainOptions"/> has been reached: then it waits for
    /// room. It does not wait in a callback or inside of a section. Inside of a section that may cross an await it may
    /// wait, for <see cref="RcuDomainOptions.BackPressureTimeout"/> at most.
    /// </remarks>
    /// <param name="item">The object, which no section entered from now on can find.</param>
    /// <param name="bytes">The number of bytes that it occupies, for the limits; 0 or more.</param>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of; the item still belongs to the
    /// caller.</exception>
    public void Retire(IDisposable item, long bytes = 0)
    {
        ArgumentNullException.ThrowIfNull(item);
        Retire(new RetiredDisposable(item, Checked(bytes)));
    }

    /// <summary>Calls back after a grace period, otherwise as <see cref="Retire(IDisposable, long)"/>.</summary>
    /// <param name="state">The argument of the callback.</param>
    /// <param name="callback">
    /// Called once, on a thread of the domain. It may retire and synchronize; it must not wait for
    /// <see cref="Barrier()"/>.
    /// </param>
    /// <param name="bytes">The number of bytes that are occupied until then, for the limits; 0 or more.</param>
    /// <exception cref="ObjectDisposedException">The domain has been disposed of; the state still belongs to the
    /// caller.</exception>
    public void Retire<TState>(TState state, Action<TState> callback, long bytes = 0)
    {
        ArgumentNullException.ThrowIfNull(callback);
        Retire(new RetiredItem<TState>(state, callback, Checked(bytes)));
    }

    /// <summary>Waits until everything that was retired before this call has been reclaimed.</summary>
    /// <exception cref="InvalidOperationException">The calling thread is inside of a section of this domain or in one
    /// of its callbacks, and would wait for itself.</exception>
    /// <exception cref="AggregateException">Callbacks have thrown, and no handler of <see cref="CallbackFailed"/> was
    /// told: the first 32 of those exceptions. Everything has been reclaimed nevertheless.</exception>
    /// <exception cref="MembarrierException">The kernel refused the barrier. Nothing is lost; the domain retries until
    /// it succeeds.</exception>
    /// <exception cref="OutOfMemoryException">The thread that reclaims could not be started. Nothing is lost; the next
    /// call of this or of <c>Retire</c> retries.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited. The next call gets what
    /// callbacks have thrown.</exception>
    public void Barrier() => Barrier(CancellationToken.None);

    /// <summary>Waits as <see cref="Barrier()"/> does, until the wait is canceled.</summary>
    /// <param name="cancellation">Ends the waiting, nothing else.</param>
    /// <exception cref="OperationCanceledException">The wait was canceled: something may not have been reclaimed
    /// yet.</exception>
    /// <inheritdoc cref="Barrier()" path="/exception"/>
    public void Barrier(CancellationToken cancellation) => _ = TryBarrier(Timeout.InfiniteTimeSpan, cancellation);

    /// <summary>Waits as <see cref="Barrier()"/> does, until a time is over or the wait is canceled.</summary>
    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellation">Ends the waiting, nothing else.</param>
    /// <returns>Whether everything has been reclaimed; otherwise the time is over.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is out of its range.</exception>
    /// <exception cref="OperationCanceledException">The wait was canceled: something may not have been reclaimed
    /// yet.</exception>
    /// <inheritdoc cref="Barrier()" path="/exception"/>
    public bool TryBarrier(TimeSpan timeout, CancellationToken cancellation = default)
    {
        ThrowIfWaitedFor("Barrier");
        var deadline = new Deadline(timeout, cancellation);
        return ReachMarker(TellFailures, blocks: true, cancellation).TryWait(deadline.Left);
    }

    /// <summary>
    /// Waits as <see cref="Barrier()"/> does without blocking. Its exceptions of kind
    /// <see cref="InvalidOperationException"/> are thrown at once, not by the task.
    /// </summary>
    /// <param name="cancellation">Ends the waiting, nothing else.</param>
    public Task BarrierAsync(CancellationToken cancellation = default)
    {
        ThrowIfWaitedFor("Barrier");
        return cancellation.IsCancellationRequested
            ? Task.FromCanceled(cancellation)
            : ReachMarker(TellFailures, blocks: false, cancellation).Task;
    }

    /// <summary>
    /// Waits until everything retired has been reclaimed, as <see cref="Barrier()"/> does, and closes the domain:
    /// sections that are entered afterwards throw, and those that were entered before have been left when this returns.
    /// A second call does nothing; after an interrupted disposal it resumes the disposal.
    /// </summary>
    /// <remarks>
    /// Where an exception below says so, what was retired still belongs to the domain, whose thread reclaims it as soon
    /// as it can. Dispose may be called again to wait for that.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The domain is <see cref="Default"/>, or as for
    /// <see cref="Barrier()"/>; nothing has changed. Or as the next one, in a mode whose barrier is not
    /// membarrier(2).</exception>
    /// <exception cref="MembarrierException">The kernel refused the barrier. Not everything has been reclaimed
    /// yet.</exception>
    /// <exception cref="OutOfMemoryException">The thread that reclaims could not be started. Not everything has been
    /// reclaimed yet.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited. Not everything may have
    /// been reclaimed yet.</exception>
    /// <exception cref="AggregateException">As for <see cref="Barrier()"/>; the domain has been disposed of, and
    /// everything has been reclaimed.</exception>
    public void Dispose()
    {
        if (_isDefault)
        {
            throw new InvalidOperationException(
                "RcuDomain.Dispose: RcuDomain.Default lives for as long as the process and cannot be disposed of. "
                    + "Create another domain."
            );
        }

        if (!_isClosed)
        {
            ThrowIfWaitedFor("Dispose");
            WaitForMarker(); // if this throws, the domain is as it was
            Close();
        }

        // At least once more, with the domain closed: this grace period waits for the readers that have entered since
        // the first one began, and that may see what has been retired. It also waits for what was retired between the
        // marker and the end, and for what an interrupted call has left.
        while (!_readersHaveLeft || _reclaimer.PendingCount > 0)
        {
            ThrowIfWaitedFor("Dispose");
            WaitForMarker();
            _readersHaveLeft = true;
        }

        if (_failures.TakeAll() is { Length: > 0 } failures)
        {
            throw Failed(failures);
        }
    }

    /// <summary>
    /// Retires what a structure has unlinked already, so it never refuses.
    /// </summary>
    /// <param name="item">The item.</param>
    /// <param name="mayWait">Whether the call may wait for room at a limit. Inside of a section it never waits.</param>
    internal void RetireAlways(Retired item, bool mayWait = true) =>
        _reclaimer.Enqueue(item, mayWait: mayWait && !IsInReadSection);

    private void Retire(Retired item)
    {
        ThrowIfDisposed();
        RetireAlways(item);
    }

    private void WaitForMarker() =>
        ReachMarker(static caller => caller.TryEnd(null), blocks: true, CancellationToken.None).Wait();

    private AsyncCaller ReachMarker(Action<AsyncCaller> reached, bool blocks, CancellationToken cancellation)
    {
        var caller = new AsyncCaller(cancellation, blocks: blocks);
        _reclaimer.Enqueue(new RetiredMarker(caller, reached));
        return caller;
    }

    /// <summary>
    /// Tells a caller of the barrier which callbacks have thrown; a caller that has given up leaves them to the next.
    /// </summary>
    private void TellFailures(AsyncCaller caller) =>
        _failures.Offer(failures => caller.TryEnd(failures.Count > 0 ? Failed(failures) : null));

    private AggregateException Failed(IEnumerable<Exception> failures) =>
        new($"Callbacks of the domain '{Name}' have failed. Everything has been reclaimed nevertheless.", failures);

    private void Report(Exception failure)
    {
        _ = Interlocked.Increment(ref _failedCallbacks);
        try
        {
            if (CallbackFailed is { } handler)
            {
                handler(failure);
                return;
            }
        }
        catch (Exception another)
        {
            Keep(another);
        }

        Keep(failure);
    }

    private void Keep(Exception failure)
    {
        if (_isDefault)
        {
            _ = Task.FromException(failure); // unobserved, so the runtime reports it
        }
        else
        {
            _failures.Add(failure);
        }
    }

    private void Close()
    {
        _isClosed = true;
        Volatile.Write(ref _outside, 0);
        _readers.Close();
        _number.Dispose();
    }

    private void ThrowIfWaitedFor(string member)
    {
        ThrowIfInReadSection(member);
        if (_reclaimer.IsWorker)
        {
            throw new InvalidOperationException(
                $"RcuDomain.{member}: called in a callback of the domain '{Name}', for which it would wait. "
                    + "Call it on another thread."
            );
        }
    }

    private static long Checked(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        return bytes;
    }

    /// <summary>Reclaims what waits at the end of the process, if the caller can wait for that.</summary>
    /// <returns>Whether anything was waited for and is done.</returns>
    private bool Flush(TimeSpan limit)
    {
        // The caller is inside only where a plug-in is unloaded; at the end of the process the runtime calls this on a
        // separate thread.
        if (_reclaimer.PendingCount == 0 || IsInReadSection || _reclaimer.IsWorker)
        {
            return false;
        }

        using var uninterrupted = new Uninterrupted();
        return uninterrupted.Wait(
            ReachMarker(static caller => caller.TryEnd(null), blocks: true, CancellationToken.None).Task,
            limit
        );
    }
}
