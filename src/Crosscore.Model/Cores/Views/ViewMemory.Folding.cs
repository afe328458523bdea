using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// Forgets writes that no view distinguishes any more, so that loops and kernels have finitely many states. It is
/// never done where all writes are promised first: there a CPU starts at the beginning of the list.
/// </summary>
internal sealed partial class ViewMemory
{
    // Every field of the state that holds a position.
    private BitField[] _positions = [];

    /// <summary>Notes which fields hold positions; call it when the layout is complete.</summary>
    /// <param name="registers">The views of registers.</param>
    public void CollectPositions(IEnumerable<ViewField> registers)
    {
        IEnumerable<BitField> Both(ViewField view) => [view.Read, view.Write];
        IEnumerable<BitField> OfCpu(CpuViews cpu) =>
            [
                .. Both(cpu.Loads),
                cpu.Stores,
                .. Both(cpu.LoadFloor),
                cpu.StoreFloor,
                cpu.Control,
                cpu.Release,
                .. cpu.Coherence.SelectMany(Both),
                .. cpu.Own.SelectMany(own => (BitField[])[own.Position, .. Both(own.View), own.Value, own.Load]),
                cpu.ReservedPosition,
                .. Both(cpu.ReservedView),
                cpu.Fetched,
                cpu.FetchFloor,
                cpu.Completed,
                cpu.Cleaned,
                cpu.Invalidated,
                cpu.CleanFloor,
                cpu.Decided,
            ];
        _positions =
        [
            .. _cpus
                .SelectMany(OfCpu)
                .Concat(registers.SelectMany(Both))
                .Concat(_messages)
                .Where(field => field.Mask != 0)
                .Distinct(),
        ];
    }

    /// <summary>Forgets what it can.</summary>
    /// <param name="state">The state.</param>
    /// <param name="from">Only writes after this position.</param>
    /// <param name="reads">For each CPU, the cells (<see cref="CellSpan.Mask"/>) that may still be read there.</param>
    /// <param name="loadsLeft">How many loads of a cell all CPUs together can still make; <see cref="int.MaxValue"/>
    /// where that has no limit.</param>
    public void Fold(Span<ulong> state, int from, ReadOnlySpan<ulong> reads, Func<int, int> loadsLeft)
    {
        if (HasTables)
        {
            return;
        }

        for (int position = from + 1; position <= Writes.Count(state); )
        {
            int place = Writes.Place(state, position);

            // Code and its maintenance stay: what a fetch may return is found among them.
            if (Writes.IsPromise(state, position) || place >= _cells || IsCode(place))
            {
                position++;
            }
            else if (from > 0 && Writes.Newest(state, place, Writes.Count(state)) > position)
            {
                // A CPU alone: it stored there again, and no other CPU is there to look. What was behind the write
                // stays behind what is now in its place.
                Remove(state, position, position + 1);
            }
            else if (from == 0 && IsHidden(state, position, reads))
            {
                Remove(state, position, position);
            }
            else if (
                from == 0
                && (position == 1 ? IsSeenByAll(state, place, 1, reads) : IsForgotten(state, position, reads))
            )
            {
                _memory.Initialize(state, place, Writes.Value(state, position));
                Remove(state, position, position);
            }
            else if (RepeatsNext(state, position))
            {
                Remove(state, position + 1, position + 1, merged: true);
            }
            else if (from == 0 && IsOneMore(state, position, loadsLeft))
            {
                Remove(state, position, position);
            }
            else
            {
                position++;
            }
        }
    }

    // Writes of one cell side by side, as of a scheduler that switches again and again while no CPU looks. No view can
    // fall between them but one of that cell. So if all CPUs together can make no more than k loads of it, what they
    // see there is a sequence of at most k of the values in their order, and then the last. Where the writes before
    // this one contain every sequence of k of their values, and its value is one of them, it shows no CPU anything that
    // they do not, to lower views. Test: AArch64/FoldingTests.
    private bool IsOneMore(ReadOnlySpan<ulong> state, int position, Func<int, int> loadsLeft)
    {
        int cell = Writes.Place(state, position);
        if (!IsQuietWrite(state, position + 1, cell) || !IsQuietWrite(state, position - 1, cell))
        {
            return false;
        }

        int first = position - 1;
        while (first > 1 && IsQuietWrite(state, first - 1, cell))
        {
            first--;
        }

        for (int cpu = 0; cpu < _cpus.Length; cpu++)
        {
            if (HasReservation(state, cpu, cell))
            {
                return false;
            }

            // A CPU that has seen some of them sees those from there on.
            int seen = Math.Max(_cpus[cpu].Coherence[cell].Get(state).Read, _cpus[cpu].LoadFloor.Get(state).Read);
            first = seen < position ? Math.Max(first, seen) : first;
        }

        // A stretch with all of the values in it is one letter of any sequence; so there must be as many stretches as
        // loads.
        int needed = loadsLeft(cell);
        if (
            needed == int.MaxValue
            || !Contains(state, first, position, Writes.Value(state, position))
            || IsViewed(state, position)
        )
        {
            return false;
        }

        ulong kinds = Kinds(state, first, position);

        ulong stretch = 0;
        int stretches = 0;
        for (int earlier = first; earlier < position; earlier++)
        {
            stretch |= 1UL << FirstWith(state, first, earlier);
            if (stretch == kinds)
            {
                stretches++;
                stretch = 0;
            }
        }

        return stretches >= needed;
    }

    // Some view ends with this write; without it, it would let what comes before be read.
    private bool IsViewed(ReadOnlySpan<ulong> state, int position)
    {
        foreach (BitField field in _positions)
        {
            if (field.Get(state) == position)
            {
                return true;
            }
        }

        return false;
    }

    // The values of some writes as a set, each named by the first write that has it.
    private ulong Kinds(ReadOnlySpan<ulong> state, int first, int end)
    {
        ulong kinds = 0;
        for (int position = first; position < end; position++)
        {
            kinds |= 1UL << FirstWith(state, first, position);
        }

        return kinds;
    }

    private int FirstWith(ReadOnlySpan<ulong> state, int first, int position)
    {
        int value = Writes.Value(state, position);
        int same = first;
        while (Writes.Value(state, same) != value)
        {
            same++;
        }

        return same - first;
    }

    private bool Contains(ReadOnlySpan<ulong> state, int first, int end, int value)
    {
        while (first < end && Writes.Value(state, first) != value)
        {
            first++;
        }

        return first < end;
    }

    private bool IsQuietWrite(ReadOnlySpan<ulong> state, int position, int cell) =>
        position > 0
        && position <= Writes.Count(state)
        && Writes.Place(state, position) == cell
        && !Writes.IsPromise(state, position);

    // A write of another CPU after the one that was reserved makes the exclusive store fail. It must not be forgotten
    // that it was there.
    private void LoseReservations(Span<ulong> state, int position)
    {
        int cell = Writes.Place(state, position);
        int next = position + 1;
        while (next <= Writes.Count(state) && Writes.Place(state, next) != cell)
        {
            next++;
        }

        for (int cpu = 0; cpu < _cpus.Length; cpu++)
        {
            if (!HasReservation(state, cpu, cell))
            {
                continue;
            }

            int reserved = _cpus[cpu].ReservedPosition.Get(state);
            bool passed = reserved < position && Writes.Cpu(state, position) != cpu;
            bool followed = reserved == position && next <= Writes.Count(state) && Writes.Cpu(state, next) != cpu;
            if (passed || followed)
            {
                DropReservation(state, cpu);
            }
        }
    }

    // A CPU that may still read the cell reads this write or a newer one, and comes after it in any case; older writes
    // of it are gone already.
    private bool IsForgotten(ReadOnlySpan<ulong> state, int position, ReadOnlySpan<ulong> reads)
    {
        int cell = Writes.Place(state, position);
        ulong mask = new CellSpan(cell, 1).Mask;
        for (int cpu = 0; cpu < _cpus.Length; cpu++)
        {
            if ((reads[cpu] & mask) != 0 && _cpus[cpu].LoadFloor.Get(state).Read < position)
            {
                return false;
            }
        }

        return Writes.Newest(state, cell, position - 1) == 0;
    }

    // A newer write of the same cell is behind every CPU that may still read it.
    private bool IsHidden(ReadOnlySpan<ulong> state, int position, ReadOnlySpan<ulong> reads)
    {
        int cell = Writes.Place(state, position);
        for (int newer = position + 1; newer <= Writes.Count(state); newer++)
        {
            if (Writes.Place(state, newer) == cell)
            {
                return IsSeenByAll(state, cell, newer, reads);
            }
        }

        return false;
    }

    private bool IsSeenByAll(ReadOnlySpan<ulong> state, int cell, int position, ReadOnlySpan<ulong> reads)
    {
        ulong mask = new CellSpan(cell, 1).Mask;
        for (int cpu = 0; cpu < _cpus.Length; cpu++)
        {
            if (
                (reads[cpu] & mask) != 0
                && Math.Max(_cpus[cpu].Coherence[cell].Get(state).Read, _cpus[cpu].LoadFloor.Get(state).Read) < position
            )
            {
                return false;
            }
        }

        return true;
    }

    // Two writes side by side that store the same value: a CPU that reads one of them might as well have read the
    // other, unless it can distinguish which CPU wrote it.
    private bool RepeatsNext(ReadOnlySpan<ulong> state, int position)
    {
        int next = position + 1;
        if (
            next > Writes.Count(state)
            || Writes.IsPromise(state, next)
            || Writes.Place(state, position) != Writes.Place(state, next)
            || Writes.Value(state, position) != Writes.Value(state, next)
        )
        {
            return false;
        }

        int cell = Writes.Place(state, position);
        for (int cpu = 0; cpu < _cpus.Length; cpu++)
        {
            CpuViews views = _cpus[cpu];
            if (
                views.ReservedCell.Get(state) == cell + 1
                || (views.Own[cell].Position.Get(state) == position && Writes.Cpu(state, next) != cpu)
            )
            {
                return false;
            }
        }

        return true;
    }

    // Views from a position on move down.
    private void Remove(Span<ulong> state, int position, int first, bool merged = false)
    {
        LoseReservations(state, position);
        for (int cpu = 0; cpu < _cpus.Length && !merged; cpu++)
        {
            OwnWrite own = _cpus[cpu].Own[Writes.Place(state, position)];
            if (own.Position.Get(state) == position)
            {
                ClearOwn(state, own);
            }
        }

        foreach (BitField field in _positions)
        {
            int value = field.Get(state);
            if (value >= first)
            {
                field.Set(state, value - 1);
            }
        }

        Writes.Remove(state, position);
    }
}
