namespace Crosscore.Threads;

/// <summary>
/// A caller who waits without blocking, until what it waits for is over or its token is cancelled. Ending its task
/// needs no thread of the pool: what the caller does afterwards may, but a thread that blocks on the task
/// is woken at once. (<see cref="Task.WaitAsync(CancellationToken)"/> ends its task on the pool, whose threads may all
/// be blocked on such tasks.)
/// </summary>
internal sealed class AsyncCaller
{
    private readonly TaskCompletionSource _source = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action<AsyncCaller>? _forget;
    private readonly CancellationTokenRegistration _registration;
    private readonly bool _isPosted;
    private int _isEnded;

    /// <param name="cancellation">Ends the waiting.</param>
    /// <param name="forget">
    /// Called when it did, on the thread that cancels; maybe before the constructor returns.
    /// </param>
    /// <param name="blocks">Only a thread that blocks waits for the task, none awaits it.</param>
    public AsyncCaller(CancellationToken cancellation, Action<AsyncCaller>? forget = null, bool blocks = false)
    {
        _forget = forget;

        // What awaits the task here is posted to these by the thread that ends it, and that call is the user's code.
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

    /// <summary>Where a list of callers keeps it.</summary>
    public LinkedListNode<AsyncCaller>? Node { get; set; }

    /// <summary>Ends the waiting, in success or in failure. Calls no code of the user's: where the caller has a
    /// synchronization context or a scheduler, whose code would be called, a thread of the pool ends the
    /// task.</summary>
    /// <returns>Whether the caller is told; otherwise it had been before, or was cancelled.</returns>
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

    /// <summary>Blocks until the waiting is over.</summary>
    /// <exception cref="ThreadInterruptedException">The caller gave up and is not told.</exception>
    public void Wait()
    {
        using var steady = new Uninterrupted();
        try
        {
            Task.GetAwaiter().GetResult();
        }
        catch (ThreadInterruptedException) when (TryClaim())
        {
            _ = _registration.Unregister();
            _ = _source.TrySetCanceled();
            throw;
        }
        catch (ThreadInterruptedException)
        {
            // Told at the same time: that must not be lost.
            steady.Remember();
            _ = steady.Wait(Task, Timeout.InfiniteTimeSpan);
            Task.GetAwaiter().GetResult();
        }
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
        // A caller that has dropped the task leaves no exception behind that nothing has looked at
        // (TaskScheduler.UnobservedTaskException).
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
