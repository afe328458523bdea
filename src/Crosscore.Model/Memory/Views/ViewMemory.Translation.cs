using Crosscore.Model.Programs;

namespace Crosscore.Model.Memory.Views;

/// <summary>
/// Translation (Arm ARM B2.3 and D8; Simner, Armstrong, Pichon-Pharabod and others, ESOP 2022): before it accesses memory an instruction reads the entry of the page, and a TLB may
/// give it any write of that entry, however old. Invalidations of TLBs take their places among the writes, as the maintenance of instruction caches does. Reading an entry that is hidden
/// by an invalidation is possible only for an access that is done before the invalidation completes.
/// </summary>
internal sealed partial class ViewMemory
{
    // The cells that are entries, and the page that each translates.
    private readonly int[] _tables;
    private readonly ulong[] _pages;

    /// <summary>Whether the program has translation tables.</summary>
    public bool HasTables => _tables.Length > 0;

    /// <summary>The cell of the entry for an address; -1 where the program has none.</summary>
    public int EntryFor(ulong address)
    {
        int index = Array.IndexOf(_pages, TableEntry.PageOf(address));
        return index < 0 ? -1 : _tables[index];
    }

    /// <summary>The place in the list of an invalidation of one entry, or, of the entry -1, of all; <paramref name="here"/>: of the TLB of one CPU only.</summary>
    public int PlaceOfInvalidation(int entry, bool here) =>
        FirstInvalidation + (here ? _tables.Length + 1 : 0) + (entry < 0 ? _tables.Length : Array.IndexOf(_tables, entry));

    private int FirstInvalidation => _cells + (2 * _code.Length) + 1;

    private int InvalidationPlaces => HasTables ? 2 * (_tables.Length + 1) : 0;

    /// <summary>What an invalidation of TLBs must come after: [DSB-ob], [CSE-ob], [R; addr].</summary>
    public int BeforeInvalidation(ReadOnlySpan<ulong> state, int cpu, View address) => Math.Max(address.Read, _cpus[cpu].Completed.Get(state));

    /// <summary>An invalidation takes a position in the list. Only a full DSB waits for it.</summary>
    public void Invalidate(Span<ulong> state, int cpu, int position) => Raise(state, _cpus[cpu].Invalidated, position);

    /// <summary>The writes of an entry that a translation may read, newest first; 0 stands for the entry from before all writes.</summary>
    public void Translatable(ReadOnlySpan<ulong> state, int cpu, int entry, List<int> positions)
    {
        CpuViews views = _cpus[cpu];

        // Nothing but a context synchronisation puts a translation after what its CPU did before ([CSE-ob]).
        int floor = views.FetchFloor.Get(state);

        // [R-TTD; tr-ib; po-va; tr-ib^-1; R-TTD; TLBI-after; TLBI; DSB-ob; ext]: an earlier translation of the page is done before the invalidation, if this one is.
        int earlier = Math.Max(floor, views.Translated[Array.IndexOf(_tables, entry)].Get(state));
        for (int position = Writes.Count(state); position >= 0; position--)
        {
            // Not one's own promise: [R-TTD; tr-ib; po; W].
            bool isWrite = position == 0 || (Writes.Place(state, position) == entry && !(Writes.IsPromise(state, position) && Writes.Cpu(state, position) == cpu));
            if (isWrite && IsTranslatable(state, cpu, entry, position, floor, earlier))
            {
                positions.Add(position);
            }
        }
    }

    private bool IsTranslatable(ReadOnlySpan<ulong> state, int cpu, int entry, int position, int floor, int earlier)
    {
        int newer = NextWrite(state, entry, position);
        if (newer == 0)
        {
            return true;
        }

        // [TLBUncacheable; ca]: what no TLB may hold is read as memory has it.
        if (!TableEntry.IsCacheable(_memory.Values[ValueAt(state, entry, position)]) && newer <= floor)
        {
            return false;
        }

        // [R-TTD; TLBI-after; TLBI; DSB-ob]; what an invalidation by another CPU waits for is more.
        int hidden = NextInvalidation(state, cpu, entry, newer, byOthers: false);
        int waitsFor = NextInvalidation(state, cpu, entry, newer, byOthers: true);
        return (hidden == 0 || floor < hidden) && (waitsFor == 0 || earlier < waitsFor);
    }

    /// <summary>A translation reads a write of an entry. What it returns depends on the address alone; that it took place binds the access that follows.</summary>
    public void Translate(Span<ulong> state, int cpu, int entry, int position)
    {
        CpuViews views = _cpus[cpu];
        int table = Array.IndexOf(_tables, entry);
        views.Translation.Set(state, position);
        views.TranslationTable.Set(state, table + 1);
        if (table < 0)
        {
            return;
        }

        Raise(state, views.Translated[table], Math.Max(position, views.FetchFloor.Get(state)));

        // [R-TTD; tr-ib; po; W] and [R-TTD; tr-ib; po; CSE], as what an address depends on.
        views.Control.Raise(state, View.Of(position));
    }

    /// <summary>Whether a view is early enough for an access whose translation another CPU's invalidation hides: [tr-ib^-1; TLBI-after; TLBI; DSB-ob; ext].</summary>
    public bool IsInTime(ReadOnlySpan<ulong> state, int cpu, int view)
    {
        int table = _cpus[cpu].TranslationTable.Get(state) - 1;
        int newer = table < 0 ? 0 : NextWrite(state, _tables[table], _cpus[cpu].Translation.Get(state));

        // It may have come into the list only after the translation.
        int hidden = newer == 0 ? 0 : NextInvalidation(state, cpu, _tables[table], newer, byOthers: true);
        return hidden == 0 || view < hidden;
    }

    /// <summary>What a fault comes after: what an access in its place would, and where nothing is mapped all accesses before it, as of the same location.</summary>
    public int BeforeFault(ReadOnlySpan<ulong> state, int cpu, View address, bool unmapped)
    {
        CpuViews views = _cpus[cpu];
        int before = Math.Max(BeforeLoad(state, cpu, address, AccessOrder.Plain).Read, views.Translation.Get(state));
        return unmapped ? Math.Max(before, Math.Max(views.Loads.Get(state).Read, views.Stores.Get(state))) : before;
    }

    private int NextWrite(ReadOnlySpan<ulong> state, int cell, int position)
    {
        int count = Writes.Count(state);
        for (position++; position <= count; position++)
        {
            if (Writes.Place(state, position) == cell)
            {
                return position;
            }
        }

        return 0;
    }

    // The first invalidation of an entry for a CPU after a position; 0 for none.
    private int NextInvalidation(ReadOnlySpan<ulong> state, int cpu, int entry, int position, bool byOthers)
    {
        int count = Writes.Count(state);
        for (position++; position <= count; position++)
        {
            int place = Writes.Place(state, position);
            bool own = Writes.Cpu(state, position) == cpu;
            bool everywhere = place == PlaceOfInvalidation(entry, here: false) || place == PlaceOfInvalidation(-1, here: false);
            bool here = place == PlaceOfInvalidation(entry, here: true) || place == PlaceOfInvalidation(-1, here: true);
            if ((everywhere && !(own && byOthers)) || (here && own && !byOthers))
            {
                return position;
            }
        }

        return 0;
    }
}
