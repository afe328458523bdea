using Crosscore.Model.Compilation;
using Crosscore.Model.Cpus;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// Which choices each operation has: a load chooses the write that it reads, and a store or the maintenance of a cache
/// its position in the list of writes. The cases are Promising-ARM's rules for each kind of instruction; the views that
/// they compare come from <see cref="ViewMemory"/>, where each is beside the ordering requirement of the Arm ARM.
/// </summary>
internal sealed class ViewChoices<TMode>
    where TMode : struct, IRunMode
{
    private readonly CompiledProgram _program;
    private readonly ViewPlan _plan;

    // The plan's own memory, here because every method asks it.
    private readonly ViewMemory _views;
    private readonly Placement _placement;
    private readonly BoundsReached _bounds;

    public ViewChoices(CompiledProgram program, ViewPlan plan, BoundsReached bounds)
    {
        _program = program;
        _plan = plan;
        _views = plan.Memory;
        _placement = program.Placement;
        _bounds = bounds;
    }

    /// <summary>Whether an operation takes a position in the list of writes.</summary>
    public static bool IsWrite(CompiledOp op) =>
        op.Kind
            is MicroOpKind.Store
                or MicroOpKind.CleanCode
                or MicroOpKind.InvalidateCode
                or MicroOpKind.InvalidateTranslation
                or MicroOpKind.CompleteInvalidation;

    /// <summary>
    /// Whether a comparison that succeeds may fail in the end. The load of a compare-and-swap, in isolation, may not
    /// find what is not in memory yet. A store behind it, and behind DMB ST, is promised for that case; whether the
    /// comparison did fail is seen when the promise must be kept.
    /// </summary>
    public static bool MayFail(ReadOnlySpan<ulong> state, CompiledOp op) =>
        TMode.IsIsolated && op.DecidesAtomic && op.A.Get(state) == 0;

    /// <summary>
    /// Whether a CPU may access memory: while the writes are still being promised no CPU executes, and then one CPU
    /// after the other does.
    /// </summary>
    public bool MayAccess(ReadOnlySpan<ulong> state, int cpu)
    {
        if (TMode.IsIsolated || !_plan.PromisesFirst)
        {
            return true;
        }

        if (!_plan.HasBegun(state))
        {
            return false;
        }

        for (int other = 0; other < cpu; other++)
        {
            if (!Placement.IsFinished(state, _program.Threads[other]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Lists the choices of an operation of any kind; one that has nothing to choose has the choice 0.
    /// </summary>
    public void List(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, List<int> choices)
    {
        bool chooses =
            IsWrite(op)
            || op.DecidesAtomic
            || op.Kind
                is MicroOpKind.Load
                    or MicroOpKind.Fetch
                    or MicroOpKind.TryReservation
                    or MicroOpKind.Choose
                    or MicroOpKind.Translate
                    or MicroOpKind.Fault;
        if (chooses)
        {
            Find(state, cpu, op, choices);
            return;
        }

        choices.Clear();
        choices.Add(0);
    }

    /// <summary>
    /// Finds the choices of an operation: positions in the list of writes, or what the kind says. Where there are none
    /// the CPU has to wait, or the state is infeasible.
    /// </summary>
    public void Find(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, List<int> choices)
    {
        choices.Clear();
        switch (op.Kind)
        {
            case MicroOpKind.Load:
                // Promising-ARM's rule for loads: any write that neither the load's dependencies nor coherence hide.
                View before = _views.BeforeLoad(state, cpu, op.AView.Get(state), op.Order);
                int source = _placement.SpanOf(state, op).First;
                _views.Readable(state, cpu, source, before, choices);
                _views.KeepInTime(state, cpu, source, before, op.Order, choices);
                break;
            case MicroOpKind.Translate:
                FindTranslations(state, cpu, op, choices);
                break;
            case MicroOpKind.Fault:
                if (_views.IsFaultInTime(state, cpu, op.AView.Get(state)))
                {
                    choices.Add(0);
                }

                break;
            case MicroOpKind.Fetch:
                _views.Fetchable(state, cpu, op.Span.First, choices);
                break;
            case MicroOpKind.Choose:
                choices.Add(0);
                choices.Add(1);
                break;
            case MicroOpKind.Branch:
                choices.Add(0);
                if (MayFail(state, op))
                {
                    choices.Add(1);
                }

                break;
            case MicroOpKind.TryReservation:
                // 0 is success. An exclusive store may always fail (Arm ARM B2.9).
                if (_views.HasReservation(state, cpu, _placement.SpanOf(state, op).First))
                {
                    choices.Add(0);
                }

                choices.Add(1);
                break;
            case MicroOpKind.Store:
                FindStores(state, cpu, op, choices);
                break;
            default:
                FindMaintenance(state, cpu, op, choices);
                break;
        }
    }

    /// <summary>Gets the position that a store must come after.</summary>
    public int StoreFloor(ReadOnlySpan<ulong> state, int cpu, int cell, CompiledOp op) =>
        _views.BeforeStore(
            state,
            cpu,
            cell,
            op.AView.Get(state),
            op.BView.Get(state),
            op.PickView.Get(state),
            op.Order
        );

    /// <summary>Gets the cell of the entry that translates the address of an operation; -1 for none.</summary>
    public int EntryFor(ReadOnlySpan<ulong> state, CompiledOp op) => _views.EntryFor(_program.Values[op.A.Get(state)]);

    /// <summary>
    /// Gets the place of the maintenance of a cache or TLB in the list of writes, and the position it must come after.
    /// The place is -1 where no CPU can observe it: the memory holds no code, the entry of the page never changes, or
    /// there is nothing to complete.
    /// </summary>
    public (int Place, int Floor) Maintenance(ReadOnlySpan<ulong> state, int cpu, CompiledOp op)
    {
        if (op.Kind == MicroOpKind.CompleteInvalidation)
        {
            return _views.HasIncompleteInvalidations(state, cpu)
                ? (_views.PlaceOfCompletion, _views.BeforeCompletion(state, cpu))
                : (-1, 0);
        }

        ulong address = _program.Values[op.A.Get(state)];
        if (op.Kind == MicroOpKind.InvalidateTranslation)
        {
            int entry = _views.EntryFor(address);
            bool known = _views.HasTables && (address == 0 || entry >= 0);
            return known
                ? (
                    _views.PlaceOfInvalidation(entry, op.B.Get(state) != 0),
                    _views.BeforeInvalidation(state, cpu, op.AView.Get(state))
                )
                : (-1, 0);
        }

        bool invalidates = op.Kind == MicroOpKind.InvalidateCode;
        int cell =
            address == 0 ? -1
            : _program.Map.TryFind(address, out int found) ? found
            : -2;
        int place = cell == -2 ? -1 : _views.PlaceOfMaintenance(cell, invalidates);
        return (place, place < 0 ? 0 : _views.BeforeMaintenance(state, cpu, cell, op.AView.Get(state), invalidates));
    }

    private void FindTranslations(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, List<int> choices)
    {
        int entry = EntryFor(state, op);
        if (entry < 0)
        {
            choices.Add(0);
        }
        else
        {
            _views.Translatable(state, cpu, entry, op.AView.Get(state), choices);
        }
    }

    // Promising-ARM's rules for stores: to fulfil a promise, or to write.
    private void FindStores(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, List<int> choices)
    {
        int cell = _placement.SpanOf(state, op).First;
        AddPositions(state, cpu, cell, op.B.Get(state), StoreFloor(state, cpu, cell, op), op.Order, choices);
        for (int index = choices.Count - 1; index >= 0 && op.Order.HasFlag(AccessOrder.Translated); index--)
        {
            if (!_views.IsInTime(state, cpu, cell, choices[index]))
            {
                choices.RemoveAt(index);
            }
        }
    }

    private void FindMaintenance(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, List<int> choices)
    {
        (int place, int floor) = Maintenance(state, cpu, op);
        if (place < 0)
        {
            choices.Add(0);
        }
        else
        {
            AddPositions(state, cpu, place, 0, floor, AccessOrder.Plain, choices);
        }
    }

    // A store fulfils a promise of its CPU or, unless all writes are promised first, takes the next free position.
    private void AddPositions(
        ReadOnlySpan<ulong> state,
        int cpu,
        int place,
        int value,
        int floor,
        AccessOrder order,
        List<int> choices
    )
    {
        WriteList writes = _views.Writes;
        int count = writes.Count(state);
        for (int position = floor + 1; position <= count; position++)
        {
            if (
                writes.IsPromise(state, position)
                && writes.Cpu(state, position) == cpu
                && writes.Place(state, position) == place
                && writes.Value(state, position) == value
                && _views.IsUndivided(state, cpu, place, order, position)
            )
            {
                choices.Add(position);
            }
        }

        if (_plan.PromisesFirst && !TMode.IsIsolated)
        {
            return;
        }

        if (count == writes.Capacity)
        {
            // If the program sets the limit, a run in isolation comes here only when it makes a write anew that is
            // promised already.
            _bounds.Writes |= !_plan.WritesAreBounded;
        }
        else if (
            _views.IsUndivided(state, cpu, place, order, count + 1)
            && (TMode.IsIsolated || place != _views.PlaceOfCompletion || _views.MayCompleteAt(state, cpu, count + 1))
        )
        {
            choices.Add(count + 1);
        }
    }
}
