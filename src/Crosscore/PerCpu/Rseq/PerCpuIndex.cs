namespace Crosscore.PerCpu;

/// <summary>Which number of a thread selects its slot.</summary>
public enum PerCpuIndex
{
    /// <summary>The CPU it runs on, cpu_id: one barrier to one CPU stops a slot.</summary>
    Cpu,

    /// <summary>
    /// Its concurrency id, mm_cid (Linux 6.3): unique among the threads of the process that run at the same time, and
    /// small, so a process that may use few CPUs of a large machine touches few slots. Which CPU uses a slot is not
    /// known, so stopping one restarts sections on all.
    /// </summary>
    ConcurrencyId,
}
