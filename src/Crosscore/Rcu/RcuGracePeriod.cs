namespace Crosscore.Rcu;

/// <summary>
/// A grace period that <see cref="RcuDomain.StartPoll"/> asked for and <see cref="RcuDomain.Poll"/> asks about.
/// <c>default</c> belongs to no domain.
/// </summary>
public readonly record struct RcuGracePeriod
{
    internal RcuGracePeriod(RcuDomain domain, long number)
    {
        Domain = domain;
        Number = number;
    }

    internal RcuDomain? Domain { get; }

    /// <summary>Gets the number of the grace period in its domain, for logs.</summary>
    public long Number { get; }
}
