using System.Runtime.InteropServices;

namespace Crosscore.Tests.Fences;

/// <summary>Keeps a thread on a processor, so that two threads of a trial really run at the same time.</summary>
internal static partial class Processor
{
    public static void NeedsTwo() => Assert.SkipUnless(Environment.ProcessorCount >= 2, "Needs two processors that run at the same time.");

    /// <summary>Does nothing where the system has no such call or that processor is not this process's to use.</summary>
    public static void Pin(int processor)
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
