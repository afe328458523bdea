namespace Crosscore.Rcu;

/// <summary>
/// A grace period that was asked for and may be asked about: see <see cref="RcuDomain.StartPoll"/>. <c>default</c>
/// belongs to no domain.
/// </summary>
public readonly record struct RcuGracePeriod
{
    internal RcuGracePeriod(RcuDomain domain, long number)
    {
        Domain = domain;
        Number = number;
    }

    internal RcuDomain? Domain { get; }

    /// <summary>The number in its domain, for logs.</summary>
    public long Number { get; }
}
