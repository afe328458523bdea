using Crosscore.Rcu;

namespace Crosscore.Code;

/// <summary>
/// The read sections of an RCU domain as a grace period for code that is called inside them. The domain orders them;
/// its tests and litmus tests show how.
/// </summary>
internal sealed class ReadSectionGracePeriod(RcuDomain domain) : IGracePeriod
{
    public bool CanWait => !domain.IsInReadSection;

    /// <summary>
    /// Returns a moment: a grace period that begins after it proves that sections from before it have ended.
    /// </summary>
    public long Now() => domain.StartPoll().Number;

    public bool HasPassed(long moment) => domain.Poll(new RcuGracePeriod(domain, moment));

    public void Wait(long moment)
    {
        // One that begins now begins after any moment there was.
        if (!HasPassed(moment))
        {
            domain.Synchronize();
        }
    }

    /// <summary>Whether the caller is inside a section that crosses an await cannot be known.</summary>
    public bool Wait(long moment, TimeSpan limit) => HasPassed(moment) || domain.TrySynchronize(limit);
}
