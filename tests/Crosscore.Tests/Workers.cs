using System.Diagnostics;

namespace Crosscore.Tests;

/// <summary>
/// Threads that do the same at the same time, for a bounded time; what one of them throws stops all and fails the test.
/// </summary>
internal sealed class Workers
{
    private readonly List<Thread> _threads = [];
    private readonly List<Exception> _failures = [];
    private readonly long _begin = Stopwatch.GetTimestamp();
    private readonly TimeSpan _time;
    private volatile bool _stop;

    private Workers(TimeSpan time) => _time = time;

    /// <summary>True until the time is over or a worker failed.</summary>
    public bool Continue => !_stop && Stopwatch.GetElapsedTime(_begin) < _time;

    /// <summary>Ends the run early.</summary>
    public void Stop() => _stop = true;

    public static void Run(TimeSpan time, params ReadOnlySpan<Action<Workers>> bodies)
    {
        var workers = new Workers(time);
        foreach (Action<Workers> body in bodies)
        {
            workers.Start(body);
        }

        workers._threads.ForEach(thread => thread.Join());
        if (workers._failures.Count > 0)
        {
            throw new AggregateException(workers._failures);
        }
    }

    /// <summary>Runs an action on a new thread, which has ended when this returns.</summary>
    public static void OnOtherThread(Action body) => Run(TimeSpan.Zero, _ => body());

    private void Start(Action<Workers> body)
    {
        var thread = new Thread(() =>
        {
            try
            {
                body(this);
            }
            catch (Exception failure)
            {
                lock (_failures)
                {
                    _failures.Add(failure);
                }

                _stop = true;
            }
        });
        _threads.Add(thread);
        thread.Start();
    }
}
