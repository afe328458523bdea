using System.Runtime.ExceptionServices;
using Crosscore.Linux;
using Crosscore.Threads;

namespace Crosscore;

/// <summary>
/// Takes a thread to every CPU on which a thread of the process may run. sched_setaffinity(2) returns when the thread
/// runs where it may, so an instruction after it is executed on that CPU. It waits for its turn on each CPU, and
/// forever behind a real-time thread that never sleeps. The thread is started for the visits and ends with them, so no
/// other thread is ever pinned, whatever the system refuses.
/// </summary>
internal static class CpuVisitor
{
    private const string Threads = "/proc/self/task";
    private const string AllowedCpus = "Cpus_allowed_list:";
    private const string NoList = "the list of online CPUs under /sys/devices/system/cpu cannot be read";
    private const int ESRCH = 3; // the thread has ended since its folder was found

    /// <summary>
    /// Calls <paramref name="visit"/> on each CPU, on another thread, and waits for that thread. Throws what
    /// <paramref name="visit"/> threw.
    /// </summary>
    /// <returns>Why a CPU was not visited, or null.</returns>
    public static string? VisitAll(Action visit)
    {
        string? failure = "the thread that visits them did not run";
        ExceptionDispatchInfo? thrown = null;
        var thread = new Thread(() =>
        {
            try
            {
                failure = VisitInTurn(visit);
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
            return $"no thread could be started ({refusal.Message})";
        }

        // Other threads may rely on the visits, so an interruption does not break off the wait.
        using var uninterrupted = new Uninterrupted();
        while (true)
        {
            try
            {
                thread.Join();
                break;
            }
            catch (ThreadInterruptedException)
            {
                uninterrupted.Remember();
            }
        }

        thrown?.Throw();
        return failure;
    }

    /// <summary>Checks whether the system allows to move a thread and lists its CPUs, without moving any.</summary>
    /// <returns>Why it does not, or null.</returns>
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
            : ThisKernel.Instance.OnlineCpus is null ? NoList
            : MayRun(-1, out _);
    }

    private static string? VisitInTurn(Action visit)
    {
        if (ThisKernel.Instance.OnlineCpus is not { } online)
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

        // EINVAL: the CPU is outside of the thread's cpuset, or offline by now. It needs no visit if no other thread
        // may run there either.
        return answer != -Errno.EINVAL ? $"sched_setaffinity to CPU {cpu} answered {Errno.Name(-answer)}"
            : MayRun(cpu, out bool isAllowed) is { } obstacle
                ? $"whether a thread may run on CPU {cpu} is unknown: {obstacle}"
            : isAllowed ? $"sched_setaffinity to CPU {cpu} answered EINVAL, and another thread may run there"
            : null;
    }

    /// <summary>Finds out whether a thread of the process may run on a CPU.</summary>
    /// <returns>Why that is unknown, or null.</returns>
    private static string? MayRun(int cpu, out bool isAllowed)
    {
        isAllowed = false;
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
            isAllowed |= allowed is null || CpuList.Contains(allowed.AsSpan(AllowedCpus.Length), cpu);
        }

        return null;
    }
}
