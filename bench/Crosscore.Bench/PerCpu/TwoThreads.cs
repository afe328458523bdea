using System.Diagnostics;

namespace Crosscore.Bench.PerCpu;

/// <summary>The same operation by two threads, each on a separate processor.</summary>
internal static class TwoThreads
{
    /// <summary>
    /// Nanoseconds of an operation, or nothing where the two did not run at the same time: each times itself, and a
    /// turn counts only when both began before either had ended half of its work.
    /// </summary>
    public static double? Run(Operation operation, int count)
    {
        long[] began = new long[2];
        long[] middle = new long[2];
        long[] ended = new long[2];
        using var start = new Barrier(2);
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, 2)
                .Select(number => new Thread(() =>
                {
                    Affinity.Pin(Affinity.Cpus[number]);
                    operation.Run(1000);
                    start.SignalAndWait();
                    began[number] = Stopwatch.GetTimestamp();
                    operation.Run(count / 2);
                    middle[number] = Stopwatch.GetTimestamp();
                    operation.Run(count / 2);
                    ended[number] = Stopwatch.GetTimestamp();
                })),
        ];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        bool together = began.Max() < middle.Min();
        return together
            ? Enumerable
                .Range(0, 2)
                .Max(number => Stopwatch.GetElapsedTime(began[number], ended[number]).TotalNanoseconds / count)
            : null;
    }
}
