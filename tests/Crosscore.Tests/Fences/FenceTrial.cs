using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Crosscore.Tests.Fences;

/// <summary>
/// Store buffering between a light and a heavy side, in C#: each stores its turn and looks for the other's. No thread
/// waits for another; afterwards every pair of turns is judged. The outcome is forbidden in which turn i of the light
/// side missed turn j of the heavy side, and that one missed turn i.
/// </summary>
internal static unsafe class FenceTrial
{
    private const int LightTurns = 1 << 20;
    private const int HeavyTurns = 1 << 15;
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    /// <summary>
    /// The protocol with a heavy side of choice: how many turns of it were judged, and how many showed the forbidden
    /// outcome.
    /// </summary>
    /// <param name="heavy">What the heavy side does between its accesses.</param>
    /// <param name="enough">Ends the trial: turns judged, violations.</param>
    public static (long Judged, long Violations) Run(Action heavy, Func<long, long, bool> enough)
    {
        long* light = Cell();
        long* other = Cell();
        long[] seenByLight = new long[LightTurns + 1];
        long[] seenByHeavy = new long[HeavyTurns + 1];
        long judged = 0;
        long violations = 0;
        long began = Stopwatch.GetTimestamp();
        while (!enough(judged, violations) && Stopwatch.GetElapsedTime(began) < Bound)
        {
            *light = 0;
            *other = 0;
            int heavyTurns = 0;
            bool over = false;
            using var start = new Barrier(2);
            var thread = new Thread(() =>
            {
                Processor.Pin(1);
                start.SignalAndWait();
                LightSide(light, other, seenByLight);
                Volatile.Write(ref over, true);
            });
            thread.Start();
            using Processor.Hold held = Processor.HoldOn(0);
            start.SignalAndWait();
            while (!Volatile.Read(ref over) && heavyTurns < HeavyTurns)
            {
                heavyTurns++;
                *other = heavyTurns;
                heavy();
                seenByHeavy[heavyTurns] = *light;
            }

            thread.Join();
            for (int turn = 1; turn <= heavyTurns; turn++)
            {
                // The first turn of the light side that this one missed.
                long missed = seenByHeavy[turn] + 1;
                if (missed <= LightTurns)
                {
                    judged++;
                    violations += seenByLight[missed] < turn ? 1 : 0;
                }
            }
        }

        NativeMemory.AlignedFree(light);
        NativeMemory.AlignedFree(other);
        return (judged, violations);
    }

    /// <summary>
    /// As the child of a test: the mode; the pair; and the same with a heavy side that is a fence of the calling thread
    /// alone, and one that is none.
    /// </summary>
    public static void RunAndPrint()
    {
        Console.WriteLine(AsymmetricFence.Mode);
        Print(Run(AsymmetricFence.Heavy, static (judged, _) => judged >= 3_000));
        Print(Run(Interlocked.MemoryBarrier, static (judged, violations) => violations > 0 || judged >= 20_000_000));
        Print(Run(Interlocked.MemoryBarrier, static (judged, _) => judged >= 100_000));
        Print(Run(static () => { }, static (judged, violations) => violations > 0 || judged >= 20_000_000));

        static void Print((long Judged, long Violations) result) =>
            Console.WriteLine($"{result.Judged} {result.Violations}");
    }

    // Plain accesses: nothing but the fence keeps them in order.
    private static void LightSide(long* mine, long* other, long[] seen)
    {
        for (int turn = 1; turn < seen.Length; turn++)
        {
            *mine = turn;
            AsymmetricFence.Light();
            seen[turn] = *other;
        }
    }

    private static long* Cell() => (long*)NativeMemory.AlignedAlloc(256, 256);
}
