using System.Diagnostics;
using System.Globalization;

namespace Crosscore.Bench.Barriers;

/// <summary>
/// Whether GLOBAL_EXPEDITED still reaches a registered thread after a sibling of it exited on its processor
/// (docs/guarantees.md says from which kernel on it does not). Two things tell: how long a call takes, for one that
/// interrupts a processor waits for it; and store buffering between the two sides, which the barrier forbids.
/// </summary>
internal sealed class ExitedSibling
{
    private const int CallsInRound = 2_000;
    private const int Rounds = 100;

    // Stores that wait before the one that counts keep it from the other side for longer than a call takes that
    // interrupts no processor.
    private const int StoresBefore = 40;
    private const int Line = 64; // in ints
    private const int Apart = 1040; // more than a page, so that each of them needs a translation too

    private readonly int[] _shared = GC.AllocateArray<int>((8 * Line) + (StoresBefore * Apart), pinned: true);
    private volatile int _round;
    private volatile int _roundEnded;
    private volatile bool _over;

    // On separate cache lines: what the slow side stores, what the fast side stores, the iteration, and what the fast
    // side has seen in it.
    private ref int X => ref _shared[1 * Line];

    private ref int Y => ref _shared[2 * Line];

    private ref int Iteration => ref _shared[3 * Line];

    private ref int Done => ref _shared[4 * Line];

    private ref int Seen => ref _shared[5 * Line];

    public static void Run()
    {
        Console.WriteLine();
        if (Environment.ProcessorCount < 2 || !Membarrier.Supported.HasFlag(MembarrierCommands.GlobalExpedited))
        {
            Console.WriteLine(
                "Global barriers after an exit: needs two processors and membarrier's global expedited command"
            );
            return;
        }

        Membarrier.Register(MembarrierRegistrations.GlobalExpedited);
        var table = new Table(
            "GLOBAL_EXPEDITED while a registered sibling runs on another processor. What "
                + "the barrier forbids is store buffering: neither side sees the other's store",
            "before each round of 2,000 calls",
            "calls",
            "median ns",
            "ratio",
            "store buffering"
        );
        double quiet = 0;
        foreach (bool exits in new[] { false, true })
        {
            (long calls, double median, long broken) = new ExitedSibling().Measure(exits);
            quiet = exits ? quiet : median;
            table.Add(
                exits ? "a thread exits on the sibling's processor" : "nothing",
                Table.Number(calls),
                median.ToString("N0", CultureInfo.InvariantCulture),
                Table.Ratio(median, quiet),
                Table.Number(broken)
            );
        }

        table.Print();
    }

    private (long Calls, double Median, long Broken) Measure(bool exits)
    {
        Affinity.Pin(0);
        var fast = new Thread(() => RunFastSide(exits)) { IsBackground = true };
        fast.Start();
        var times = new List<long>();
        long broken = 0;
        for (int round = 1; round <= Rounds; round++)
        {
            Volatile.Write(ref Iteration, 0);
            Volatile.Write(ref Done, 0);
            _round = round;
            for (int iteration = 1; iteration <= CallsInRound; iteration++)
            {
                Prepare(iteration);
                Volatile.Write(ref X, 1);
                long begin = Stopwatch.GetTimestamp();
                Membarrier.GlobalExpedited();
                long time = Stopwatch.GetTimestamp() - begin;
                int y = Volatile.Read(ref Y);
                while (Volatile.Read(ref Done) != iteration) { }

                // The first calls may meet the other side on its way here.
                if (iteration > 10)
                {
                    times.Add(time);
                }

                broken += y == 0 && Seen == 0 ? 1 : 0;
            }

            while (_roundEnded != round)
            {
                Thread.Sleep(0);
            }
        }

        _over = true;
        fast.Join();
        Affinity.Release();
        times.Sort();
        return (times.Count, times[times.Count / 2] * 1e9 / Stopwatch.Frequency, broken);
    }

    // Takes the lines of the stores that will have to wait away from the fast side, and starts it.
    private void Prepare(int iteration)
    {
        X = 0;
        Y = 0;
        for (int store = 0; store < StoresBefore; store++)
        {
            _shared[(8 * Line) + (store * Apart)] = 0;
        }

        Interlocked.MemoryBarrier();
        Volatile.Write(ref Iteration, iteration);
        Thread.SpinWait(iteration % 16);
    }

    private void RunFastSide(bool exits)
    {
        Affinity.Pin(1);
        for (int round = 1; round <= Rounds; round++)
        {
            while (_round != round)
            {
                Thread.Sleep(0);
            }

            if (exits)
            {
                var sibling = new Thread(() => Affinity.Pin(1)) { IsBackground = true };
                sibling.Start();
                sibling.Join();
                Thread.Sleep(1); // Join returns before the kernel has done with it
            }

            for (int iteration = 1; iteration <= CallsInRound; iteration++)
            {
                while (Volatile.Read(ref Iteration) != iteration) { }

                for (int store = 0; store < StoresBefore; store++)
                {
                    Volatile.Write(ref _shared[(8 * Line) + (store * Apart)], iteration);
                }

                // No fence between these two: the barrier of the other side is to stand for it. Pairs with
                // GlobalExpedited in Measure. Test: litmus/membarrier/StoreBuffering.MembarrierGlobalExpedited.litmus.
                Volatile.Write(ref Y, 1);
                int x = Volatile.Read(ref X);
                Seen = x;
                Interlocked.MemoryBarrier();
                Volatile.Write(ref Done, iteration);
            }

            _roundEnded = round;
        }

        while (!_over)
        {
            Thread.Sleep(0);
        }
    }
}
