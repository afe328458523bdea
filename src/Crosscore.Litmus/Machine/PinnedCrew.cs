using Crosscore.Litmus.Assemblers;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// One thread for each column, each bound to its processor for as long as the crew lives, doing one batch after
/// another. The calling thread only waits, so it takes no processor away from them; its own affinity is never touched.
/// </summary>
internal sealed class PinnedCrew : IDisposable
{
    private readonly Thread[] _threads;
    private readonly SemaphoreSlim[] _begin;
    private readonly CountdownEvent _ended;
    private readonly Exception?[] _failures;
    private Action<int>? _work;
    private volatile bool _over;

    /// <summary>Starts the threads and binds them.</summary>
    /// <param name="processors">One for each thread.</param>
    /// <exception cref="MachineRunException">A thread cannot be bound.</exception>
    public PinnedCrew(IReadOnlyList<int> processors)
    {
        _threads = new Thread[processors.Count];
        _begin = new SemaphoreSlim[processors.Count];
        _failures = new Exception?[processors.Count];
        _ended = new CountdownEvent(processors.Count);
        for (int index = 0; index < _threads.Length; index++)
        {
            int thread = index;
            _begin[thread] = new SemaphoreSlim(0);
            _threads[thread] = new Thread(() => Live(thread, processors[thread]))
            {
                IsBackground = true,
                Name = $"litmus P{thread}",
            };
            _threads[thread].Start();
        }

        try
        {
            Wait(Timeout.InfiniteTimeSpan, CancellationToken.None);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Lets every thread do its part of a batch; returns at once.</summary>
    /// <param name="work">Called with the thread's number, on the thread.</param>
    public void Begin(Action<int> work)
    {
        _work = work;
        _ended.Reset();
        foreach (SemaphoreSlim begin in _begin)
        {
            begin.Release();
        }
    }

    /// <summary>Waits until every thread has done its part.</summary>
    /// <param name="patience">How long to wait.</param>
    /// <param name="cancellation">Ends the waiting, not the work.</param>
    /// <returns>Whether they have.</returns>
    public bool Wait(TimeSpan patience, CancellationToken cancellation)
    {
        if (!_ended.Wait(patience, cancellation))
        {
            return false;
        }

        Exception? failure = _failures.FirstOrDefault(failure => failure is not null);
        return failure is null ? true : throw new MachineRunException(failure.Message, failure);
    }

    /// <summary>Ends the threads. They must not be in a batch.</summary>
    public void Dispose()
    {
        _over = true;
        for (int thread = 0; thread < _threads.Length; thread++)
        {
            _begin[thread].Release();
            _threads[thread].Join();
            _begin[thread].Dispose();
        }

        _ended.Dispose();
    }

    private void Live(int thread, int processor)
    {
        Do(thread, _ => Processors.PinCallingThread(processor));
        while (true)
        {
            _begin[thread].Wait();
            if (_over)
            {
                return;
            }

            Do(thread, _work!);
        }
    }

    private void Do(int thread, Action<int> work)
    {
        try
        {
            work(thread);
        }
        catch (Exception failure)
        {
            _failures[thread] = failure;
        }
        finally
        {
            _ended.Signal();
        }
    }
}
