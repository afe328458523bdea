namespace Crosscore.Code;

/// <summary>
/// A patch that was checked and can be written: nothing but the kernel can refuse it any more, and nothing remains to
/// be allocated. Valid as long as the lock of patches is held.
/// </summary>
internal sealed class PreparedPatch
{
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

    /// <param name="draft">What was found out about it.</param>
    /// <param name="mode">Which guarantees to rely on.</param>
    /// <param name="conditions">Of this process, or imagined ones.</param>
    /// <param name="processor">The one that executes the code, or an imagined one.</param>
    /// <exception cref="CodeException">The patch is refused.</exception>
    public static PreparedPatch Of(
        PatchDraft draft,
        CodeMode mode,
        BreakpointConditions conditions,
        in ProcessorFacts processor
    )
    {
        PatchFacts facts = FactsOf(draft.Sites, mode, processor);
        if (PatchPlanner.SingleStore(facts).Possible)
        {
            return new PreparedPatch(draft, mode, PatchPlanner.Choose(facts, null), null, null);
        }

        (BreakpointTable? old, BreakpointTable? @new, PatchObstacle? obstacle) = SetUp(draft, conditions);
        if (obstacle is { Failure: CodeFailure.OutOfLineMemory } && BreakpointTables.AllAreFree)
        {
            // Copies that no thread was ever sent to can be freed, as no table names them: a thread in the handler may
            // still read a retired table.
            draft.ForgetUnusedCopies();
            (old, @new, obstacle) = SetUp(draft, conditions);
        }

        return new PreparedPatch(draft, mode, PatchPlanner.Choose(facts, obstacle), old, @new);
    }

    /// <returns>Two tables, or why breakpoints cannot be set.</returns>
    private static (BreakpointTable? Old, BreakpointTable? New, PatchObstacle? Obstacle) SetUp(
        PatchDraft draft,
        BreakpointConditions conditions
    )
    {
        if (conditions.ObstacleTo(draft.Sites) is { } obstacle)
        {
            return (null, null, obstacle);
        }

        draft.RefreshResumptions();
        BreakpointTables.Collect();
        BreakpointTable? old = null;
        BreakpointTable? @new = null;
        bool complete = false;
        try
        {
            old = BreakpointTables.Take(draft.Sites.Length);
            @new = BreakpointTables.Take(draft.Sites.Length);
            PatchObstacle? refused = draft.Fill(old, @new);
            complete = refused is null;
            return complete ? (old, @new, null) : (null, null, refused);
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
    public void Write() => Write(() => AllCores.Synchronize(_mode));

    /// <param name="synchronize">Serializes all cores, or throws. Tests in which it does nothing show what breaks
    /// without it.</param>
    internal void Write(Action synchronize)
    {
        switch (Plan.Method)
        {
            case PatchMethod.SingleStore:
                SingleStores.Run(_draft.Sites, Plan.Synchronizations > 0 ? synchronize : null);
                break;
            case PatchMethod.Breakpoint:
                BreakpointProtocol.Run(_draft.Sites, _old!, _new!, synchronize);
                break;
            default:
                PageExchange.Run(_draft.Sites, synchronize);
                break;
        }

        foreach ((LiveCode code, PatchSite site) in _draft.Sites)
        {
            code.Changed(site);
        }
    }

    /// <summary>Releases what was prepared.</summary>
    public void Abandon() => Release(_old, _new);

    private static void Release(BreakpointTable? old, BreakpointTable? @new)
    {
        // They were never published, but may have been when they were filled last.
        foreach (BreakpointTable? table in (ReadOnlySpan<BreakpointTable?>)[old, @new])
        {
            if (table is not null)
            {
                BreakpointTables.Retire(table);
            }
        }

        BreakpointTables.Collect();
    }

    private static PatchFacts FactsOf(ReadOnlySpan<PlacedSite> sites, CodeMode mode, in ProcessorFacts processor)
    {
        int notOneStore = 0;
        foreach ((_, PatchSite site) in sites)
        {
            notOneStore += site.FitsOneStore && site.Instructions == 1 ? 0 : 1;
        }

        return new PatchFacts(sites.Length, notOneStore, mode, processor);
    }
}
