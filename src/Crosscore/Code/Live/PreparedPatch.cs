namespace Crosscore.Code;

/// <summary>
/// A patch that has been looked at and can be written: all refusals and all allocations are behind it, but for the
/// kernel's. Valid as long as the lock of patches is held.
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
    /// <param name="mode">Whose word is relied on.</param>
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

        (BreakpointTable? old, BreakpointTable? @new, (CodeFailure Failure, string Text)? obstacle) = SetUp(
            draft,
            conditions
        );
        if (obstacle is { Failure: CodeFailure.OutOfLineMemory } && BreakpointTables.AllAreFree)
        {
            // What nobody was ever sent to can go, as no table names it: a table that was taken back may still be read
            // by a thread in the handler.
            draft.ForgetUnusedCopies();
            (old, @new, obstacle) = SetUp(draft, conditions);
        }

        return new PreparedPatch(draft, mode, PatchPlanner.Choose(facts, obstacle), old, @new);
    }

    /// <returns>Two tables, or why breakpoints cannot be set.</returns>
    private static (BreakpointTable? Old, BreakpointTable? New, (CodeFailure, string)? Obstacle) SetUp(
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
            (CodeFailure, string)? refused = draft.Fill(old, @new);
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
    public void Write() => Write(() => AllCores.Synchronise(_mode));

    /// <param name="synchronise">Serialises all cores, or throws. What it is worth is shown by tests in which it does
    /// nothing.</param>
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

    private static PatchFacts FactsOf(ReadOnlySpan<PlacedSite> sites, CodeMode mode, in ProcessorFacts processor)
    {
        int notOneStore = 0;
        foreach ((_, PatchSite site) in sites)
        {
            notOneStore += site.FitsOneStore && site.Instructions == 1 ? 0 : 1;
        }

        return new PatchFacts(sites.Length, notOneStore, mode, processor);
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

            MakeForgotten(synchronise, refusal);
            throw;
        }
    }

    /// <summary>
    /// After a patch was taken back in memory: until it is serialised, a core that has fetched the new instructions may
    /// go on with them, and one that has not executes the old ones. Each is whole, and an instruction begins at every
    /// place where a thread can be, so where it cannot be done this is told and does not end the process.
    /// </summary>
    /// <param name="synchronise">Serialises all cores, or throws.</param>
    /// <param name="refusal">Why the patch was taken back.</param>
    /// <exception cref="CodeException">Refused again and again;
    /// <see cref="CodeFailure.OldCodeNotConfirmed"/>.</exception>
    private static void MakeForgotten(Action synchronise, Exception refusal)
    {
        if (Persistence.Try(synchronise) is { } again)
        {
            throw new CodeException(
                CodeFailure.OldCodeNotConfirmed,
                $"The patch is refused: {refusal.Message} It was taken back, and memory holds the old instructions. "
                    + $"But the cores could not be synchronised after that either: "
                    + $"{again.Message} Until a core is serialised for another "
                    + "reason, it may go on executing new instructions that it has fetched; "
                    + "every instruction that is executed is a whole one, old or new. "
                    + "CoreSerialization.AllThreads ends this, when it is no longer refused.",
                (again as CodeException)?.Errno ?? 0,
                refusal
            );
        }
    }

    /// <summary>
    /// One store of the aligned 8 bytes in which a site differs. Two sites can share them, so their other bytes are
    /// what was stored last.
    /// </summary>
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
        PlacedSite[] sites = _draft.Sites.ToArray();
        Span<byte> instructions = stackalloc byte[InstructionBytes.Size];
        var done = new List<(LiveCode Code, int Start, byte[] Before)>();
        try
        {
            // What can be taken back comes first.
            foreach (
                IGrouping<LiveCode, PlacedSite> group in sites
                    .GroupBy(site => site.Code)
                    .OrderBy(group => group.Any(BeginsInstructions))
            )
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
                done.Add((group.Key, start, before));
            }

            if (sites.Any(BeginsInstructions))
            {
                Persistence.Insist(synchronise);
            }
            else
            {
                synchronise();
            }
        }
        catch (Exception refusal) when (done.Count > 0)
        {
            TakeBack(done, refusal);
            MakeForgotten(synchronise, refusal);
            throw;
        }
        finally
        {
            foreach ((LiveCode code, _, _) in done)
            {
                code.NameAgain();
            }
        }
    }

    /// <summary>
    /// A thread can be at an instruction that begins inside of an old one, and would go on in the middle of that one if
    /// the old page came back.
    /// </summary>
    private static bool BeginsInstructions(PlacedSite site) => site.Site.Instructions > 1;

    /// <summary>
    /// Pages that cannot be taken back would leave a patch that is refused and yet executed: the process ends instead.
    /// </summary>
    private void TakeBack(List<(LiveCode Code, int Start, byte[] Before)> done, Exception refusal)
    {
        foreach ((LiveCode exchanged, int start, byte[] before) in done)
        {
            foreach (PlacedSite site in _draft.Sites)
            {
                if (site.Code == exchanged && BeginsInstructions(site))
                {
                    Environment.FailFast(
                        $"Crosscore: a patch of live code was refused after threads "
                            + $"could be at instructions that only it has: {refusal.Message}"
                    );
                }
            }

            try
            {
                exchanged.Memory.ExchangePages(start, before);
            }
            catch (Exception again)
            {
                Environment.FailFast(
                    $"Crosscore: a patch of live code was refused after pages had been "
                        + $"exchanged, and they could not be exchanged back: {again.Message}"
                );
            }
        }
    }
}
