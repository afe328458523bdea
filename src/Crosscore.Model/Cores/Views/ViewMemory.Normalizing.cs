using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// Clears views that make no difference any more, so that states which behave alike are equal: a view that is no
/// further than what every later access of its CPU waits for anyway, and what only binds stores while the CPU has
/// nothing promised, for a store that is not promised takes its place after everything.
/// </summary>
internal sealed partial class ViewMemory
{
    /// <summary>Clears what makes no difference.</summary>
    /// <param name="state">The state.</param>
    /// <param name="cpu">The CPU.</param>
    /// <param name="registers">The views of the registers of what it runs.</param>
    /// <param name="reads">The cells (<see cref="CellSpan.Mask"/>) that may still be read there.</param>
    /// <param name="maintains">Whether code may still be cleaned.</param>
    public void Normalize(Span<ulong> state, int cpu, IReadOnlyList<ViewField> registers, ulong reads, bool maintains)
    {
        if (HasTables)
        {
            // What control depended on comes to bind translations, which no load's floor does.
            return;
        }

        CpuViews views = _cpus[cpu];
        bool promised = Writes.OpenPromise(state, cpu) != 0;
        int loadFloor = views.LoadFloor.Get(state).Read;
        if (!promised)
        {
            views.StoreFloor.Set(state, 0);
            views.LoadFloor.Set(state, View.Of(loadFloor));
        }

        View floor = new(
            loadFloor,
            promised ? Math.Min(views.StoreFloor.Get(state), views.LoadFloor.Get(state).Write) : Sizes.Writes
        );
        Clear(state, views.Loads, floor with { Write = Math.Min(floor.Write, loadFloor) });
        if (views.Stores.Get(state) <= Math.Min(loadFloor, floor.Write))
        {
            views.Stores.Set(state, OfCode(state, views.Stores.Get(state)));
        }

        // What control depended on can come to bind loads, by a context synchronization.
        if (views.Control.Get(state) <= Math.Min(floor.Write, loadFloor))
        {
            views.Control.Set(state, OfCode(state, views.Control.Get(state)));
        }

        if (!promised)
        {
            // Maintenance that is not promised takes its place after everything.
            views.Decided.Set(state, 0);
        }

        if (views.Release.Get(state) <= loadFloor)
        {
            views.Release.Set(state, 0);
        }

        NormalizeCells(state, views, floor, reads, promised);
        foreach (ViewField register in registers)
        {
            Clear(state, register, floor with { Write = Math.Min(floor.Write, loadFloor) });
        }

        if (HasCode)
        {
            NormalizeFetch(state, views, maintains);
        }
    }

    private void NormalizeCells(Span<ulong> state, CpuViews views, View floor, ulong reads, bool promised)
    {
        for (int cell = 0; cell < _cells; cell++)
        {
            OwnWrite own = views.Own[cell];
            if ((reads & new CellSpan(cell, 1).Mask) == 0 && !promised && !IsCode(cell))
            {
                // Nothing is read there any more, and a store goes to the end of the list.
                views.Coherence[cell].Set(state, default);
                ClearOwn(state, own);
                continue;
            }

            if (!IsCode(cell))
            {
                Clear(state, views.Coherence[cell], floor);
            }

            int position = own.Position.Get(state);
            if (position != 0 && position <= Math.Min(floor.Read, floor.Write))
            {
                ClearOwn(state, own);
            }
        }
    }

    // What fetches and maintenance must not fall behind is distinguished by code and its maintenance only: everything
    // else that it orders, the floors do as well.
    private void NormalizeFetch(Span<ulong> state, CpuViews views, bool maintains)
    {
        foreach (BitField field in (ReadOnlySpan<BitField>)[views.FetchFloor, views.Completed, views.Fetched])
        {
            field.Set(state, OfCode(state, field.Get(state)));
        }

        if (!maintains)
        {
            views.CleanFloor.Set(state, 0);
        }
    }

    // What no later access can distinguish may still say how much a later context synchronization puts before fetches.
    private void Clear(Span<ulong> state, ViewField field, View floor)
    {
        View view = field.Get(state);
        if (view.Read <= floor.Read && view.Write <= floor.Write)
        {
            field.Set(state, View.Of(OfCode(state, view.Read)));
        }
    }

    // The newest write of code, or maintenance, that a view holds.
    private int OfCode(ReadOnlySpan<ulong> state, int position)
    {
        position = HasCode ? position : 0;
        while (position > 0 && Writes.Place(state, position) < _cells && !IsCode(Writes.Place(state, position)))
        {
            position--;
        }

        return position;
    }

    private static void ClearOwn(Span<ulong> state, OwnWrite own)
    {
        own.Position.Set(state, 0);
        own.View.Set(state, default);
        own.Value.Set(state, 0);
        own.Load.Set(state, 0);
    }
}
