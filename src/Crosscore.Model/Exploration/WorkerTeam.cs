using System.Runtime.ExceptionServices;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Some threads that do the same work at the same time, the caller's among them, and wait for each other before they
/// continue: everything that one wrote before <see cref="Run"/> returns is seen by all after it.
/// </summary>
internal sealed class WorkerTeam : IDisposable
{
    private readonly Barrier _barrier;
    private readonly Thread[] _others;
    private readonly Exception?[] _failures;

    // Written before a barrier and read after it.
    private Action<int>? _work;

    public WorkerTeam(int workers)
    {
        Workers = workers;
        _barrier = new Barrier(workers);
        _failures = new Exception?[workers];
        _others = new Thread[workers - 1];
        for (int index = 0; index < _others.Length; index++)
        {
            int worker = index + 1;
            _others[index] = new Thread(() => Serve(worker))
            {
                IsBackground = true,
                Name = $"Crosscore exploration {worker}",
            };
            _others[index].Start();
        }
    }

    /// <summary>How many threads there are, with the caller's.</summary>
    public int Workers { get; }

    /// <summary>Calls the work once on each thread, with the thread's number; the caller's has number 0.</summary>
    public void Run(Action<int> work)
    {
        _work = work;
        _barrier.SignalAndWait();
        Do(work, 0);
        _barrier.SignalAndWait();
        if (_failures.FirstOrDefault(failure => failure is not null) is Exception first)
        {
            Array.Clear(_failures);
            ExceptionDispatchInfo.Throw(first);
        }
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        _work = null;
        _barrier.SignalAndWait();
        foreach (Thread other in _others)
        {
            other.Join();
        }

        _barrier.Dispose();
    }

    private void Serve(int worker)
    {
        while (true)
        {
            _barrier.SignalAndWait();
            if (_work is not Action<int> work)
            {
                return;
            }

            Do(work, worker);
            _barrier.SignalAndWait();
        }
    }

    // A failure must not keep the others waiting forever.
    private void Do(Action<int> work, int worker)
    {
        try
        {
            work(worker);
        }
        catch (Exception failure)
        {
            _failures[worker] = failure;
        }
    }
}
