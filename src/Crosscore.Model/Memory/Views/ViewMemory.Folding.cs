using Crosscore.Model.Exploration;

namespace Crosscore.Model.Memory.Views;

/// <summary>
/// Forgets writes that no view can tell apart any more, so that loops and kernels have finitely many states. It is never done where all writes are promised first:
/// there a CPU starts at the beginning of the list.
/// </summary>
internal sealed partial class ViewMemory
{
    /// <summary>How many loads of a cell all CPUs together may still do; <see cref="StaticAnalysis.ManyLoads"/> for any number.</summary>
    public delegate int LooksLeft(ReadOnlySpan<ulong> state, int cell);

    // How many looks at writes that go to and fro are kept apart where a loop may look any number of times.
    private const int LooksInLoops = 3;

    // Every field of the state that holds a position.
    private BitField[] _positions = [];

    /// <summary>Notes which fields hold positions; call it when the layout is complete.</summary>
    /// <param name="registers">The views of registers.</param>
    public void CollectPositions(IEnumerable<ViewField> registers)
    {
        IEnumerable<BitField> Both(ViewField view) => [view.Read, view.Write];
        IEnumerable<BitField> OfCpu(CpuViews cpu) =>
        [
            .. Both(cpu.Loads), cpu.Stores, .. Both(cpu.LoadFloor), cpu.StoreFloor, .. Both(cpu.Control), cpu.Release, .. cpu.Coherence.SelectMany(Both),
            .. cpu.Own.SelectMany(own => (BitField[])[own.Position, .. Both(own.View), own.Value, own.Load]), cpu.ReservedPosition, .. Both(cpu.ReservedView),
        ];
        _positions = [.. _cpus.SelectMany(OfCpu).Concat(registers.SelectMany(Both)).Concat(_messages).Where(field => field.Mask != 0).Distinct()];
    }

    /// <summary>Forgets what it can.</summary>
    /// <param name="state">The state.</param>
    /// <param name="from">Only writes after this position.</param>
    /// <param name="reads">For each CPU, the cells (<see cref="CellSpan.Mask"/>) that may still be read there.</param>
    /// <param name="looks">How many loads of a cell everybody together may still do.</param>
    /// <returns>Whether all that was forgotten could not be told apart; otherwise a loop that looks often enough could have.</returns>
    public bool Fold(Span<ulong> state, int from, ReadOnlySpan<ulong> reads, LooksLeft looks)
    {
        if (HasCode || HasTables)
        {
            return true;
        }

        bool exact = true;

        for (int position = from + 1; position <= Writes.Count(state);)
        {
            if (Writes.IsPromise(state, position))
            {
                position++;
            }
            else if (from > 0 && Writes.Newest(state, Writes.Place(state, position), Writes.Count(state)) > position)
            {
                // A CPU alone: it stored there again, and nobody else is there to look. What was behind the write stays behind what is now in its place.
                Remove(state, position, position + 1);
            }
            else if (from == 0 && IsHidden(state, position, reads))
            {
                Remove(state, position, position);
            }
            else if (from == 0 && (position == 1 ? IsSeenByAll(state, Writes.Place(state, 1), 1, reads) : IsForgotten(state, position, reads)))
            {
                _memory.Initialize(state, Writes.Place(state, position), Writes.Value(state, position));
                Remove(state, position, position);
            }
            else if (RepeatsNext(state, position))
            {
                Remove(state, position + 1, position + 1, merged: true);
            }
            else if (from == 0 && Alternates(state, position, looks, ref exact))
            {
                Remove(state, position, position);
            }
            else
            {
                position++;
            }
        }

        return exact;
    }

    // Writes of one cell side by side that go to and fro, as a scheduler does that switches again and again while nobody looks. No view can fall between them but one
    // of that cell, so loads of it see some of them, in order. Whether one of them can be missed is a question about words: two words have the same subsequences of up
    // to n letters, one for each load that is left, although one letter is missing, if that letter is repeated often enough before it and behind it (Simon 1975).
    // Test: ArmMachineTests.Writes_that_go_to_and_fro_are_told_apart_by_whoever_looks_often_enough.
    private bool Alternates(ReadOnlySpan<ulong> state, int position, LooksLeft looks, ref bool exact)
    {
        int cell = Writes.Place(state, position);
        if (!IsQuietWrite(state, position + 1, cell))
        {
            return false;
        }

        for (int cpu = 0; cpu < _cpus.Length; cpu++)
        {
            if (HasReservation(state, cpu, cell))
            {
                return false;
            }
        }

        // What somebody has in view already parts the writes: each part is a word of its own.
        int before = 0;
        int behind = Writes.Count(state) + 1;
        foreach (BitField field in _positions)
        {
            int view = field.Get(state);
            if (view == position)
            {
                return false;
            }

            before = view < position ? Math.Max(before, view) : before;
            behind = view > position ? Math.Min(behind, view) : behind;
        }

        int left = looks(state, cell);
        bool loops = left == StaticAnalysis.ManyLoads;
        int repeats = Repeats(state, position, before, -1) + Repeats(state, position, behind, 1);
        if (repeats < (loops ? LooksInLoops : left))
        {
            return false;
        }

        exact &= !loops;
        return true;
    }

    // How many stretches of writes, one after the other away from a position, have the value at that position and all values of the stretch before.
    private int Repeats(ReadOnlySpan<ulong> state, int position, int end, int step)
    {
        int cell = Writes.Place(state, position);
        int repeats = 0;
        HashSet<int> needed = [Writes.Value(state, position)];
        HashSet<int> stretch = [];
        for (int other = position + step; other != end && IsQuietWrite(state, other, cell); other += step)
        {
            stretch.Add(Writes.Value(state, other));
            if (stretch.IsSupersetOf(needed))
            {
                repeats++;
                (needed, stretch) = (stretch, []);
            }
        }

        return repeats;
    }

    private bool IsQuietWrite(ReadOnlySpan<ulong> state, int position, int cell) =>
        position > 0 && position <= Writes.Count(state) && Writes.Place(state, position) == cell && !Writes.IsPromise(state, position);

    // A write of somebody else after the one that was reserved makes the exclusive store fail. It must not be forgotten that it was there.
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

    // Nobody reads the cell any more; older writes of it are gone already.
    private bool IsForgotten(ReadOnlySpan<ulong> state, int position, ReadOnlySpan<ulong> reads)
    {
        int cell = Writes.Place(state, position);
        ulong mask = new CellSpan(cell, 1).Mask;
        for (int cpu = 0; cpu < _cpus.Length; cpu++)
        {
            if ((reads[cpu] & mask) != 0)
            {
                return false;
            }
        }

        return Writes.Newest(state, cell, position - 1) == 0;
    }

    // A newer write of the same cell is behind everybody who may still read it.
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
            if ((reads[cpu] & mask) != 0
                && Math.Max(_cpus[cpu].Coherence[cell].Get(state).Read, _cpus[cpu].LoadFloor.Get(state).Read) < position)
            {
                return false;
            }
        }

        return true;
    }

    // Two writes side by side that store the same value: whoever reads one of them might as well have read the other, unless it is told apart by who wrote it.
    private bool RepeatsNext(ReadOnlySpan<ulong> state, int position)
    {
        int next = position + 1;
        if (next > Writes.Count(state) || Writes.IsPromise(state, next) || Writes.Place(state, position) != Writes.Place(state, next)
            || Writes.Value(state, position) != Writes.Value(state, next))
        {
            return false;
        }

        int cell = Writes.Place(state, position);
        for (int cpu = 0; cpu < _cpus.Length; cpu++)
        {
            CpuViews views = _cpus[cpu];
            if (views.ReservedCell.Get(state) == cell + 1
                || (views.Own[cell].Position.Get(state) == position && Writes.Cpu(state, next) != cpu))
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
