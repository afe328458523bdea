using System.Runtime.InteropServices;

namespace Crosscore.Bench;

/// <summary>
/// Keeps the calling thread on one processor, where the system can do that (sched_setaffinity(2)); elsewhere nothing.
/// </summary>
internal static unsafe partial class Affinity
{
    private const int Words = 16;

    /// <summary>The processors that this process may run on.</summary>
    public static int[] Cpus { get; } = Allowed();

    /// <summary>Changes nothing where the processor is not this process's to use.</summary>
    public static void Pin(int cpu)
    {
        // Looks at Cpus first: what is allowed has to be read before any thread is kept from it.
        if (Array.IndexOf(Cpus, cpu) >= 0)
        {
            Set([cpu]);
        }
    }

    public static void Release() => Set(Cpus);

    private static void Set(ReadOnlySpan<int> cpus)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        foreach (int cpu in cpus)
        {
            mask[cpu / 64] |= 1UL << (cpu % 64);
        }

        _ = SetAffinity(0, Words * sizeof(ulong), mask);
    }

    private static int[] Allowed()
    {
        if (!OperatingSystem.IsLinux())
        {
            return [.. Enumerable.Range(0, Environment.ProcessorCount)];
        }

        ulong* mask = stackalloc ulong[Words];
        new Span<ulong>(mask, Words).Clear();
        _ = GetAffinity(0, Words * sizeof(ulong), mask);
        var cpus = new List<int>();
        for (int cpu = 0; cpu < Words * 64; cpu++)
        {
            if ((mask[cpu / 64] >> (cpu % 64) & 1) != 0)
            {
                cpus.Add(cpu);
            }
        }

        return [.. cpus];
    }

    [LibraryImport("libc", EntryPoint = "sched_setaffinity")]
    private static partial int SetAffinity(int thread, nuint size, ulong* mask);

    [LibraryImport("libc", EntryPoint = "sched_getaffinity")]
    private static partial int GetAffinity(int thread, nuint size, ulong* mask);
}
