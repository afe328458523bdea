using System.Diagnostics;
using Crosscore.Code;
using Crosscore.Rcu;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Tests;

/// <summary>
/// Threads call through a slot without pause while its code is replaced, retired and unmapped as fast as it goes.
/// Unmapped code is poison: executing it traps, which is counted. Runs in a separate process, because it takes over a
/// signal. Prints "executions of freed code, segments reclaimed, calls".
/// </summary>
internal static class ReclaimTorture
{
    private static readonly TimeSpan LongestWaitForAHit = TimeSpan.FromSeconds(10);

    /// <summary>
    /// On a busy machine a suspension waits for a caller that is off its processor, so a short run may reclaim next to
    /// nothing.
    /// </summary>
    public const int EnoughReclaimed = 1000;

    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(60);

    private static volatile bool s_isOver;
    private static long s_calls;
    private static long s_wrong;

    /// <summary>
    /// How long a run that must find nothing looks for it: seconds, CROSSCORE_TORTURE_SECONDS for more.
    /// </summary>
    private static TimeSpan Duration =>
        TimeSpan.FromSeconds(
            int.TryParse(Environment.GetEnvironmentVariable("CROSSCORE_TORTURE_SECONDS"), out int seconds) ? seconds : 3
        );

    public static int Run(CodeReclaimer? waiting, CallKind kind)
    {
        const int Value = 7;
        CodeRange range = CodeRange.OfThisProcess;
        var faults = new FaultCounter(range.Start, range.Length);
        CodeReclaimer reclaimer = waiting ?? new CodeReclaimer(new NoGracePeriod());
        bool mustHit = waiting is null || kind == CallKind.Ordinary;
        using SealedCode code = SealedCode.Seal(Slow(Value));
        InstalledCode current = code.Install();
        var slot = new CodeSlot(current.Address);

        // A thread more than processors, so that one is preempted in the middle of the code at times.
        Thread[] callers =
        [
            .. Enumerable
                .Range(0, Environment.ProcessorCount + 1)
                .Select(_ => new Thread(() => CallThrough(slot, Value, kind))),
        ];
        var collector = new Thread(Collect);
        Array.ForEach(callers, caller => caller.Start());
        collector.Start();
        long reclaimed = 0;
        long began = Stopwatch.GetTimestamp();
        while (
            mustHit
                ? faults.Hits == 0 && Stopwatch.GetElapsedTime(began) < LongestWaitForAHit
                : Stopwatch.GetElapsedTime(began) is var elapsed
                    && (elapsed < Duration || (reclaimed < EnoughReclaimed && elapsed < LongestRun + Duration))
        )
        {
            for (int swap = 0; swap < 8; swap++)
            {
                InstalledCode old = current;
                current = code.Install();
                slot.Target = current.Address;
                reclaimer.Retire(old);
                reclaimed++;
            }

            _ = reclaimer.WaitAndReclaim();
        }

        s_isOver = true;
        Array.ForEach(callers, caller => caller.Join());
        collector.Join();
        Console.WriteLine($"{faults.Hits} {reclaimed - reclaimer.Waiting} {s_calls}");
        return s_wrong == 0 ? 0 : 1;
    }

    /// <summary>
    /// mov ecx, 60; again: dec ecx; jnz again; mov eax, value; ret. Long enough to be met in the middle.
    /// </summary>
    private static byte[] Slow(int value)
    {
        var asm = new Assembler(64);
        Label again = asm.CreateLabel();
        asm.mov(ecx, 60);
        asm.Label(ref again);
        asm.dec(ecx);
        asm.jnz(again);
        asm.mov(eax, value);
        asm.ret();
        using var code = new MemoryStream();
        _ = asm.Assemble(new StreamCodeWriter(code), 0);
        return code.ToArray();
    }

    private static void CallThrough(CodeSlot slot, int value, CallKind kind)
    {
        long calls = 0;
        long wrong = 0;
        nint address = slot.Address;
        while (!s_isOver)
        {
            int answer = kind switch
            {
                CallKind.WithoutTransition => MachineCode.CallWithoutTransition(address),
                CallKind.InReadSection => CallInReadSection(address),
                _ => MachineCode.Call(address),
            };
            wrong += answer != value && answer != FaultCounter.Poison ? 1 : 0;
            calls++;
        }

        _ = Interlocked.Add(ref s_calls, calls);
        _ = Interlocked.Add(ref s_wrong, wrong);
    }

    private static int CallInReadSection(nint address)
    {
        using RcuReadSection section = RcuDomain.Default.EnterReadSection();
        return MachineCode.Call(address);
    }

    /// <summary>
    /// Collections of every kind that the program orders itself, background ones among them, beside those of the
    /// reclaimer.
    /// </summary>
    private static void Collect()
    {
        object?[] kept = new object?[4096];
        int number = 0;
        while (!s_isOver)
        {
            for (int index = 0; index < kept.Length; index++)
            {
                kept[index] = new byte[100];
            }

            GC.Collect(number % 3, GCCollectionMode.Forced, blocking: number % 2 == 0);
            number++;
            Thread.Sleep(1); // leaves time between collections for the reclaimer to make progress in
        }

        GC.KeepAlive(kept);
    }

    /// <summary>How the callers call.</summary>
    public enum CallKind
    {
        Ordinary,
        WithoutTransition,
        InReadSection,
    }

    /// <summary>The control: everybody is taken to have left at once.</summary>
    private sealed class NoGracePeriod : IGracePeriod
    {
        public bool CanWait => true;

        public long Now() => 0;

        public bool HasPassed(long moment) => true;

        public void Wait(long moment) { }
    }
}
