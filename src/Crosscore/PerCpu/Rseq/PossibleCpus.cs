using Crosscore.Linux;

namespace Crosscore.PerCpu;

/// <summary>How many CPUs per-CPU data has slots for.</summary>
internal static class PossibleCpus
{
    /// <summary>
    /// Gets the number of slots, one for each CPU that may come online. Never too few, so an answer that was refused
    /// once may stay.
    /// </summary>
    public static int Slots { get; } = Count();

    private static int Count()
    {
        string? list = ThisKernel.Instance.PossibleCpus;
        int last = list is null ? -1 : CpuList.Last(list);
        if (last >= 0)
        {
            return last + 1;
        }

        // Without the list, which takes a descriptor and /sys to read: as many as any kernel has where slots cost
        // addresses only, and as many as the runtime sees elsewhere, where processors share a slot without harm.
        return OperatingSystem.IsLinux() ? Affinity.MaskLength * 8 : Math.Max(Environment.ProcessorCount, 64);
    }
}
