namespace Crosscore.Code;

/// <summary>Writes sites of which each is one store within aligned 8 bytes.</summary>
internal static class SingleStores
{
    /// <param name="sites">What changes.</param>
    /// <param name="synchronize">Serializes all cores, or throws; null where the stores suffice.</param>
    /// <exception cref="CodeException">The synchronization was refused; the old instructions are stored
    /// again.</exception>
    public static void Run(ReadOnlySpan<PlacedSite> sites, Action? synchronize)
    {
        foreach ((LiveCode code, PatchSite site) in sites)
        {
            Store(code, site, site.New);
        }

        if (synchronize is null)
        {
            return;
        }

        try
        {
            synchronize();
        }
        catch (Exception refusal)
        {
            foreach ((LiveCode code, PatchSite site) in sites)
            {
                Store(code, site, site.Old);
            }

            Persistence.MakeForgotten(synchronize, refusal);
            throw;
        }
    }

    /// <summary>
    /// One store of the aligned 8 bytes in which a site differs. Two sites can share them, so their other bytes are
    /// those that were stored last.
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
}
