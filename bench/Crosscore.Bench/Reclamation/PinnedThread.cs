using System.Runtime.InteropServices;

namespace Crosscore.Bench.Reclamation;

/// <summary>Runs something on a thread that stays on one processor, as the C program's threads do.</summary>
internal static partial class PinnedThread
{
    public static T Run<T>(int processor, Func<T> measured)
    {
        T? result = default;
        Thread thread = Start(processor, () => result = measured());
        thread.Join();
        return result!;
    }

    public static Thread Start(int processor, Action action)
    {
        var thread = new Thread(() =>
        {
            Pin(processor);
            action();
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }

    private static void Pin(int processor)
    {
        if (OperatingSystem.IsLinux())
        {
            ulong mask = 1UL << processor;
            _ = SetAffinity(0, sizeof(ulong), in mask);
        }
    }

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nint length, in ulong mask);
}
