using System.Runtime.InteropServices;
using Crosscore.PerCpu;

namespace Crosscore.Tests.PerCpu;

/// <summary>The system calls that tests need to place threads and to disturb them.</summary>
internal static unsafe partial class Threads
{
    private static readonly Lazy<int[]> LazyCpus = new(() =>
        [.. Enumerable.Range(0, 1024).Where(cpu => (Mask()[cpu / 64] >> cpu % 64 & 1) != 0)]
    );

    /// <summary>The CPUs this process may run on.</summary>
    public static int[] Cpus => LazyCpus.Value;

    public static int CurrentId => GetTid();

    public static void NeedSections() =>
        Assert.SkipUnless(RestartableSequences.IsAvailable, $"Needs sections: {RestartableSequences.Explanation}");

    public static void NeedRestarts() =>
        Assert.SkipUnless(
            RestartableSequences.CanRestart,
            $"Needs sections and their barrier: {RestartableSequences.Explanation} {RestartableSequences.Barrier}"
        );

    public static void NeedTwoCpus() => Assert.SkipUnless(Cpus.Length >= 2, "Needs two processors.");

    /// <summary>Lets a thread run on these CPUs only; 0 is the calling thread.</summary>
    public static void Place(int thread, params ReadOnlySpan<int> cpus)
    {
        Span<ulong> mask = stackalloc ulong[16];
        mask.Clear();
        foreach (int cpu in cpus)
        {
            mask[cpu / 64] |= 1UL << (cpu % 64);
        }

        fixed (ulong* bits = mask)
        {
            // A thread that has ended already is no error: storms outlive their victims by a moment.
            _ = SchedSetAffinity(thread, (nuint)(mask.Length * sizeof(ulong)), bits);
        }
    }

    public static void Signal(int thread, int signal) => _ = TgKill(Environment.ProcessId, thread, signal);

    /// <summary>Runs one action on each of some threads, rethrows what they throw, and waits for all.</summary>
    public static void Run(int count, Action<int> action)
    {
        var failures = new List<Exception>();
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, count)
                .Select(number => new Thread(() =>
                {
                    try
                    {
                        action(number);
                    }
                    catch (Exception failure)
                    {
                        lock (failures)
                        {
                            failures.Add(failure);
                        }
                    }
                })),
        ];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        if (failures.Count > 0)
        {
            throw new AggregateException(failures);
        }
    }

    private static ulong[] Mask()
    {
        ulong[] mask = new ulong[16];
        fixed (ulong* bits = mask)
        {
            Assert.True(SchedGetAffinity(Environment.ProcessId, (nuint)(mask.Length * sizeof(ulong)), bits) >= 0);
        }

        return mask;
    }

    [LibraryImport("libc", EntryPoint = "gettid")]
    private static partial int GetTid();

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SchedSetAffinity(int thread, nuint size, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int SchedGetAffinity(int thread, nuint size, ulong* mask);

    [LibraryImport("libc", EntryPoint = "tgkill")]
    private static partial int TgKill(int process, int thread, int signal);
}
