namespace Crosscore;

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

    /// <param name="cancellation">Ends the waiting.</param>
    /// <param name="forget">
    /// Called when it did, on the thread that cancels; maybe before the constructor returns.
    /// </param>
    public AsyncCaller(CancellationToken cancellation, Action<AsyncCaller>? forget = null)
    {
        _forget = forget;
        _registration = cancellation.UnsafeRegister(static (self, token) => ((AsyncCaller)self!).Cancel(token), this);
    }

    public Task Task => _source.Task;

    /// <summary>Where a list of callers keeps it.</summary>
    public LinkedListNode<AsyncCaller>? Node { get; set; }

    /// <summary>Ends the waiting, in success or in failure.</summary>
    /// <returns>Whether the caller is told; otherwise it had been before, or was cancelled.</returns>
    public bool TryEnd(Exception? failure)
    {
        _ = _registration.Unregister();
        if (failure is null)
        {
            return _source.TrySetResult();
        }

        bool told = _source.TrySetException(failure);
        // A caller that has dropped the task leaves no exception behind that nothing has looked at
        // (TaskScheduler.UnobservedTaskException).
        _ = _source.Task.Exception;
        return told;
    }

    private void Cancel(CancellationToken token)
    {
        if (_source.TrySetCanceled(token))
        {
            _forget?.Invoke(this);
        }
    }
}
