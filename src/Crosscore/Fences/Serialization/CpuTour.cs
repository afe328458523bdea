using System.Runtime.ExceptionServices;
using Crosscore.Linux;
using Crosscore.Threads;

namespace Crosscore;

/// <summary>
/// Takes a thread to every CPU on which a thread of the process may run. sched_setaffinity(2) returns only when the
/// thread runs where it may, so an instruction executed behind it is executed on that CPU. Waits for its turn on
/// each: behind a real-time thread that never sleeps it waits for ever. The thread is one that is started for it and
/// ends with it, so no other thread is ever pinned, whatever the system refuses on the way.
/// </summary>
internal static class CpuTour
{
    private const string Threads = "/proc/self/task";
    private const string AllowedCpus = "Cpus_allowed_list:";
    private const string NoList = "the list of online CPUs under /sys/devices/system/cpu cannot be read";
    private const int ESRCH = 3; // the thread has ended since its folder was found

    /// <summary>
    /// Calls <paramref name="visit"/> on each CPU, on another thread; returns when that has ended, and throws what
    /// <paramref name="visit"/> threw.
    /// </summary>
    /// <returns>Why some CPU was not visited, or null.</returns>
    public static string? Make(Action visit)
    {
        string? failure = "the thread for it did not run";
        ExceptionDispatchInfo? thrown = null;
        var thread = new Thread(() =>
        {
            try
            {
                failure = Tour(visit);
            }
            catch (Exception exception)
            {
                thrown = ExceptionDispatchInfo.Capture(exception);
            }
        })
        {
            IsBackground = true,
        };
        try
        {
            thread.Start();
        }
        catch (Exception refusal) when (refusal is OutOfMemoryException or ThreadStartException)
        {
            return $"no thread could be started for it ({refusal.Message})";
        }

        // The thread may be on its way for others' sake: the wait is not broken off.
        using var steady = new Uninterrupted();
        while (true)
        {
            try
            {
                thread.Join();
                break;
            }
            catch (ThreadInterruptedException)
            {
                steady.Remember();
            }
        }

        thrown?.Throw();
        return failure;
    }

    /// <summary>Whether the system lets a thread be moved and tells which CPUs there are, without moving any.</summary>
    /// <returns>Why not, or null.</returns>
    public static string? FindObstacle()
    {
        Span<byte> home = stackalloc byte[Affinity.MaskLength];
        home.Clear();
        int answer = Affinity.Get(home);
        if (answer < 0)
        {
            return $"sched_getaffinity answered {Errno.Name(-answer)}";
        }

        answer = Affinity.Set(home);
        return answer < 0 ? $"sched_setaffinity answered {Errno.Name(-answer)}"
            : ThisKernel.Here.OnlineCpus is null ? NoList
            : MayRun(-1, out _);
    }

    private static string? Tour(Action visit)
    {
        if (ThisKernel.Here.OnlineCpus is not { } online)
        {
            return NoList;
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

        return failure;
    }

    private static string? Visit(int cpu, ReadOnlySpan<byte> mask, Action visit)
    {
        int answer = Affinity.Set(mask);
        if (answer == 0)
        {
            if (Affinity.CurrentCpu != cpu)
            {
                return $"sched_setaffinity to CPU {cpu} answered success, "
                    + $"and the thread runs on CPU {Affinity.CurrentCpu}";
            }

            visit();
            return null;
        }

        // EINVAL: outside of the thread's cpuset, or offline by now. A CPU on which no other thread may run either
        // needs no visit.
        return answer != -Errno.EINVAL ? $"sched_setaffinity to CPU {cpu} answered {Errno.Name(-answer)}"
            : MayRun(cpu, out bool someThread) is { } obstacle
                ? $"it cannot be told whether a thread may run on CPU {cpu}: {obstacle}"
            : someThread ? $"sched_setaffinity to CPU {cpu} answered EINVAL, and another thread may run there"
            : null;
    }

    /// <summary>Whether some thread of the process may run on a CPU.</summary>
    /// <returns>Why that cannot be told, or null.</returns>
    private static string? MayRun(int cpu, out bool someThread)
    {
        someThread = false;
        List<string> threads = [];
        int answer = OpenFile.ListNames(Threads, threads);
        if (answer < 0)
        {
            return $"{Threads} cannot be listed ({Errno.Name(-answer)})";
        }

        foreach (string thread in threads)
        {
            answer = OpenFile.ReadText($"{Threads}/{thread}/status", out string status);
            if (answer is -Errno.ENOENT or -ESRCH)
            {
                continue; // it has ended
            }

            if (answer < 0)
            {
                return $"the status of a thread cannot be read ({Errno.Name(-answer)})";
            }

            string? allowed = status
                .Split('\n')
                .FirstOrDefault(line => line.StartsWith(AllowedCpus, StringComparison.Ordinal));
            someThread |= allowed is null || CpuList.Contains(allowed.AsSpan(AllowedCpus.Length), cpu);
        }

        return null;
    }
}
