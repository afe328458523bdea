using System.Diagnostics;

namespace Crosscore.Bench.Machine;

/// <summary>
/// What one writes first: two threads, a meeting before every iteration, volatile accesses, nothing pinned, nothing
/// prefetched. The peer of the runner.
/// </summary>
internal sealed class NaiveHarness
{
    private readonly Cell _x = new();
    private readonly Cell _y = new();
    private readonly Cell[] _arrived = [new(), new()];

    /// <summary>A number far from every other: the naive harness has heard of false sharing.</summary>
    private sealed class Cell
    {
#pragma warning disable CS0169, IDE0051 // never used: they keep the neighbors away
        private readonly Padding _before;
        public int Value;
        private readonly Padding _after;
#pragma warning restore CS0169, IDE0051
    }

    [System.Runtime.CompilerServices.InlineArray(128)]
    private struct Padding
    {
        private byte _first;
    }

    /// <summary>How the threads meet.</summary>
    public enum Meeting
    {
        /// <summary><see cref="System.Threading.Barrier"/>.</summary>
        Barrier,

        /// <summary>Counters and <see cref="SpinWait"/>.</summary>
        SpinWait,
    }

    /// <summary>Runs store buffering.</summary>
    /// <returns>Iterations made, how many ended in 0:0, and the time.</returns>
    public (long Iterations, long Weak, TimeSpan Time) Run(Meeting meeting, long iterations, TimeSpan limit)
    {
        using var barrier = new Barrier(2);
        int[] left = new int[iterations];
        int[] right = new int[iterations];
        long done = 0;
        long began = Stopwatch.GetTimestamp();

        void Meet(int me, int number)
        {
            if (meeting == Meeting.Barrier)
            {
                barrier.SignalAndWait();
                return;
            }

            // Pairs with the other thread's Volatile.Read below: who sees my number sees all that I did before.
            Volatile.Write(ref _arrived[me].Value, number);
            var spin = new SpinWait();
            while (Volatile.Read(ref _arrived[1 - me].Value) < number)
            {
                spin.SpinOnce(sleep1Threshold: -1); // never the sleep of a millisecond, or nothing is measured but that
            }
        }

        void Play(int me, Cell mine, Cell other, int[] results)
        {
            int number = 0;
            for (long index = 0; index < iterations; index++)
            {
                Volatile.Write(ref mine.Value, 0);
                Meet(me, ++number);
                Volatile.Write(ref mine.Value, 1);
                results[index] = Volatile.Read(ref other.Value);
                if (me == 0)
                {
                    done = Stopwatch.GetElapsedTime(began) > limit ? -(index + 1) : done;
                }

                Meet(me, ++number);
                if (done < 0)
                {
                    return;
                }
            }
        }

        var partner = new Thread(() => Play(1, _y, _x, right));
        partner.Start();
        Play(0, _x, _y, left);
        partner.Join();
        long made = done < 0 ? -done : iterations;
        long weak = 0;
        for (long index = 0; index < made; index++)
        {
            weak += left[index] == 0 && right[index] == 0 ? 1 : 0;
        }

        return (made, weak, Stopwatch.GetElapsedTime(began));
    }
}
