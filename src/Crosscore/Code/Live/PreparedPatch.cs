using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Crosscore.Code;

/// <summary>A site in its code, with where threads that meet its breakpoint go on before and after.</summary>
internal readonly record struct PlacedSite(LiveCode Code, PatchSite Site)
{
    public nint Address => Code.Memory.Address + Site.Offset;
}

/// <summary>
/// A patch that has been looked at and can be written: all refusals and all allocations are behind it, but for the kernel's. Valid as long as the lock of patches is held.
/// </summary>
internal sealed class PreparedPatch
{
    /// <summary>AMD promises it (APM vol. 2, 7.6.1), and Hygon builds AMD's processors.</summary>
    private static readonly bool QuadwordIsPromised = Vendor() is "AuthenticAMD" or "HygonGenuine";

    private readonly List<PlacedSite> _sites;
    private readonly CodeMode _mode;
    private readonly BreakpointTable? _old;
    private readonly BreakpointTable? _new;

    private PreparedPatch(List<PlacedSite> sites, CodeMode mode, PatchPlan plan, BreakpointTable? old, BreakpointTable? @new)
    {
        _sites = sites;
        _mode = mode;
        Plan = plan;
        _old = old;
        _new = @new;
    }

    public PatchPlan Plan { get; }

    /// <exception cref="CodeException">The patch is refused.</exception>
    public static PreparedPatch Of(IEnumerable<(LiveCode Code, List<CodeChange> Changes)> changes, CodeMode mode)
    {
        var sites = new List<PlacedSite>();
        var found = new List<PatchSite>();
        foreach ((LiveCode code, List<CodeChange> inIt) in changes)
        {
            found.Clear();
            PatchAnalysis.FindSites(code.Content, code.Instructions, CollectionsMarshal.AsSpan(inIt), found);
            foreach (PatchSite site in found)
            {
                sites.Add(new PlacedSite(code, site));
            }
        }

        PatchFacts facts = FactsOf(sites, mode);
        if (PatchPlanner.SingleStore(facts).Possible)
        {
            return new PreparedPatch(sites, mode, PatchPlanner.Choose(facts, null), null, null);
        }

        BreakpointTable old;
        BreakpointTable @new;
        (CodeFailure Failure, string Text)? obstacle;
        (old, @new, obstacle) = SetUp(sites);
        if (obstacle is { Failure: CodeFailure.OutOfLineMemory })
        {
            // What nobody was ever sent to can go, if no table names it: a table that was taken back may still be read by a thread in the handler.
            Release(old, @new);
            if (BreakpointTables.AllAreFree)
            {
                foreach (LiveCode code in sites.Select(site => site.Code).Distinct())
                {
                    code.ForgetUnusedCopies();
                }
            }

            (old, @new, obstacle) = SetUp(sites);
        }

        try
        {
            PatchPlan plan = PatchPlanner.Choose(facts, obstacle);
            if (plan.Method == PatchMethod.Breakpoint)
            {
                return new PreparedPatch(sites, mode, plan, old, @new);
            }

            Release(old, @new);
            return new PreparedPatch(sites, mode, plan, null, null);
        }
        catch
        {
            Release(old, @new);
            throw;
        }
    }

    private static (BreakpointTable Old, BreakpointTable New, (CodeFailure, string)? Obstacle) SetUp(List<PlacedSite> sites)
    {
        BreakpointTables.Collect();
        BreakpointTable old = BreakpointTables.Take(sites.Count);
        BreakpointTable @new = BreakpointTables.Take(sites.Count);
        return (old, @new, BreakpointHandler.Obstacle() is { } replaced ? (CodeFailure.BreakpointHandler, replaced) : Fill(sites, old, @new));
    }

    /// <summary>Writes it. Afterwards every thread executes the new instructions.</summary>
    public void Write() => Write(() => AllCores.Synchronise(_mode));

    /// <param name="synchronise">Serialises all cores, or throws. What it is worth is shown by tests in which it does nothing.</param>
    internal void Write(Action synchronise)
    {
        switch (Plan.Method)
        {
            case PatchMethod.SingleStore:
                WriteSingleStores(synchronise);
                break;
            case PatchMethod.Breakpoint:
                BreakpointProtocol.Run(CollectionsMarshal.AsSpan(_sites), _old!, _new!, synchronise);
                break;
            default:
                ExchangePages(synchronise);
                break;
        }

        foreach ((LiveCode code, PatchSite site) in _sites)
        {
            code.Changed(site);
        }
    }

    /// <summary>Gives up what was prepared.</summary>
    public void Abandon() => Release(_old, _new);

    private static void Release(BreakpointTable? old, BreakpointTable? @new)
    {
        // They were never published, but whoever filled them last may have been.
        foreach (BreakpointTable? table in (ReadOnlySpan<BreakpointTable?>)[old, @new])
        {
            if (table is not null)
            {
                BreakpointTables.Retire(table);
            }
        }

        BreakpointTables.Collect();
    }

    private static PatchFacts FactsOf(List<PlacedSite> sites, CodeMode mode)
    {
        int notOneStore = 0;
        int wider = 0;
        foreach ((_, PatchSite site) in sites)
        {
            notOneStore += site.FitsOneStore && site.Instructions == 1 ? 0 : 1;
            wider += site.IsOneByte ? 0 : 1;
        }

        return new PatchFacts(sites.Count, notOneStore, wider, mode, QuadwordIsPromised);
    }

    private static (CodeFailure Failure, string Text)? Fill(List<PlacedSite> sites, BreakpointTable old, BreakpointTable @new)
    {
        foreach ((LiveCode code, PatchSite site) in sites)
        {
            if (code.Resume(site.Offset, site.Old, out Resumption before) is { } refused)
            {
                return refused;
            }

            if (code.Resume(site.Offset, site.New, out Resumption after) is { } refusedNew)
            {
                return refusedNew;
            }

            nint address = code.Memory.Address + site.Offset;
            old.Add(address, before);
            @new.Add(address, after);
        }

        return null;
    }

    private void WriteSingleStores(Action synchronise)
    {
        foreach ((LiveCode code, PatchSite site) in _sites)
        {
            Store(code, site, site.New);
        }

        if (Plan.Synchronisations == 0)
        {
            return;
        }

        try
        {
            synchronise();
        }
        catch
        {
            foreach ((LiveCode code, PatchSite site) in _sites)
            {
                Store(code, site, site.Old);
            }

            throw;
        }
    }

    /// <summary>One store of the aligned 8 bytes in which a site differs. Two sites can share them, so their other bytes are what was stored last.</summary>
    private static void Store(LiveCode code, in PatchSite site, InstructionBytes bytes)
    {
        int word = (site.Offset + site.FirstChanged) / 8 * 8;
        ulong value = code.Memory.LoadAligned(word);
        for (int index = site.FirstChanged; index <= site.LastChanged; index++)
        {
            int shift = (site.Offset + index - word) * 8;
            value = (value & ~(0xFFul << shift)) | ((ulong)bytes[index] << shift);
        }

        code.Memory.StoreAligned(word, value);
    }

    private void ExchangePages(Action synchronise)
    {
        int page = Environment.SystemPageSize;
        Span<byte> instructions = stackalloc byte[InstructionBytes.Size];
        var done = new List<(LiveMemory Memory, int Start, byte[] Before)>();
        try
        {
            foreach (IGrouping<LiveCode, PlacedSite> group in _sites.GroupBy(site => site.Code))
            {
                int start = group.Min(site => site.Site.Offset) / page * page;
                int end = (group.Max(site => site.Site.Offset + site.Site.Length) + page - 1) / page * page;
                byte[] before = group.Key.Content[start..end].ToArray();
                byte[] after = [.. before];
                foreach ((_, PatchSite site) in group)
                {
                    site.New.CopyTo(instructions).CopyTo(after.AsSpan(site.Offset - start));
                }

                group.Key.Memory.ExchangePages(start, after);
                done.Add((group.Key.Memory, start, before));
            }

            synchronise();
        }
        catch
        {
            foreach ((LiveMemory memory, int start, byte[] before) in done)
            {
                RestorePages(memory, start, before);
            }

            throw;
        }
    }

    /// <summary>Pages that cannot be taken back would leave a patch that is refused and yet executed: the process ends instead.</summary>
    private static void RestorePages(LiveMemory memory, int start, ReadOnlySpan<byte> before)
    {
        try
        {
            memory.ExchangePages(start, before);
        }
        catch (Exception refusal)
        {
            Environment.FailFast($"Crosscore: a patch of live code was refused after pages had been exchanged, and they could not be exchanged back: {refusal.Message}");
        }
    }

    private static string Vendor()
    {
        if (!X86Base.IsSupported)
        {
            return "";
        }

        (_, int ebx, int ecx, int edx) = X86Base.CpuId(0, 0);
        return System.Text.Encoding.ASCII.GetString(MemoryMarshal.AsBytes<int>((ReadOnlySpan<int>)[ebx, edx, ecx]));
    }
}
