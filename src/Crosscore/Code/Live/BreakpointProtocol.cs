using Crosscore.Isa;

namespace Crosscore.Code;

/// <summary>
/// Writes any number of sites while threads execute them, with three synchronizations of all cores for all of them
/// together. After each store a core may execute what it fetched before, until it is synchronized; so between two
/// synchronizations only such bytes change as no core can be executing, or one byte, which is always fetched whole.
/// </summary>
/// <remarks>
/// <para>1. INT3 is stored on the first byte of each site; a thread that meets it executes the old instruction
/// elsewhere. Synchronize: now no thread executes any site in place, so none fetches its other bytes. 2. The other
/// bytes are stored. Synchronize: now no core can fetch old ones. 3. From here on, atomically for all sites, a thread
/// that meets INT3 executes the new instruction elsewhere; then the first bytes are stored. Synchronize: now no thread
/// can meet INT3 any more.</para>
/// <para>Without the first synchronization a core may still execute an old first byte with new others, without the
/// second a new first byte with old others, without the third nothing is torn, but the table must not go
/// (litmus/code/Breakpoint.litmus and its twins, each without one of them).</para>
/// <para>No thread is made to wait: a garbage collection that has stopped us could be waiting for that thread. Nothing
/// is allocated between the first store and the last.</para>
/// </remarks>
internal static class BreakpointProtocol
{
    /// <param name="sites">What changes.</param>
    /// <param name="old">Where threads continue until all new bytes are in place.</param>
    /// <param name="new">Where they continue from then on.</param>
    /// <param name="synchronize">Serializes all cores, or throws.</param>
    /// <exception cref="CodeException">The first synchronization was refused; everything is as it was
    /// before.</exception>
    public static void Run(
        ReadOnlySpan<PlacedSite> sites,
        BreakpointTable old,
        BreakpointTable @new,
        Action synchronize
    )
    {
        BreakpointControl.Publish(old);
        foreach ((LiveCode code, PatchSite site) in sites)
        {
            code.Memory.Store(site.Offset, X86_64Encoder.Int3);
        }

        try
        {
            synchronize();
        }
        catch
        {
            // Only first bytes have changed, and changing them back is a change of one byte, too. A core that executes
            // an INT3 it fetched before comes to the handler late, which lets it execute what stands there now: the old
            // instruction.
            foreach ((LiveCode code, PatchSite site) in sites)
            {
                code.Memory.Store(site.Offset, site.Old[0]);
            }

            BreakpointControl.Publish(null);
            BreakpointTables.Retire(old);
            BreakpointTables.Retire(@new);
            throw;
        }

        foreach ((LiveCode code, PatchSite site) in sites)
        {
            for (int index = 1; index < site.Length; index++)
            {
                code.Memory.Store(site.Offset + index, site.New[index]);
            }
        }

        Persistence.Insist(synchronize);
        BreakpointControl.Publish(@new);
        foreach ((LiveCode code, PatchSite site) in sites)
        {
            code.Memory.Store(site.Offset, site.New[0]);
        }

        Persistence.Insist(synchronize);
        BreakpointControl.Publish(null);
        BreakpointTables.Retire(old);
        BreakpointTables.Retire(@new);
    }
}
