using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// What one CPU remembers of memory: Promising-ARM's thread state, with the paper's names in brackets.
/// </summary>
internal sealed class CpuViews
{
    public CpuViews(ViewSizes sizes, int cells, bool fetches, int tables, int offsets, StateLayout layout)
    {
        BitField Position() => layout.Add(sizes.Writes);
        Loads = sizes.Add(layout);
        Stores = Position();
        LoadFloor = sizes.Add(layout);
        StoreFloor = Position();
        Control = Position();
        Release = Position();
        Coherence = [.. Enumerable.Range(0, cells).Select(_ => sizes.Add(layout))];
        Own =
        [
            .. Enumerable
                .Range(0, cells)
                .Select(_ => new OwnWrite(Position(), sizes.Add(layout), Position(), Position())),
        ];
        ReservedCell = layout.Add(cells);
        ReservedPosition = Position();
        ReservedView = sizes.Add(layout);
        Fetched = layout.Add(fetches ? sizes.Writes : 0);
        int implicitReads = fetches || tables > 0 ? sizes.Writes : 0;
        FetchFloor = layout.Add(implicitReads);
        Completed = layout.Add(implicitReads);
        Cleaned = layout.Add(fetches ? sizes.Writes : 0);
        Invalidated = layout.Add(implicitReads);
        CleanFloor = layout.Add(fetches ? sizes.Writes : 0);
        Decided = layout.Add(implicitReads);
        Translated = [.. Enumerable.Range(0, tables > 0 ? offsets : 0).Select(_ => Position())];
        Translation = layout.Add(tables > 0 ? sizes.Writes : 0);
        TranslationTable = layout.Add(tables);
        FencedStores = layout.Add(tables > 0 ? sizes.Writes : 0);
        Completes = layout.Add(tables > 0 ? 1 : 0);
    }

    /// <summary>All loads so far (vrOld).</summary>
    public ViewField Loads { get; }

    /// <summary>All stores so far (vwOld).</summary>
    public BitField Stores { get; }

    /// <summary>
    /// What later loads must not fall behind (vrNew); its other side binds the stores that follow from those loads.
    /// </summary>
    public ViewField LoadFloor { get; }

    /// <summary>What later stores must come after (vwNew).</summary>
    public BitField StoreFloor { get; }

    /// <summary>
    /// What the addresses of earlier accesses and the conditions of earlier branches depended on (vCAP), picks
    /// included: it binds stores, and by a context synchronization everything.
    /// </summary>
    public BitField Control { get; }

    /// <summary>
    /// What the conditions of earlier branches depended on, which alone of <see cref="Control"/> binds the maintenance
    /// of caches and TLBs.
    /// </summary>
    public BitField Decided { get; }

    /// <summary>The last release store (vRel).</summary>
    public BitField Release { get; }

    /// <summary>For each cell, what this CPU has read or written of it (coh).</summary>
    public ViewField[] Coherence { get; }

    /// <summary>For each cell, the CPU's own last store (fwdb).</summary>
    public OwnWrite[] Own { get; }

    /// <summary>The cell that a load reserved (xclb), plus one; 0 for none.</summary>
    public BitField ReservedCell { get; }

    /// <summary>The write that it read.</summary>
    public BitField ReservedPosition { get; }

    /// <summary>And its view.</summary>
    public ViewField ReservedView { get; }

    /// <summary>All instructions fetched so far of code that changes.</summary>
    public BitField Fetched { get; }

    /// <summary>
    /// What later fetches and translations must not fall behind: raised by context synchronization only.
    /// </summary>
    public BitField FetchFloor { get; }

    /// <summary>
    /// What the last DSB found complete, or a context synchronization waited for: cache maintenance comes after it.
    /// </summary>
    public BitField Completed { get; }

    /// <summary>All DC CVAU so far.</summary>
    public BitField Cleaned { get; }

    /// <summary>All IC IVAU and TLBI so far.</summary>
    public BitField Invalidated { get; }

    /// <summary>What a later DC CVAU must come after, by an earlier full DMB.</summary>
    public BitField CleanFloor { get; }

    /// <summary>
    /// For each place in a page, the translations of the accesses to that place so far, whatever the page.
    /// </summary>
    public BitField[] Translated { get; }

    /// <summary>The write that the access that is under way was translated by.</summary>
    public BitField Translation { get; }

    /// <summary>The entry that it was translated by, plus one; 0 for none that can change.</summary>
    public BitField TranslationTable { get; }

    /// <summary>The stores before the last DMB ST, which a later fault comes after.</summary>
    public BitField FencedStores { get; }

    /// <summary>Whether a TLBI was executed that no DSB has waited for.</summary>
    public BitField Completes { get; }
}

/// <summary>A CPU's own last store to a cell, which a load of it may be given before it reaches memory.</summary>
/// <param name="Position">Where it is in the list; 0 when there is none.</param>
/// <param name="View">What its address and data depended on: a load that is given it depends on them too.</param>
/// <param name="Value">As the reading side of <paramref name="View"/>, and what the storing instruction itself loaded,
/// if the value was made of it.</param>
/// <param name="Load">What the storing instruction itself loaded, which an acquire load waits for (rmw; lrs;
/// [A|Q]).</param>
internal readonly record struct OwnWrite(BitField Position, ViewField View, BitField Value, BitField Load);
