namespace Crosscore.Code;

/// <summary>Writes sites by exchanging the pages in which they lie, atomically for each piece of code.</summary>
internal static class PageExchange
{
    /// <param name="placed">What changes.</param>
    /// <param name="synchronize">Serializes all cores, or throws.</param>
    /// <exception cref="CodeException">Refused; the old pages are there again.</exception>
    public static void Run(ReadOnlySpan<PlacedSite> placed, Action synchronize)
    {
        PlacedSite[] sites = placed.ToArray();
        var done = new List<(LiveCode Code, int Start, byte[] Before)>();
        try
        {
            // Code whose exchange can be undone comes first.
            foreach (
                IGrouping<LiveCode, PlacedSite> group in sites
                    .GroupBy(site => site.Code)
                    .OrderBy(group => group.Any(BeginsInstructions))
            )
            {
                done.Add(Exchange(group.Key, group));
            }

            if (sites.Any(BeginsInstructions))
            {
                Persistence.Insist(synchronize);
            }
            else
            {
                synchronize();
            }
        }
        catch (Exception refusal) when (done.Count > 0)
        {
            Undo(sites, done, refusal);
            Persistence.MakeForgotten(synchronize, refusal);
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

    private static (LiveCode Code, int Start, byte[] Before) Exchange(LiveCode code, IEnumerable<PlacedSite> sites)
    {
        int page = Environment.SystemPageSize;
        int start = sites.Min(site => site.Site.Offset) / page * page;
        int end = (sites.Max(site => site.Site.Offset + site.Site.Length) + page - 1) / page * page;
        byte[] before = code.Content[start..end].ToArray();
        byte[] after = [.. before];
        Span<byte> instructions = stackalloc byte[InstructionBytes.Size];
        foreach ((_, PatchSite site) in sites)
        {
            site.New.CopyTo(instructions).CopyTo(after.AsSpan(site.Offset - start));
        }

        code.Memory.ExchangePages(start, after);
        return (code, start, before);
    }

    /// <summary>
    /// Whether a thread can be at an instruction that begins inside an old one. It would continue in the middle of that
    /// one if the old page came back.
    /// </summary>
    private static bool BeginsInstructions(PlacedSite site) => site.Site.Instructions > 1;

    /// <summary>
    /// Pages that cannot be exchanged back would leave a patch that is refused and yet executed, so the process ends
    /// instead.
    /// </summary>
    private static void Undo(
        PlacedSite[] sites,
        List<(LiveCode Code, int Start, byte[] Before)> done,
        Exception refusal
    )
    {
        foreach ((LiveCode exchanged, int start, byte[] before) in done)
        {
            if (sites.Any(site => site.Code == exchanged && BeginsInstructions(site)))
            {
                Environment.FailFast(
                    "Crosscore: a patch of live code was refused after threads could be at instructions that only the "
                        + $"patch has: {refusal.Message}"
                );
            }

            try
            {
                exchanged.Memory.ExchangePages(start, before);
            }
            catch (Exception again)
            {
                Environment.FailFast(
                    "Crosscore: a patch of live code was refused after pages had been exchanged, and they could not "
                        + $"be exchanged back: {again.Message}"
                );
            }
        }
    }
}
