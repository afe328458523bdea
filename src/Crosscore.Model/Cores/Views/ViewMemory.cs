using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// The rules of AArch64 memory, for normal cacheable memory that all CPUs share. Each is one of the Arm ARM's ordering
/// requirements (B2.3, "Locally-ordered-before", the names in brackets), put as a bound on positions in the list of
/// writes, as Promising-ARM does.
/// </summary>
internal sealed partial class ViewMemory
{
    private readonly CpuViews[] _cpus;
    private readonly MainMemory _memory;
    private readonly int _cells;

    public ViewMemory(
        ModelProgram program,
        CellMap map,
        int cpus,
        MainMemory memory,
        ViewSizes sizes,
        CacheType caches,
        StateLayout layout
    )
    {
        if (map.HasByteCells)
        {
            throw new ModelException(
                "The program accesses the same memory with different widths; an "
                    + "AArch64 core is modeled for accesses of whole elements only."
            );
        }

        _memory = memory;
        _cells = map.Count;
        _caches = caches;
        _code =
        [
            .. program
                .Memory.Where(region => region.IsCode)
                .Select(region => map.Find(region.Address, region.ElementWidth).First),
        ];
        MemoryRegion[] tables = [.. program.Memory.Where(region => region.TranslatesPage is not null)];
        _tables = [.. tables.Select(region => map.Find(region.Address, region.ElementWidth).First)];
        _pages = [.. tables.Select(region => region.TranslatesPage!.Value)];
        ulong[] places =
        [
            .. Enumerable.Range(0, _cells).Select(cell => map.AddressOf(cell) % TableEntry.PageSize).Distinct(),
        ];
        _placeInPage =
        [
            .. Enumerable
                .Range(0, _cells)
                .Select(cell =>
                    Array.IndexOf(_tables, cell) >= 0
                        ? -1
                        : Array.IndexOf(places, map.AddressOf(cell) % TableEntry.PageSize)
                ),
        ];
        Sizes = sizes;
        Writes = new WriteList(
            sizes.Writes,
            cpus,
            FirstInvalidation + InvalidationPlaces,
            memory.Values.LargestNumber,
            layout
        );
        _cpus =
        [
            .. Enumerable
                .Range(0, cpus)
                .Select(_ => new CpuViews(sizes, _cells, _code.Length > 0, _tables.Length, places.Length, layout)),
        ];
    }

    public ViewSizes Sizes { get; }

    public WriteList Writes { get; }

    public CpuViews this[int cpu] => _cpus[cpu];

    /// <summary>
    /// The value of a cell as of a position that <see cref="WriteList.Newest"/> or <see cref="Readable"/> gave.
    /// </summary>
    public int ValueAt(ReadOnlySpan<ulong> state, int cell, int position) =>
        position == 0 ? _memory.ReadCell(state, cell) : Writes.Value(state, position);

    /// <summary>The value of a cell after all writes.</summary>
    public int Newest(ReadOnlySpan<ulong> state, int cell) =>
        ValueAt(state, cell, Writes.Newest(state, cell, Writes.Count(state)));

    /// <summary>What a load depends on before it reads.</summary>
    public View BeforeLoad(ReadOnlySpan<ulong> state, int cpu, View address, AccessOrder order)
    {
        CpuViews views = _cpus[cpu];

        // [addr], [bob]: what fences and acquire loads put before every later load; a load-acquire also waits for
        // release stores ([L]; po; [A]).
        View before = address | views.LoadFloor.Get(state);
        if (order.HasFlag(AccessOrder.Translated))
        {
            // [tr-ib]
            before |= View.Of(views.Translation.Get(state));
        }

        return order.HasFlag(AccessOrder.Acquire) ? before | View.Of(views.Release.Get(state)) : before;
    }

    /// <summary>The writes that a load may read, newest first; 0 stands for the value from before all writes.</summary>
    public void Readable(ReadOnlySpan<ulong> state, int cpu, int cell, View before, List<int> positions)
    {
        // No write that is hidden by another one that the load must have seen: by what it depends on, or by coherence.
        int seen = Math.Max(before.Read, _cpus[cpu].Coherence[cell].Get(state).Read);
        for (int position = Writes.Count(state); position > 0; position--)
        {
            if (Writes.Place(state, position) != cell)
            {
                continue;
            }

            // To read one's own promise would be to read a later store of one's own.
            if (!Writes.IsPromise(state, position) || Writes.Cpu(state, position) != cpu)
            {
                positions.Add(position);
            }

            if (position <= seen)
            {
                return;
            }
        }

        positions.Add(0);
    }

    // Where a load is that reads a write: after it, or, of one's own store, after what that depended on.
    private View ResultOf(ReadOnlySpan<ulong> state, int cpu, int cell, View before, AccessOrder order, int position)
    {
        OwnWrite own = _cpus[cpu].Own[cell];
        if (!IsOwn(state, own, position))
        {
            return before | View.Of(position);
        }

        // [dob: (addr | data); lrs]: one's own store is given at once; an acquire load of what an indivisible
        // instruction stored waits for its load.
        int loaded =
            order.HasFlag(AccessOrder.Acquire) || order.HasFlag(AccessOrder.AcquirePc) ? own.Load.Get(state) : 0;
        return before | own.View.Get(state) | View.Of(loaded);
    }

    private static bool IsOwn(ReadOnlySpan<ulong> state, OwnWrite own, int position) =>
        position > 0 && own.Position.Get(state) == position;

    /// <summary>Forgets the writes that a load would read too late for its translation.</summary>
    public void KeepInTime(
        ReadOnlySpan<ulong> state,
        int cpu,
        int cell,
        View before,
        AccessOrder order,
        List<int> positions
    )
    {
        for (int index = positions.Count - 1; index >= 0 && order.HasFlag(AccessOrder.Translated); index--)
        {
            if (!IsInTime(state, cpu, cell, ResultOf(state, cpu, cell, before, order, positions[index]).Read))
            {
                positions.RemoveAt(index);
            }
        }
    }

    /// <summary>A load reads a write.</summary>
    /// <returns>What its result depends on.</returns>
    public View Load(Span<ulong> state, int cpu, int cell, View address, AccessOrder order, int position)
    {
        CpuViews views = _cpus[cpu];
        View before = BeforeLoad(state, cpu, address, order);
        OwnWrite own = views.Own[cell];
        View result = ResultOf(state, cpu, cell, before, order, position);
        View value = result;
        if (IsOwn(state, own, position))
        {
            value = new View(Math.Max(result.Read, own.Value.Get(state)), Math.Max(result.Write, own.Value.Get(state)));
        }

        views.Coherence[cell].Raise(state, result | new View(position, position));

        // [bob: R \ NoRet]: DMB LD waits for a load only when the instruction keeps its result. A full fence waits for
        // it in any case, here with the stores.
        if (order.HasFlag(AccessOrder.NoReturn))
        {
            Raise(state, views.Stores, result.Read);
        }
        else
        {
            views.Loads.Raise(state, result);
        }

        // [dob: addr; po; [W]]
        Raise(state, views.Control, address.Write);
        NoteTranslation(state, cpu, cell, address, order);
        if (order.HasFlag(AccessOrder.Acquire) || order.HasFlag(AccessOrder.AcquirePc))
        {
            // [bob: [A | Q]; po]
            views.LoadFloor.Raise(state, result);
            Raise(state, views.StoreFloor, result.Write);
        }

        if (order.HasFlag(AccessOrder.Exclusive) || order.HasFlag(AccessOrder.Atomic))
        {
            views.ReservedCell.Set(state, cell + 1);
            views.ReservedPosition.Set(state, position);
            views.ReservedView.Set(state, result);
        }

        return value;
    }

    /// <summary>What a store must come after.</summary>
    public int BeforeStore(
        ReadOnlySpan<ulong> state,
        int cpu,
        int cell,
        View address,
        View data,
        View pick,
        AccessOrder order
    )
    {
        CpuViews views = _cpus[cpu];

        // [dob], [pob]: addresses, data, control and what decided about them; [bob]: fences and acquire loads; [lws]:
        // coherence, what the CPU read included.
        View before = address | data | pick | views.Coherence[cell].Get(state);
        int floor = Math.Max(before.Write, Math.Max(views.Control.Get(state), views.StoreFloor.Get(state)));
        if (order.HasFlag(AccessOrder.Translated))
        {
            // [tr-ib]
            floor = Math.Max(floor, views.Translation.Get(state));
        }

        // [bob: po; [L]]
        return order.HasFlag(AccessOrder.Release)
            ? Math.Max(floor, Math.Max(views.Loads.Get(state).Write, views.Stores.Get(state)))
            : floor;
    }

    /// <summary>A store takes a position in the list.</summary>
    public void Store(
        Span<ulong> state,
        int cpu,
        int cell,
        View address,
        View data,
        View value,
        View pick,
        AccessOrder order,
        int position
    )
    {
        CpuViews views = _cpus[cpu];
        bool paired = order.HasFlag(AccessOrder.Exclusive) || order.HasFlag(AccessOrder.Atomic);
        View loaded = paired ? views.ReservedView.Get(state) : default;
        if (paired)
        {
            DropReservation(state, cpu);
        }

        views.Coherence[cell].Set(state, View.Of(position));
        OwnWrite own = views.Own[cell];
        own.Position.Set(state, position);
        View given = address | data;
        own.View.Set(state, new View(given.Read, Math.Max((given | value | pick).Write, given.Read)));
        own.Value.Set(state, Math.Max(given.Read, value.Read));
        own.Load.Set(state, loaded.Read);
        Raise(state, views.Stores, position);
        Raise(state, views.Control, address.Write);
        NoteTranslation(state, cpu, cell, address, order);
        if (order.HasFlag(AccessOrder.Release))
        {
            Raise(state, views.Release, position);
        }

        if (order.HasFlag(AccessOrder.OrdersLater))
        {
            // [bob: range([A]; amo; [L]); po]
            views.LoadFloor.Raise(state, View.Of(position));
            Raise(state, views.StoreFloor, position);
        }
    }

    /// <summary>
    /// A branch depends on something: later stores and maintenance follow it, and a context synchronization makes
    /// everything later do so.
    /// </summary>
    public void Branch(Span<ulong> state, int cpu, View condition)
    {
        // [dob: ctrl], [pob: pick-ctrl-dep]
        Raise(state, _cpus[cpu].Control, condition.Write);
        Raise(state, _cpus[cpu].Decided, condition.Write);
    }

    public void Fence(Span<ulong> state, int cpu, FenceKind kind)
    {
        CpuViews views = _cpus[cpu];
        View loads = views.Loads.Get(state);
        int stores = views.Stores.Get(state);
        switch (kind)
        {
            case FenceKind.Full or FenceKind.FullCompletion:
                // [bob: po; [dmb.full]; po], and DC CVAU on either side of it.
                View all = loads | View.Of(Math.Max(stores, views.Cleaned.Get(state)));
                Raise(state, views.CleanFloor, all.Read);
                if (kind == FenceKind.FullCompletion)
                {
                    Raise(state, views.Completed, Math.Max(all.Read, views.Invalidated.Get(state)));
                    all |= View.Of(views.Invalidated.Get(state));
                }

                RaiseFloors(state, views, all);
                break;
            case FenceKind.Load or FenceKind.LoadCompletion:
                RaiseFloors(state, views, loads);
                if (kind == FenceKind.LoadCompletion)
                {
                    Raise(state, views.Completed, loads.Read);
                }

                break;
            case FenceKind.Store:
                Raise(state, views.StoreFloor, stores);
                Raise(state, views.FencedStores, stores);
                break;
            case FenceKind.StoreCompletion:
                RaiseFloors(state, views, View.Of(stores));
                Raise(state, views.Completed, stores);
                break;
            default:
                // [IFB-ob]: what decided or picked that it is executed, what was completed, and what was fetched or
                // translated before, come before everything after it.
                int before = Math.Max(
                    views.Control.Get(state),
                    Math.Max(views.Completed.Get(state), views.Fetched.Get(state))
                );
                Raise(state, views.FetchFloor, before);
                Raise(state, views.Completed, before);
                RaiseFloors(state, views, View.Of(before));
                break;
        }
    }

    private static void RaiseFloors(Span<ulong> state, CpuViews views, View view)
    {
        views.LoadFloor.Raise(state, view);
        Raise(state, views.StoreFloor, view.Write);
    }

    private static void Raise(Span<ulong> state, BitField field, int position)
    {
        if (field.Mask != 0 && field.Get(state) < position)
        {
            field.Set(state, position);
        }
    }
}
