namespace Crosscore.HazardPointers;

/// <summary>
/// Decides on which thread, and when, a domain scans whose callbacks do not run on the threads that retire.
/// </summary>
internal abstract class HazardScheduler
{
    /// <summary>A list has something that is to be looked at before long.</summary>
    public const int Later = 1;

    /// <summary>A list is to be scanned now.</summary>
    public const int Due = 2;

    /// <summary>Takes notice of a list. Returns why it cannot, or null.</summary>
    public abstract Exception? Notice(HazardGarbageList list, int urgency);

    /// <summary>Nothing more will be retired.</summary>
    public virtual void Close() { }
}
