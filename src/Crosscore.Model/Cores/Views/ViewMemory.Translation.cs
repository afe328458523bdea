using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// Translation (Arm ARM B2.3 and D8; Simner, Armstrong, Pichon-Pharabod and others, ESOP 2022): before it accesses
/// memory an instruction reads the entry of the page, and a TLB may give it any write of that entry, however old.
/// Invalidations of TLBs take their places among the writes, as the maintenance of instruction caches does, and so does
/// the moment at which a DSB finds them complete. Reading an entry that is hidden by an invalidation is possible only
/// for an access that is done before the invalidation completes.
/// </summary>
internal sealed partial class ViewMemory
{
    // The cells that are entries, and the page that each translates.
    private readonly int[] _tables;
    private readonly ulong[] _pages;

    // For each cell, the number of its place in its page; -1 for an entry, which is accessed without a translation.
    private readonly int[] _placeInPage;

    /// <summary>Whether the program has translation tables.</summary>
    public bool HasTables => _tables.Length > 0;

    /// <summary>The cell of the entry for an address; -1 where the program has none.</summary>
    public int EntryFor(ulong address)
    {
        int index = Array.IndexOf(_pages, TableEntry.PageOf(address));
        return index < 0 ? -1 : _tables[index];
    }

    /// <summary>
    /// The place in the list of an invalidation of one entry, or, of the entry -1, of all; <paramref name="here"/>: of
    /// the TLB of one CPU only.
    /// </summary>
    public int PlaceOfInvalidation(int entry, bool here) =>
        FirstInvalidation
        + (here ? _tables.Length + 1 : 0)
        + (entry < 0 ? _tables.Length : Array.IndexOf(_tables, entry));

    /// <summary>The place in the list where the invalidations of a CPU so far are complete.</summary>
    public int PlaceOfCompletion => FirstInvalidation + (2 * (_tables.Length + 1));

    private int FirstInvalidation => _cells + (2 * _code.Length) + 1;

    private int InvalidationPlaces => HasTables ? (2 * (_tables.Length + 1)) + 1 : 0;

    /// <summary>What an invalidation of TLBs must come after.</summary>
    public int BeforeInvalidation(ReadOnlySpan<ulong> state, int cpu, View address) =>
        BeforeAnyMaintenance(state, cpu, address);

    /// <summary>An invalidation takes a position in the list. Only a full DSB waits for it.</summary>
    public void Invalidate(Span<ulong> state, int cpu, int position)
    {
        Raise(state, _cpus[cpu].Invalidated, position);
        _cpus[cpu].Completes.Set(state, 1);
    }

    /// <summary>Whether a CPU executed an invalidation that no DSB has waited for.</summary>
    public bool HasIncompleteInvalidations(ReadOnlySpan<ulong> state, int cpu) => _cpus[cpu].Completes.Get(state) != 0;

    /// <summary>What the completion of the invalidations of a CPU must come after: them.</summary>
    public int BeforeCompletion(ReadOnlySpan<ulong> state, int cpu) => _cpus[cpu].Invalidated.Get(state);

    /// <summary>
    /// The invalidations of a CPU are complete, at a position in the list. The DSB that waited for them puts everything
    /// later after it.
    /// </summary>
    public void CompleteInvalidations(Span<ulong> state, int cpu, int position)
    {
        Raise(state, _cpus[cpu].Invalidated, position);
        _cpus[cpu].Completes.Set(state, 0);
    }

    /// <summary>
    /// Whether a completion at a position differs from one right behind the invalidation. What lies between them is no
    /// matter to either, unless it is a write of an entry: the invalidation hides what is older than that, and the
    /// completion may still come after accesses that saw it.
    /// </summary>
    public bool MayCompleteAt(ReadOnlySpan<ulong> state, int cpu, int position)
    {
        for (int between = position - 1; between > 0; between--)
        {
            int place = Writes.Place(state, between);
            if (place >= FirstInvalidation && place < PlaceOfCompletion && Writes.Cpu(state, between) == cpu)
            {
                return between == position - 1;
            }

            if (Array.IndexOf(_tables, place) >= 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// The writes of an entry that a translation may read, newest first; 0 stands for the entry from before all writes.
    /// </summary>
    public void Translatable(ReadOnlySpan<ulong> state, int cpu, int entry, View address, List<int> positions)
    {
        // Nothing but a context synchronization ([IFB-ob]) and what its address depends on ([dob: addr]) puts a
        // translation after what its CPU did before.
        int floor = Math.Max(_cpus[cpu].FetchFloor.Get(state), address.Read);
        for (int position = Writes.Count(state); position >= 0; position--)
        {
            // Not one's own promise: [lmws: R-TTD; po-loc; W].
            bool isWrite =
                position == 0
                || (
                    Writes.Place(state, position) == entry
                    && !(Writes.IsPromise(state, position) && Writes.Cpu(state, position) == cpu)
                );
            if (isWrite && IsTranslatable(state, cpu, entry, position, floor))
            {
                positions.Add(position);
            }
        }
    }

    private bool IsTranslatable(ReadOnlySpan<ulong> state, int cpu, int entry, int position, int floor)
    {
        int newer = NextWrite(state, entry, position);
        if (newer == 0)
        {
            return true;
        }

        // [TLBuncacheable-ca]: what no TLB may hold is read as memory has it.
        if (!TableEntry.IsCacheable(_memory.Values[ValueAt(state, entry, position)]) && newer <= floor)
        {
            return false;
        }

        // [TLBI-ca] or else [R-TTD; TLBI-after; TLBI; DSB-ob]; what an invalidation by another CPU waits for is more.
        int complete = FirstCompletion(state, cpu, entry, newer, byOthers: false);
        return complete == 0 || floor < complete;
    }

    /// <summary>
    /// A translation reads a write of an entry. What it returns depends on the address alone; that it took place binds
    /// the access that follows.
    /// </summary>
    public void Translate(Span<ulong> state, int cpu, int entry, int position)
    {
        CpuViews views = _cpus[cpu];
        views.Translation.Set(state, position);
        views.TranslationTable.Set(state, Array.IndexOf(_tables, entry) + 1);
    }

    // The access that was translated takes place.
    private void NoteTranslation(Span<ulong> state, int cpu, int cell, View address, AccessOrder order)
    {
        int place = order.HasFlag(AccessOrder.Translated) ? _placeInPage[cell] : -1;
        if (place < 0)
        {
            return;
        }

        // [dob: R-TTD; tr-ib; M; po; W] and [IFB-ob: R-TTD; tr-ib; M; po; IFB], as what an address depends on.
        CpuViews views = _cpus[cpu];
        int translation = views.Translation.Get(state);
        Raise(state, views.Control, translation);
        Raise(
            state,
            views.Translated[place],
            Math.Max(Math.Max(translation, address.Read), views.FetchFloor.Get(state))
        );
    }

    /// <summary>
    /// Whether an access of a cell is early enough where another CPU's invalidation hides its translation: [tr-ib^-1;
    /// TLBI-after; TLBI; DSB-ob; ext], and for the translations of earlier accesses to the same place of any page
    /// [R-TTD; tr-ib; same-low-order-bits; tr-ib^-1; R-TTD; TLBI-after; TLBI; DSB-ob; ext].
    /// </summary>
    public bool IsInTime(ReadOnlySpan<ulong> state, int cpu, int cell, int view)
    {
        int complete = CompletionHidingTranslation(state, cpu);
        int place = _placeInPage[cell];
        return complete == 0 || (view < complete && (place < 0 || _cpus[cpu].Translated[place].Get(state) < complete));
    }

    /// <summary>
    /// Whether a fault is early enough. It has no place in the page: earlier translations make no difference.
    /// </summary>
    public bool IsFaultInTime(ReadOnlySpan<ulong> state, int cpu, View address)
    {
        int complete = CompletionHidingTranslation(state, cpu);
        return complete == 0 || BeforeFault(state, cpu, address) < complete;
    }

    /// <summary>A fault takes place.</summary>
    /// <param name="state">The state.</param>
    /// <param name="cpu">The CPU.</param>
    /// <param name="address">What its address depends on.</param>
    /// <param name="synchronizes">Whether it is the entry of an exception that synchronizes the context.</param>
    public void Fault(Span<ulong> state, int cpu, View address, bool synchronizes)
    {
        // [IFB-ob: R; pick-addr-dep; tr-ib; IFB; po], [R-TTD; tr-ib; IFB; po]
        CpuViews views = _cpus[cpu];
        Raise(state, views.Control, synchronizes ? Math.Max(address.Write, views.Translation.Get(state)) : 0);
    }

    // What a fault comes after: its translation, and in program order fences, acquire loads and context
    // synchronizations ([bob] to MMU-FAULT). Earlier accesses alone, and what its value or its being executed depends
    // on, order effects that it does not have.
    private int BeforeFault(ReadOnlySpan<ulong> state, int cpu, View address)
    {
        CpuViews views = _cpus[cpu];
        int ordered = Math.Max(views.LoadFloor.Get(state).Read, views.FencedStores.Get(state));
        return Math.Max(ordered, Math.Max(address.Read, views.Translation.Get(state)));
    }

    private int CompletionHidingTranslation(ReadOnlySpan<ulong> state, int cpu)
    {
        int table = _cpus[cpu].TranslationTable.Get(state) - 1;
        int newer = table < 0 ? 0 : NextWrite(state, _tables[table], _cpus[cpu].Translation.Get(state));

        // It may have come into the list only after the translation.
        return newer == 0 ? 0 : FirstCompletion(state, cpu, _tables[table], newer, byOthers: true);
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

    // Where the first of the invalidations of an entry for a CPU after a position is complete; 0 for none. One that no
    // DSB waits for hides nothing.
    private int FirstCompletion(ReadOnlySpan<ulong> state, int cpu, int entry, int position, bool byOthers)
    {
        int first = 0;
        int count = Writes.Count(state);
        for (position++; position <= count; position++)
        {
            int place = Writes.Place(state, position);
            bool own = Writes.Cpu(state, position) == cpu;
            bool everywhere =
                place == PlaceOfInvalidation(entry, here: false) || place == PlaceOfInvalidation(-1, here: false);
            bool here = place == PlaceOfInvalidation(entry, here: true) || place == PlaceOfInvalidation(-1, here: true);
            if ((everywhere && !(own && byOthers)) || (here && own && !byOthers))
            {
                int complete = CompletionOf(state, position);
                first = complete == 0 || (first > 0 && first < complete) ? first : complete;
            }
        }

        return first;
    }

    private int CompletionOf(ReadOnlySpan<ulong> state, int invalidation)
    {
        int count = Writes.Count(state);
        for (int position = invalidation + 1; position <= count; position++)
        {
            if (
                Writes.Place(state, position) == PlaceOfCompletion
                && Writes.Cpu(state, position) == Writes.Cpu(state, invalidation)
            )
            {
                return position;
            }
        }

        return 0;
    }
}
