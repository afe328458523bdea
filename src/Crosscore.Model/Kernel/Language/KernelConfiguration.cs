using System.Numerics;

namespace Crosscore.Model.Kernel.Language;

/// <summary>A task as the test places it.</summary>
/// <param name="Mm">The number of its address space, or -1 for a kernel thread.</param>
/// <param name="Cpu">The CPU that it runs on at the start, or -1 when it runs on none.</param>
/// <param name="Holds">The number of an address space that a kernel thread may borrow, or -1: it is counted among its
/// users from the start.</param>
internal readonly record struct KernelTask(int Mm, int Cpu, int Holds = -1);

/// <summary>
/// What a kernel design is compiled for: loops over CPUs are unrolled, and variables get one element for each CPU, task
/// and address space.
/// </summary>
internal sealed class KernelConfiguration
{
    /// <summary>Describes a machine and the tasks on it.</summary>
    /// <param name="cpus">How many CPUs there are, from 1 to 64.</param>
    /// <param name="online">Those of them that are online, as a bit mask.</param>
    /// <param name="tasks">The tasks; at most one runs on a CPU.</param>
    public KernelConfiguration(int cpus, ulong online, IReadOnlyList<KernelTask> tasks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(cpus, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(cpus, 64);
        ArgumentNullException.ThrowIfNull(tasks);
        if (online == 0 || BitOperations.Log2(online) >= cpus)
        {
            throw new ArgumentOutOfRangeException(
                nameof(online),
                online,
                $"At least one CPU is online, and only the CPUs 0 to {cpus - 1} can be."
            );
        }

        var taken = new HashSet<int>();
        foreach (KernelTask task in tasks)
        {
            if (task.Cpu >= 0 && (task.Cpu >= cpus || ((online >> task.Cpu) & 1) == 0 || !taken.Add(task.Cpu)))
            {
                throw new ArgumentException(
                    $"A task cannot start on CPU {task.Cpu}: it is not online, or another one starts there.",
                    nameof(tasks)
                );
            }
        }

        Cpus = cpus;
        Online = online;
        Tasks = tasks;
        AddressSpaces = tasks.Select(task => Math.Max(task.Mm, task.Holds) + 1).DefaultIfEmpty(0).Max();
    }

    /// <summary>How many CPUs there are.</summary>
    public int Cpus { get; }

    /// <summary>Those of them that are online, as a bit mask.</summary>
    public ulong Online { get; }

    /// <summary>The tasks.</summary>
    public IReadOnlyList<KernelTask> Tasks { get; }

    /// <summary>How many address spaces there are.</summary>
    public int AddressSpaces { get; }

    /// <summary>The task that runs on a CPU at the start, or -1.</summary>
    internal int RunningOn(int cpu)
    {
        for (int task = 0; task < Tasks.Count; task++)
        {
            if (Tasks[task].Cpu == cpu)
            {
                return task;
            }
        }

        return -1;
    }
}
