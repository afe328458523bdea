namespace Crosscore.Model.Memory.Views;

/// <summary>
/// Clears views that make no difference any more, so that states which behave alike are equal: a view that is no further than what every later access of its CPU
/// waits for anyway, and what only binds stores while the CPU has nothing promised, for a store that is not promised takes its place after everything.
/// </summary>
internal sealed partial class ViewMemory
{
    /// <summary>Clears what makes no difference.</summary>
    /// <param name="state">The state.</param>
    /// <param name="cpu">The CPU.</param>
    /// <param name="registers">The views of the registers of what it runs.</param>
    public void Normalize(Span<ulong> state, int cpu, IReadOnlyList<ViewField> registers)
    {
        if (HasTables)
        {
            // What control depended on comes to bind translations, which no load's floor does.
            return;
        }

        CpuViews views = _cpus[cpu];
        bool promised = Writes.OpenPromise(state, cpu) != 0;
        int reads = views.LoadFloor.Get(state).Read;
        if (!promised)
        {
            views.StoreFloor.Set(state, 0);
            views.LoadFloor.Set(state, View.Of(reads));
        }

        View floor = new(reads, promised ? Math.Min(views.StoreFloor.Get(state), views.LoadFloor.Get(state).Write) : Sizes.Writes);
        Clear(state, views.Loads, floor with { Write = Math.Min(floor.Write, reads) });
        if (views.Stores.Get(state) <= Math.Min(reads, floor.Write))
        {
            views.Stores.Set(state, 0);
        }

        // What control depended on can come to bind loads, by a context synchronisation.
        Clear(state, views.Control, floor with { Write = Math.Min(floor.Write, reads) });
        if (views.Release.Get(state) <= reads)
        {
            views.Release.Set(state, 0);
        }

        for (int cell = 0; cell < _cells; cell++)
        {
            Clear(state, views.Coherence[cell], floor);
            OwnWrite own = views.Own[cell];
            int position = own.Position.Get(state);
            if (position != 0 && position <= Math.Min(reads, floor.Write))
            {
                ClearOwn(state, own);
            }
        }

        foreach (ViewField register in registers)
        {
            Clear(state, register, floor with { Write = Math.Min(floor.Write, reads) });
        }
    }

    private static void Clear(Span<ulong> state, ViewField field, View floor)
    {
        View view = field.Get(state);
        if (view.Read <= floor.Read && view.Write <= floor.Write)
        {
            field.Set(state, default);
        }
    }

    private static void ClearOwn(Span<ulong> state, OwnWrite own)
    {
        own.Position.Set(state, 0);
        own.View.Set(state, default);
        own.Value.Set(state, 0);
        own.Load.Set(state, 0);
    }
}
