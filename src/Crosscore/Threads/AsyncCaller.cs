namespace Crosscore.Threads;

/// <summary>
/// A caller that waits for a task, until what it waits for is over or its token is canceled. Ending the task needs no
/// thread of the pool: what the caller does afterwards may need one, but a thread that blocks on the task is woken at
/// once. (<see cref="Task.WaitAsync(CancellationToken)"/> ends its task on the pool, whose threads may all be blocked
/// on such tasks.)
/// </summary>
internal sealed class AsyncCaller
{
    private readonly TaskCompletionSource _source = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action<AsyncCaller>? _forget; // called when the token was canceled
    private readonly CancellationTokenRegistration _registration;
    private readonly bool _isPosted; // whether code of the user's runs where the task is ended
    private int _isEnded; // 1 when one of the threads that may end the task has claimed to do so

    /// <param name="cancellation">Ends the waiting.</param>
    /// <param name="forget">
    /// Called when the token is canceled, on the thread that cancels; maybe before the constructor returns.
    /// </param>
    /// <param name="blocks">Whether only a thread that blocks waits for the task, and no caller awaits it.</param>
    public AsyncCaller(CancellationToken cancellation, Action<AsyncCaller>? forget = null, bool blocks = false)
    {
        _forget = forget;

        // With a scheduler or a context, the thread that ends the task posts the continuation there, and that call runs
        // code of the user's.
        _isPosted =
            !blocks
            && (
                TaskScheduler.Current != TaskScheduler.Default
                || (
                    SynchronizationContext.Current is { } context && context.GetType() != typeof(SynchronizationContext)
                )
            );
        _registration = cancellation.UnsafeRegister(static (self, token) => ((AsyncCaller)self!).Cancel(token), this);
    }

    public Task Task => _source.Task;

    /// <summary>The caller's place in a list of callers.</summary>
    public LinkedListNode<AsyncCaller>? Node { get; set; }

    /// <summary>
    /// Ends the waiting, in success or in failure. Calls no code of the user's: where the caller has a synchronization
    /// context or a scheduler, whose code would be called, a thread of the pool ends the task.
    /// </summary>
    /// <returns>Whether the caller is told; otherwise it was told before, or was canceled.</returns>
    public bool TryEnd(Exception? failure)
    {
        _ = _registration.Unregister();
        if (!TryClaim())
        {
            return false;
        }

        if (_isPosted)
        {
            try
            {
                _ = ThreadPool.UnsafeQueueUserWorkItem(
                    static ending => ending.Caller.End(ending.Failure),
                    (Caller: this, Failure: failure),
                    preferLocal: false
                );
                return true;
            }
            catch (OutOfMemoryException)
            {
                // Better here than never.
            }
        }

        End(failure);
        return true;
    }

    /// <summary>Blocks until the waiting is over, and throws what it ended with.</summary>
    /// <exception cref="ThreadInterruptedException">The caller gave up and is not told.</exception>
    public void Wait() => _ = TryWait(Timeout.InfiniteTimeSpan);

    /// <summary>The same, but gives up after a time.</summary>
    /// <returns>Whether the waiting is over; otherwise the caller gave up and is not told.</returns>
    /// <inheritdoc cref="Wait" path="/exception"/>
    public bool TryWait(TimeSpan timeout)
    {
        using var uninterrupted = new Uninterrupted();
        try
        {
            if (!IsOver(timeout) && TryClaim())
            {
                GiveUp();
                return false;
            }
        }
        catch (ThreadInterruptedException) when (TryClaim())
        {
            GiveUp();
            throw;
        }
        catch (ThreadInterruptedException)
        {
            uninterrupted.Remember();
        }

        // Where another thread tells the caller at the same time, that must not be lost: the task ends in a moment.
        _ = uninterrupted.Wait(Task, Timeout.InfiniteTimeSpan);
        Task.GetAwaiter().GetResult();
        return true;
    }

    private bool IsOver(TimeSpan timeout)
    {
        try
        {
            return Task.Wait(timeout);
        }
        catch (AggregateException) when (Task.IsCompleted)
        {
            return true; // with a failure, which the caller takes from the task
        }
    }

    private void GiveUp()
    {
        _ = _registration.Unregister();
        _ = _source.TrySetCanceled();
    }

    private bool TryClaim() => Interlocked.Exchange(ref _isEnded, 1) == 0;

    private void End(Exception? failure)
    {
        if (failure is null)
        {
            _source.SetResult();
            return;
        }

        _source.SetException(failure);
        // Counts as observed, also for a caller that has dropped the task (TaskScheduler.UnobservedTaskException).
        _ = _source.Task.Exception;
    }

    private void Cancel(CancellationToken token)
    {
        if (TryClaim())
        {
            _source.SetCanceled(token);
            _forget?.Invoke(this);
        }
    }
}
