namespace Crosscore.HazardPointers;

/// <summary>When a <see cref="HazardDomain"/> scans, and where callbacks run.</summary>
public sealed record HazardDomainOptions
{
    /// <summary>The name for logs and for the thread that reclaims; not empty.</summary>
    public string Name { get; init; } = "Hazard pointers";

    /// <summary>
    /// Number of retired objects that starts a scan, on top of one for each slot or what the last scan found protected;
    /// at least 1. Each scan costs one <see cref="AsymmetricFence.Heavy"/> and one look at each slot.
    /// </summary>
    public int ScanThreshold { get; init; } = 1000;

    /// <summary>Number of retired bytes, as given to <c>Retire</c>, that starts a scan; at least 1.</summary>
    public long ScanBytes { get; init; } = 1 << 20;

    /// <summary>
    /// Where callbacks run; by default not on the threads that retire, which may hold locks that a callback takes.
    /// </summary>
    public HazardExecutor Executor { get; init; } = HazardExecutor.Background;

    /// <summary>
    /// How long a thread that retires waits for room. Longer in tests, which must not depend on a busy machine.
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
