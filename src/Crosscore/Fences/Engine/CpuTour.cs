using Crosscore.Linux;

namespace Crosscore;

/// <summary>
/// Takes the calling thread to every CPU on which a thread of the process may run. sched_setaffinity(2) returns only when the thread runs where it may, so an instruction
/// executed behind it is executed on that CPU. Waits for its turn on each: behind a real-time thread that never sleeps it waits for ever.
/// </summary>
internal static class CpuTour
{
    private const string Threads = "/proc/self/task";
    private const string AllowedCpus = "Cpus_allowed_list:";

    /// <summary>Calls <paramref name="visit"/> on each CPU, and comes back to where the thread was allowed to run before.</summary>
    /// <returns>Why some CPU was not visited, or null.</returns>
    public static string? Make(Action visit)
    {
        Span<byte> home = stackalloc byte[Affinity.MaskLength];
        home.Clear();
        int answer = Affinity.Get(home);
        if (answer < 0)
        {
            return $"sched_getaffinity answered {Errno.Name(-answer)}";
        }

        if (ThisKernel.Here.OnlineCpus is not { } online)
        {
            return "the list of online CPUs under /sys/devices/system/cpu cannot be read";
        }

        string? failure = null;
        Span<byte> one = stackalloc byte[Affinity.MaskLength];
        one.Clear();
        for (int cpu = 0; cpu < Affinity.MaskLength * 8 && failure is null; cpu++)
        {
            if (CpuList.Contains(online, cpu))
            {
                one[cpu / 8] = (byte)(1 << (cpu % 8));
                failure = Visit(cpu, one, visit);
                one[cpu / 8] = 0;
            }
        }

        answer = Affinity.Set(home);
        return answer < 0 ? $"the thread's affinity could not be restored: sched_setaffinity answered {Errno.Name(-answer)}" : failure;
    }

    private static string? Visit(int cpu, ReadOnlySpan<byte> mask, Action visit)
    {
        int answer = Affinity.Set(mask);
        if (answer == 0)
        {
            if (Affinity.CurrentCpu != cpu)
            {
                return $"sched_setaffinity to CPU {cpu} answered success, and the thread runs on CPU {Affinity.CurrentCpu}";
            }

            visit();
            return null;
        }

        // EINVAL: outside of the thread's cpuset, or offline by now. Who is not allowed there either needs no visit.
        return answer == -Errno.EINVAL && !SomeThreadMayRunOn(cpu) ? null : $"sched_setaffinity to CPU {cpu} answered {Errno.Name(-answer)}";
    }

    private static bool SomeThreadMayRunOn(int cpu)
    {
        foreach (string thread in Directory.EnumerateDirectories(Threads))
        {
            string[] status;
            try
            {
                status = File.ReadAllLines(Path.Combine(thread, "status"));
            }
            catch (IOException)
            {
                continue; // It has ended.
            }

            string? allowed = status.FirstOrDefault(line => line.StartsWith(AllowedCpus, StringComparison.Ordinal));
            if (allowed is null || CpuList.Contains(allowed.AsSpan(AllowedCpus.Length), cpu))
            {
                return true;
            }
        }

        return false;
    }
}
