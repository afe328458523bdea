using System.Diagnostics;

namespace Crosscore.Bench.Barriers;

/// <summary>
/// What a call costs while a sibling runs on another processor, which the kernel must then interrupt. Not for
/// BenchmarkDotNet, which measures one method after another: on a shared machine the sibling may be off its processor
/// during a whole measurement. Here calls take turns, and one counts only when the sibling was seen running immediately
/// before and after it.
/// </summary>
internal sealed class InterruptedSibling : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Thread _sibling;
    private long _progress;
    private volatile bool _over;

    public InterruptedSibling()
    {
        _sibling = new Thread(() =>
        {
            while (!_over)
            {
                Volatile.Write(ref _progress, _progress + 1);
            }
        })
        {
            IsBackground = true,
        };
        _sibling.Start();
    }

    /// <summary>The median time of each call, in nanoseconds; not a number where the sibling never ran.</summary>
    /// <param name="calls">The calls.</param>
    /// <param name="turns">How often each is made, if the time suffices.</param>
    public double[] Medians(IReadOnlyList<Action> calls, int turns)
    {
        List<long>[] times = [.. calls.Select(_ => new List<long>(turns))];
        long began = Stopwatch.GetTimestamp();
        while (times[^1].Count < turns && Stopwatch.GetElapsedTime(began) < Patience)
        {
            for (int call = 0; call < calls.Count; call++)
            {
                if (!SeenRunning())
                {
                    Thread.Sleep(1); // both threads may share a processor: let the scheduler think again
                    continue;
                }

                long begin = Stopwatch.GetTimestamp();
                calls[call]();
                long time = Stopwatch.GetTimestamp() - begin;
                if (SeenRunning())
                {
                    times[call].Add(time);
                }
            }
        }

        return [.. times.Select(Median)];
    }

    public void Dispose()
    {
        _over = true;
        _sibling.Join();
    }

    // Without giving the processor away, so that only a sibling on another one can be seen.
    private bool SeenRunning()
    {
        long before = Volatile.Read(ref _progress);
        for (int look = 0; look < 10_000; look++)
        {
            if (Volatile.Read(ref _progress) != before)
            {
                return true;
            }
        }

        return false;
    }

    private static double Median(List<long> times)
    {
        if (times.Count == 0)
        {
            return double.NaN;
        }

        times.Sort();
        return times[times.Count / 2] * 1e9 / Stopwatch.Frequency;
    }
}
