namespace Crosscore.Code;

/// <summary>
/// The runtime's suspension of all threads for a garbage collection, as a grace period for code that is called only
/// through slots and only with SuppressGCTransition.
/// </summary>
/// <remarks>
/// <para>Such a call leaves the thread in cooperative mode from before the stub loads the cell until after the return.
/// A suspension is complete only when no thread is in cooperative mode outside a safe point, and native code has
/// none. So at the moment T at which a suspension is complete, no thread is between the stub and the return.</para>
/// <para>The collector counts a collection only while all threads are suspended for it (dotnet/runtime, src/coreclr/gc:
/// SuspendEE comes before update_collection_counts, which gc1 calls, and before update_collection_counts_for_no_gc; the
/// thread of a background collection counts before it resumes the others). <see cref="Now"/> runs in managed code,
/// so in cooperative mode, after the slot was changed; it does not run between T and the end of that suspension. If the
/// count is seen to have grown since, it grew in a suspension that was not complete when <see cref="Now"/> read it. So
/// T came after the change of the slot, and a thread that enters the stub after T loads the new target.</para>
/// <para>Without the stub the argument fails: managed code may be suspended between loading a code address and calling
/// it. With an ordinary unmanaged call it fails too: the thread is in preemptive mode then, and the runtime does not
/// wait for it. Shown by the control in CodeReclaimerTests.</para>
/// </remarks>
internal sealed class SuspensionGracePeriod : IGracePeriod
{
    // in code that keeps the runtime from suspending its thread there is no managed code to ask
    public bool CanWait => true;

    public long Now() => GC.CollectionCount(0); // counts collections of every generation

    /// <summary>Compared for difference, because the count wraps around.</summary>
    public bool HasPassed(long moment) => GC.CollectionCount(0) != moment;

    public void Wait(long moment)
    {
        // The collector may count a collection that was already in progress as the requested one; the count decides,
        // not the return.
        while (!HasPassed(moment))
        {
            GC.Collect(0, GCCollectionMode.Forced, blocking: true);
        }
    }
}
