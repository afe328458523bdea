namespace Crosscore.HazardPointers;

/// <summary>When a <see cref="HazardDomain"/> domain scans, and where callbacks run.</summary>
public sealed record HazardDomainOptions
{
    /// <summary>For logs and the name of the thread that reclaims; not empty.</summary>
    public string Name { get; init; } = "Hazard pointers";

    /// <summary>How many retired objects gather before a scan, beyond one for each slot or what the last scan found
    /// protected; at least 1. Each scan costs one <see cref="AsymmetricFence.Heavy"/> and one look at each
    /// slot.</summary>
    public int ScanThreshold { get; init; } = 1000;

    /// <summary>How many bytes, by what callers of <c>Retire</c> say, gather before a scan; at least 1.</summary>
    public long ScanBytes { get; init; } = 1 << 20;

    /// <summary>Where callbacks run; by default not on the threads that retire, which may hold locks that a callback
    /// takes.</summary>
    public HazardExecutor Executor { get; init; } = HazardExecutor.Background;

    /// <summary>
    /// How long a thread that retires waits for room. Longer in tests, where a busy machine must not count.
    /// </summary>
    internal TimeSpan WaitForRoom { get; init; } = TimeSpan.FromSeconds(1);

    internal HazardDomainOptions Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Name);
        ArgumentOutOfRangeException.ThrowIfLessThan(ScanThreshold, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ScanBytes, 1);
        ArgumentNullException.ThrowIfNull(Executor);
        return this;
    }
}
