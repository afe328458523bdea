using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Crosscore.Code;

/// <summary>
/// A patch that has been looked at and can be written: all refusals and all allocations are behind it, but for the kernel's. Valid as long as the lock of patches is held.
/// </summary>
internal sealed class PreparedPatch
{
    /// <summary>AMD promises it (APM vol. 2, 7.6.1), and Hygon builds AMD's processors.</summary>
    private static readonly bool QuadwordIsPromised = Vendor() is "AuthenticAMD" or "HygonGenuine";

    private readonly PatchDraft _draft;
    private readonly CodeMode _mode;
    private readonly BreakpointTable? _old;
    private readonly BreakpointTable? _new;

    private PreparedPatch(PatchDraft draft, CodeMode mode, PatchPlan plan, BreakpointTable? old, BreakpointTable? @new)
    {
        _draft = draft;
        _mode = mode;
        Plan = plan;
        _old = old;
        _new = @new;
    }

    public PatchPlan Plan { get; }

    /// <exception cref="CodeException">The patch is refused.</exception>
    public static PreparedPatch Of(PatchDraft draft, CodeMode mode)
    {
        PatchFacts facts = FactsOf(draft.Sites, mode);
        if (PatchPlanner.SingleStore(facts).Possible)
        {
            return new PreparedPatch(draft, mode, PatchPlanner.Choose(facts, null), null, null);
        }

        (BreakpointTable? old, BreakpointTable? @new, (CodeFailure Failure, string Text)? obstacle) = SetUp(draft);
        if (obstacle is { Failure: CodeFailure.OutOfLineMemory } && BreakpointTables.AllAreFree)
        {
            // What nobody was ever sent to can go, as no table names it: a table that was taken back may still be read by a thread in the handler.
            draft.ForgetUnusedCopies();
            (old, @new, obstacle) = SetUp(draft);
        }

        return new PreparedPatch(draft, mode, PatchPlanner.Choose(facts, obstacle), old, @new);
    }

    /// <returns>Two tables, or why breakpoints cannot be set.</returns>
    private static (BreakpointTable? Old, BreakpointTable? New, (CodeFailure, string)? Obstacle) SetUp(PatchDraft draft)
    {
        if (BreakpointHandler.Obstacle() is { } replaced)
        {
            return (null, null, (CodeFailure.BreakpointHandler, replaced));
        }

        draft.RefreshResumptions();
        BreakpointTables.Collect();
        BreakpointTable old = BreakpointTables.Take(draft.Sites.Length);
        BreakpointTable? @new = null;
        bool complete = false;
        try
        {
            @new = BreakpointTables.Take(draft.Sites.Length);
            if (draft.Fill(old, @new) is { } refused)
            {
                return (null, null, refused);
            }

            complete = true;
            return (old, @new, null);
        }
        finally
        {
            if (!complete)
            {
                Release(old, @new);
            }
        }
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
                BreakpointProtocol.Run(_draft.Sites, _old!, _new!, synchronise);
                break;
            default:
                ExchangePages(synchronise);
                break;
        }

        foreach ((LiveCode code, PatchSite site) in _draft.Sites)
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

    private static PatchFacts FactsOf(ReadOnlySpan<PlacedSite> sites, CodeMode mode)
    {
        int notOneStore = 0;
        int wider = 0;
        foreach ((_, PatchSite site) in sites)
        {
            notOneStore += site.FitsOneStore && site.Instructions == 1 ? 0 : 1;
            wider += site.IsOneByte ? 0 : 1;
        }

        return new PatchFacts(sites.Length, notOneStore, wider, mode, QuadwordIsPromised);
    }

    private void WriteSingleStores(Action synchronise)
    {
        foreach ((LiveCode code, PatchSite site) in _draft.Sites)
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
        catch (Exception refusal)
        {
            foreach ((LiveCode code, PatchSite site) in _draft.Sites)
            {
                Store(code, site, site.Old);
            }

            DemandForgotten(synchronise, refusal);
            throw;
        }
    }

    /// <summary>
    /// A patch was taken back: other cores may have fetched its instructions and go on with them until they are serialised, so they are asked once more. Each instruction is whole all the same, so this is no reason to end
    /// the process.
    /// </summary>
    /// <exception cref="CodeException">Refused again: it says what is known.</exception>
    private static void DemandForgotten(Action synchronise, Exception refusal)
    {
        if (Persistence.Try(synchronise) is { } again)
        {
            throw new CodeException(
                CodeFailure.SynchronisationRefused,
                $"The patch is refused, because the cores had to be synchronised and could not be: {refusal.Message} It has been taken back, and the code's bytes are as they were before. But that could not be told to the "
                + $"other cores either ({again.Message}): a thread that has met an instruction of the patch may execute it again, whole, until its core is next serialised, by an interrupt or a switch of threads.",
                (refusal as CodeException)?.Errno ?? 0,
                refusal);
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
            foreach (IGrouping<LiveCode, PlacedSite> group in _draft.Sites.ToArray().GroupBy(site => site.Code))
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
        catch (Exception refusal)
        {
            foreach ((LiveMemory memory, int start, byte[] before) in done)
            {
                RestorePages(memory, start, before);
            }

            if (done.Count > 0)
            {
                DemandForgotten(synchronise, refusal);
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
