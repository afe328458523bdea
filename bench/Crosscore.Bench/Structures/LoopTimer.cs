using System.Diagnostics;

namespace Crosscore.Bench.Structures;

/// <summary>
/// Times of loops of a few nanoseconds a round, for comparison with each other: the loops take turns, and of the
/// medians of several passes the smallest counts, because a shared machine only ever adds time.
/// </summary>
internal static class LoopTimer
{
    private const double ChunkNanoseconds = 200_000;
    private const int Chunks = 60;
    private const int Passes = 25;

    // Enough rounds for the scheduler to put the two threads on separate processors.
    private const int ChunksTogether = 400;

    /// <summary>A loop of a number of rounds.</summary>
    public delegate void Loop(int rounds);

    /// <summary>Nanoseconds a round, each loop alone.</summary>
    public static double[] Alone(params Loop[] loops) => Measure(loops, together: false).Alone;

    /// <summary>
    /// The same, and for each of two threads that do it at the same time; only times count during which the other one
    /// was getting on. All take turns, so a busy moment of the machine meets all of them.
    /// </summary>
    public static (double[] Alone, double[] Together) AloneAndTogether(params Loop[] loops) =>
        Measure(loops, Environment.ProcessorCount > 1);

    private static (double[] Alone, double[] Together) Measure(Loop[] loops, bool together)
    {
        Warm(loops);
        int[] rounds = [.. loops.Select(RoundsOf)];
        double[] alone = [.. loops.Select(_ => double.PositiveInfinity)];
        double[] both = [.. loops.Select(_ => double.PositiveInfinity)];
        for (int pass = 0; pass < Passes; pass++)
        {
            for (int loop = 0; loop < loops.Length; loop++)
            {
                alone[loop] = Math.Min(alone[loop], Median(Time(loops[loop], rounds[loop], Chunks, () => true)));
                if (together)
                {
                    both[loop] = Math.Min(both[loop], PassTogether(loops[loop], rounds[loop]));
                }
            }
        }

        return (alone, both);
    }

    private static double PassTogether(Loop loop, int rounds)
    {
        long[] progress = new long[64]; // two of them, apart
        int running = 2;
        var times = new List<double>[2];
        using var start = new Barrier(2);
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, 2)
                .Select(me => new Thread(() =>
                {
                    int other = 32 * (1 - me);
                    start.SignalAndWait();
                    long seen = Volatile.Read(ref progress[other]);
                    times[me] = Time(
                        loop,
                        rounds,
                        ChunksTogether,
                        () =>
                        {
                            Volatile.Write(ref progress[32 * me], progress[32 * me] + 1);
                            long now = Volatile.Read(ref progress[other]);
                            bool gotOn = now != seen && Volatile.Read(ref running) == 2;
                            seen = now;
                            return gotOn;
                        }
                    );
                    Interlocked.Decrement(ref running);
                })),
        ];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        return times.All(list => list.Count > Chunks) ? times.Max(Median) : double.PositiveInfinity;
    }

    private static List<double> Time(Loop loop, int rounds, int chunks, Func<bool> counts)
    {
        var times = new List<double>(chunks);
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            long begin = Stopwatch.GetTimestamp();
            loop(rounds);
            double time = Stopwatch.GetElapsedTime(begin).TotalNanoseconds / rounds;
            if (counts())
            {
                times.Add(time);
            }
        }

        return times;
    }

    // Until the compiler's last tier has seen all of them.
    private static void Warm(Loop[] loops)
    {
        for (int turn = 0; turn < 3; turn++)
        {
            foreach (Loop loop in loops)
            {
                for (int call = 0; call < 40; call++)
                {
                    loop(200);
                }
            }

            Thread.Sleep(150);
        }
    }

    private static int RoundsOf(Loop loop)
    {
        const int Trial = 100;
        double time = Enumerable
            .Range(0, 5)
            .Min(_ =>
            {
                long begin = Stopwatch.GetTimestamp();
                loop(Trial);
                return Stopwatch.GetElapsedTime(begin).TotalNanoseconds / Trial;
            });
        return (int)Math.Clamp(ChunkNanoseconds / time, Trial, 100_000);
    }

    private static double Median(List<double> times)
    {
        times.Sort();
        return times[times.Count / 2];
    }
}
