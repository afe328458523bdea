using Crosscore.Model.Programs;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// Reservations: what makes an exclusive load and store, or the load and store of an indivisible instruction, belong
/// together (Promising-ARM's exclusives bank).
/// </summary>
internal sealed partial class ViewMemory
{
    /// <summary>
    /// Whether a store could take a position: no other store came between it and the load that it belongs to.
    /// </summary>
    public bool IsUndivided(ReadOnlySpan<ulong> state, int cpu, int cell, AccessOrder order, int position)
    {
        if (!order.HasFlag(AccessOrder.Exclusive) && !order.HasFlag(AccessOrder.Atomic))
        {
            return true;
        }

        if (!HasReservation(state, cpu, cell))
        {
            return false;
        }

        int loaded = _cpus[cpu].ReservedPosition.Get(state);
        for (int between = Math.Min(position, Writes.Count(state) + 1) - 1; between > loaded; between--)
        {
            if (
                Writes.Place(state, between) == cell
                && (Writes.Cpu(state, between) != cpu || order.HasFlag(AccessOrder.Atomic))
            )
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Whether a CPU holds a reservation of a cell, by an exclusive load or by the load of an indivisible instruction
    /// that it is in.
    /// </summary>
    public bool HasReservation(ReadOnlySpan<ulong> state, int cpu, int cell) =>
        _cpus[cpu].ReservedCell.Get(state) == cell + 1;

    public void DropReservation(Span<ulong> state, int cpu)
    {
        CpuViews views = _cpus[cpu];
        views.ReservedCell.Set(state, 0);
        views.ReservedPosition.Set(state, 0);
        views.ReservedView.Set(state, default);
    }
}
