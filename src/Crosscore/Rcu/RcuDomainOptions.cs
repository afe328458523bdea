namespace Crosscore.Rcu;

/// <summary>How a domain batches what is retired, and how much of it may wait.</summary>
public sealed record RcuDomainOptions
{
    /// <summary>For logs and the name of the thread that reclaims.</summary>
    public string Name { get; init; } = "RCU";

    /// <summary>So many items are worth a grace period at once; at least 1.</summary>
    public int BatchCount { get; init; } = 256;

    /// <summary>So many bytes are worth a grace period at once; at least 1.</summary>
    public long BatchBytes { get; init; } = 1 << 20;

    /// <summary>
    /// How long the thread of the domain gathers items at most before it begins a grace period for them; from 0 to a
    /// day. Counted from when it finds the first one, which it does not while it waits for the grace period of the
    /// batch before, or runs its callbacks.
    /// </summary>
    public TimeSpan MaximumDelay { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>When so many items wait, <c>Retire</c> waits too; at least <see cref="BatchCount"/>.</summary>
    public long LimitCount { get; init; } = 100_000;

    /// <summary>When so many bytes wait, <c>Retire</c> waits too; at least <see cref="BatchBytes"/>.</summary>
    public long LimitBytes { get; init; } = 256L << 20;

    /// <summary>
    /// How long one call of <c>Retire</c> waits at most when a limit is reached; then it goes on and is counted as an
    /// overrun. A reader that never leaves so slows its writers down and does not stop them.
    /// <see cref="Timeout.InfiniteTimeSpan"/> waits until there is room: for ever, if the caller is inside of a section
    /// that crosses an await, because nobody can know that it is.
    /// </summary>
    public TimeSpan BackPressureTimeout { get; init; } = TimeSpan.FromSeconds(1);

    internal RcuDomainOptions Validate()
    {
        ArgumentException.ThrowIfNullOrEmpty(Name);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchCount, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(LimitCount, BatchCount);
        ArgumentOutOfRangeException.ThrowIfLessThan(LimitBytes, BatchBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaximumDelay, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaximumDelay, TimeSpan.FromDays(1));
        if (BackPressureTimeout != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(BackPressureTimeout, TimeSpan.Zero);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(BackPressureTimeout, TimeSpan.FromDays(1));
        }

        return this;
    }
}
