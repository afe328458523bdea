namespace Crosscore.PerCpu;

/// <summary>
/// One who waits to be told, once: a thread, or a task. Whoever tells is a reader on its way out or a writer that is
/// done, and is neither held up nor broken off.
/// </summary>
#pragma warning disable CA1001 // The event owns nothing until its wait handle is asked for, which it never is.
internal sealed class Waiter
#pragma warning restore CA1001
{
    private readonly TaskCompletionSource? _task;
    private readonly ManualResetEventSlim? _thread;

    public Waiter(bool asTask)
    {
        if (asTask)
        {
            _task = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        else
        {
            _thread = new ManualResetEventSlim();
        }
    }

    public void Tell()
    {
        if (_task is not null)
        {
            _ = _task.TrySetResult();
            return;
        }

        using var waiting = new Uninterrupted();
        waiting.Set(_thread!);
    }

    /// <summary>Blocks the calling thread; no thread of the pool has a part in it.</summary>
    /// <exception cref="OperationCanceledException">Cancelled, and perhaps told as well.</exception>
    public void Wait(CancellationToken cancellation)
    {
        using var waiting = new Uninterrupted();
        while (true)
        {
            try
            {
                _thread!.Wait(cancellation);
                return;
            }
            catch (ThreadInterruptedException)
            {
                waiting.Remember();
            }
        }
    }

    /// <exception cref="OperationCanceledException">Cancelled, and perhaps told as well.</exception>
    public Task WaitAsync(CancellationToken cancellation) => _task!.Task.WaitAsync(cancellation);
}
