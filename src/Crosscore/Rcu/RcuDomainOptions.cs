namespace Crosscore.Rcu;

/// <summary>How a domain batches what is retired, and how much of it may wait.</summary>
public sealed record RcuDomainOptions
{
    /// <summary>The name for logs and for the thread that reclaims; not empty.</summary>
    public string Name { get; init; } = "RCU";

    /// <summary>Number of pending items that starts a grace period immediately; at least 1.</summary>
    public int BatchCount { get; init; } = 256;

    /// <summary>Number of pending bytes that starts a grace period immediately; at least 1.</summary>
    public long BatchBytes { get; init; } = 1 << 20;

    /// <summary>
    /// How long the thread of the domain gathers items at most before it begins a grace period for them; from 0 to a
    /// day. The time begins when the thread finds the first item, which it does not do while it waits for the grace
    /// period of the batch before or runs the callbacks of that batch.
    /// </summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>
    /// Number of pending items from which <c>Retire</c> waits for room; at least <see cref="BatchCount"/>.
    /// </summary>
    public long MaxPendingCount { get; init; } = 100_000;

    /// <summary>
    /// Number of pending bytes from which <c>Retire</c> waits for room; at least <see cref="BatchBytes"/>.
    /// </summary>
    public long MaxPendingBytes { get; init; } = 256L << 20;

    /// <summary>
    /// How long one call of <c>Retire</c> waits for room at most; from 0 to a day. After that time the call retires
    /// anyway and is counted as an overrun, so a reader that never leaves slows writers down and does not stop them.
    /// <see cref="Timeout.InfiniteTimeSpan"/> waits until there is room: forever, if the caller is inside of a section
    /// that crosses an await, because the library cannot know that it is.
    /// </summary>
    public TimeSpan BackPressureTimeout { get; init; } = TimeSpan.FromSeconds(1);

    internal RcuDomainOptions Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Name);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPendingCount, BatchCount);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxPendingBytes, BatchBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxDelay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxDelay, TimeSpan.FromDays(1));
        if (BackPressureTimeout != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(BackPressureTimeout, TimeSpan.Zero);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(BackPressureTimeout, TimeSpan.FromDays(1));
        }

        return this;
    }
}
