using Crosscore.Model.Memory;
using Crosscore.Model.Memory.Views;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>Operations on a core that sees memory through views: which choices each has, and what it does.</summary>
internal sealed partial class CpuMachine<TMachine>
{
    // Set only where TMachine has views.
    private readonly ViewMemory _views;
    private readonly List<int> _choices = [];

    /// <summary>
    /// Whether a store had to wait because the bound on the list of writes, and not the program, said so.
    /// </summary>
    public bool WriteBoundReached { get; private set; }

    // In whose run for itself alone the machine is: promises are looked for (see CpuMachine.Promises.cs).
    private bool _alone;

    private StepKind ClassifyRelaxed(
        ReadOnlySpan<ulong> state,
        int cpu,
        CompiledThread code,
        CompiledOp op,
        bool inCpuCode
    )
    {
        bool interruptible = !inCpuCode && MayBeInterruptedAt(state, cpu, op);
        switch (op.Kind)
        {
            case MicroOpKind.Load
            or MicroOpKind.Store
            or MicroOpKind.Fetch
            or MicroOpKind.TryReservation
            or MicroOpKind.Choose
            or MicroOpKind.CleanCode
            or MicroOpKind.InvalidateCode
            or MicroOpKind.Translate
            or MicroOpKind.Fault
            or MicroOpKind.InvalidateTranslation
            or MicroOpKind.CompleteInvalidation:
                if (!MayAccess(state, cpu))
                {
                    return StepKind.Blocked;
                }

                FindChoices(state, cpu, op, _choices);
                return _choices.Count == 0 ? StepKind.Blocked
                    : _choices.Count == 1
                    && !interruptible
                    && (_setup.PromisesFirst ? !_alone || !IsWrite(op) : IsNobodyElses(state, cpu, op))
                        ? StepKind.Local
                    : StepKind.Visible;
            case MicroOpKind.AtomicBegin:
                if (code.IsKernelAtomic(code.Pc.Get(state)) && _views.Writes.Count(state) >= _views.Writes.Capacity)
                {
                    WriteBoundReached = true;
                    return StepKind.Blocked;
                }

                return MayAccess(state, cpu) ? StepKind.Visible : StepKind.Blocked;
            case MicroOpKind.Fence or MicroOpKind.Serialize:
                return !MayAccess(state, cpu) ? StepKind.Blocked
                    : interruptible ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.RequestFences or MicroOpKind.SendIpi:
                return StepKind.Visible;
            case MicroOpKind.AwaitFences:
                return _requests.AllPassed(state, code.Id) ? StepKind.Visible : StepKind.Blocked;
            case MicroOpKind.AwaitIpi:
                return !_interrupts.AllAnswered(state, cpu) ? StepKind.Blocked
                    : interruptible ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.ReadCpu:
                return inCpuCode || !MaySwitch(cpu) || !CanBeSwitchedOut(op.Context)
                    ? StepKind.Local
                    : StepKind.Visible;
            case MicroOpKind.Sleep:
                return StepKind.Visible;
            case MicroOpKind.Branch:
                return MayFail(state, op) ? StepKind.Visible : StepKind.Local;

            // What the kernel does at the ends of a switch and of an interrupt is about its own CPU, and only lets
            // others go on, which they need not do at once.
            case MicroOpKind.SwitchTo
            or MicroOpKind.EndSwitch
            or MicroOpKind.EndInterrupt
            or MicroOpKind.ReturnFromInterrupt:
                return StepKind.Local;
            default:
                return StepKind.Local;
        }
    }

    // The load of a compare-and-swap may find what is not in memory yet when its CPU runs alone, so a comparison that
    // succeeds then may fail in the end. A store behind it, and behind DMB ST, is promised for that case; whether the
    // comparison did fail is seen when the promise is to be kept.
    private bool MayFail(ReadOnlySpan<ulong> state, CompiledOp op) =>
        _alone && op.DecidesAtomic && op.A.Get(state) == 0;

    private static bool IsWrite(CompiledOp op) =>
        op.Kind
            is MicroOpKind.Store
                or MicroOpKind.CleanCode
                or MicroOpKind.InvalidateCode
                or MicroOpKind.InvalidateTranslation
                or MicroOpKind.CompleteInvalidation;

    // While the writes are still being promised nobody executes anything.
    private bool MayAccess(ReadOnlySpan<ulong> state, int cpu) =>
        _alone || !_setup.PromisesFirst || (HasBegun(state) && IsFirstUnfinished(state, cpu));

    /// <summary>The choices of an operation: positions in the list of writes, or what its kind says.</summary>
    private void FindChoices(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, List<int> choices)
    {
        choices.Clear();
        switch (op.Kind)
        {
            case MicroOpKind.Load:
                View before = _views.BeforeLoad(state, cpu, op.AView.Get(state), op.Order);
                int source = SpanOf(state, op).First;
                _views.Readable(state, cpu, source, before, choices);
                _views.KeepInTime(state, cpu, source, before, op.Order, choices);
                break;
            case MicroOpKind.Translate:
                int entry = EntryFor(state, op);
                if (entry < 0)
                {
                    choices.Add(0);
                    break;
                }

                _views.Translatable(state, cpu, entry, op.AView.Get(state), choices);
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
                if (_views.HasReservation(state, cpu, SpanOf(state, op).First))
                {
                    choices.Add(0);
                }

                choices.Add(1);
                break;
            case MicroOpKind.Store:
                int cell = SpanOf(state, op).First;
                AddPositions(state, cpu, cell, op.B.Get(state), StoreFloor(state, cpu, cell, op), op.Order, choices);
                for (int index = choices.Count - 1; index >= 0 && op.Order.HasFlag(AccessOrder.Translated); index--)
                {
                    if (!_views.IsInTime(state, cpu, cell, choices[index]))
                    {
                        choices.RemoveAt(index);
                    }
                }

                break;
            default:
                (int place, int floor) = Maintenance(state, cpu, op);
                if (place < 0)
                {
                    // Of memory that holds no code, or where nothing is to be completed: no CPU can tell.
                    choices.Add(0);
                    break;
                }

                AddPositions(state, cpu, place, 0, floor, AccessOrder.Plain, choices);
                break;
        }
    }

    private int StoreFloor(ReadOnlySpan<ulong> state, int cpu, int cell, CompiledOp op) =>
        _views.BeforeStore(
            state,
            cpu,
            cell,
            op.AView.Get(state),
            op.BView.Get(state),
            op.PickView.Get(state),
            op.Order
        );

    private int EntryFor(ReadOnlySpan<ulong> state, CompiledOp op) => _views.EntryFor(_values[op.A.Get(state)]);

    private (int Place, int Floor) Maintenance(ReadOnlySpan<ulong> state, int cpu, CompiledOp op)
    {
        if (op.Kind == MicroOpKind.CompleteInvalidation)
        {
            return _views.HasIncompleteInvalidations(state, cpu)
                ? (_views.PlaceOfCompletion, _views.BeforeCompletion(state, cpu))
                : (-1, 0);
        }

        ulong address = _values[op.A.Get(state)];
        if (op.Kind == MicroOpKind.InvalidateTranslation)
        {
            // Of a page whose entry never changes: nobody can tell.
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
            : _setup.Map.TryFind(address, out int found) ? found
            : -2;
        int place = cell == -2 ? -1 : _views.PlaceOfMaintenance(cell, invalidates);
        return (place, place < 0 ? 0 : _views.BeforeMaintenance(state, cpu, cell, op.AView.Get(state), invalidates));
    }

    // A store keeps a promise of its CPU, or, where writes are not all promised beforehand, takes the next free
    // position.
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

        if (_setup.PromisesFirst && !_alone)
        {
            return;
        }

        if (count == writes.Capacity)
        {
            // Where the program sets the limit, a run alone comes here only when it makes a write anew that is promised
            // already.
            WriteBoundReached |= !_setup.WritesAreBounded;
        }
        else if (
            _views.IsUndivided(state, cpu, place, order, count + 1)
            && (_alone || place != _views.PlaceOfCompletion || _views.MayCompleteAt(state, cpu, count + 1))
        )
        {
            choices.Add(count + 1);
        }
    }

    private void StepRelaxed(Span<ulong> state, int cpu, int choice)
    {
        CompiledThread code = Running(state, cpu);
        int pc = code.Pc.Get(state);
        CompiledOp op = code.Ops[pc];
        if (choice < 0)
        {
            // A step that was fused: it has one choice.
            ListChoices(state, cpu, op, _choices);
            choice = _choices.Count > 0 ? _choices[0] : 0;
        }

        code.Pc.Set(state, ExecuteRelaxed(state, cpu, code, op, pc, choice));
        if (_requests.Any && op.Kind == MicroOpKind.Store && CanPassFence(state, cpu))
        {
            for (int thread = 0; thread < _tasks.Length; thread++)
            {
                if (_requests.IsPending(state, thread, cpu))
                {
                    _views.PassDemanded(state, cpu, thread);
                }
            }

            _requests.Pass(state, cpu);
        }

        if (!_setup.PromisesFirst)
        {
            Tidy(state, cpu, code.Views);
        }
    }

    private int ExecuteRelaxed(Span<ulong> state, int cpu, CompiledThread code, CompiledOp op, int pc, int choice)
    {
        switch (op.Kind)
        {
            case MicroOpKind.Compute:
                View given = op.AView.Get(state) | op.BView.Get(state);
                op.Destination.Set(
                    state,
                    _values.Number(op.Function!(_values[op.A.Get(state)], _values[op.B.Get(state)]))
                );
                op.DestinationView.Set(
                    state,
                    new View(given.Read, Math.Max(given.Write, op.PickView.Get(state).Write))
                );
                return pc + 1;
            case MicroOpKind.Branch:
                if (!op.IsPredicate)
                {
                    _views.Branch(state, cpu, op.AView.Get(state));
                }

                return op.A.Get(state) != 0 || choice > 0 ? op.Target : pc + 1;
            case MicroOpKind.Load:
                LoadRelaxed(state, cpu, op, choice);
                return pc + 1;
            case MicroOpKind.Store:
                StoreRelaxed(state, cpu, op, choice);
                return pc + 1;
            case MicroOpKind.TryReservation:
                op.Destination.Set(state, _values.Number((ulong)choice));
                op.DestinationView.Set(state, default);
                if (choice != 0)
                {
                    _views.DropReservation(state, cpu);
                    Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.ReservationLost, op);
                }

                return pc + 1;
            case MicroOpKind.Choose:
                op.Destination.Set(state, _values.Number((ulong)choice));
                op.DestinationView.Set(state, default);
                return pc + 1;
            case MicroOpKind.Fetch:
                FetchRelaxed(state, cpu, op, choice);
                return pc + 1;
            case MicroOpKind.Fault:
                _views.Fault(state, cpu, op.AView.Get(state), synchronizes: op.B.Get(state) != 0);
                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.Fault, op);
                return pc + 1;
            case MicroOpKind.CleanCode
            or MicroOpKind.InvalidateCode
            or MicroOpKind.InvalidateTranslation
            or MicroOpKind.CompleteInvalidation:
                MaintainRelaxed(state, cpu, op, choice);
                return pc + 1;
            case MicroOpKind.Translate:
                TranslateRelaxed(state, cpu, op, choice);
                return pc + 1;
            case MicroOpKind.Fence:
                _views.Fence(state, cpu, op.Fence);
                Recorder?.Note(
                    cpu,
                    TaskOf(state, cpu),
                    op.Fence == FenceKind.Context ? TraceEventKind.Serialize : TraceEventKind.Fence,
                    op
                );
                return pc + 1;
            case MicroOpKind.Serialize:
                _views.Fence(state, cpu, FenceKind.Context);
                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.Serialize, op);
                return pc + 1;
            case MicroOpKind.AtomicBegin:
                return _setup.PromisesFirst || !code.IsKernelAtomic(pc)
                    ? pc + 1
                    : ExecuteKernelAtomic(state, cpu, code, pc);
            case MicroOpKind.AtomicEnd:
                // A compare-and-swap that did not store leaves no reservation either.
                _views.DropReservation(state, cpu);
                return pc + 1;
            default:
                op.DestinationView.Set(state, default);
                return Execute(state, cpu, code, op, pc, atomic: false);
        }
    }

    private void LoadRelaxed(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        CellSpan span = SpanOf(state, op);
        int value = _views.ValueAt(state, span.First, position);
        bool old =
            Recorder is not null && position != _views.Writes.Newest(state, span.First, _views.Writes.Count(state));
        View result = _views.Load(state, cpu, span.First, op.AView.Get(state), op.Order, position);
        op.Destination.Set(state, value);
        op.DestinationView.Set(state, result);
        Recorder?.Access(cpu, TaskOf(state, cpu), old ? TraceEventKind.LoadOld : TraceEventKind.Load, op, span, value);
    }

    private void StoreRelaxed(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        CellSpan span = SpanOf(state, op);
        int value = op.B.Get(state);
        bool promised = position <= _views.Writes.Count(state);
        if (promised)
        {
            _views.Writes.Fulfil(state, position);
        }
        else
        {
            _views.Writes.Append(state, cpu, span.First, value, promised: false);
        }

        _views.Store(
            state,
            cpu,
            span.First,
            op.AView.Get(state),
            op.DataView.Get(state),
            op.BView.Get(state),
            op.PickView.Get(state),
            op.Order,
            position
        );
        Recorder?.Access(
            cpu,
            TaskOf(state, cpu),
            promised ? TraceEventKind.Fulfil : TraceEventKind.Store,
            op,
            span,
            value
        );
    }

    private void FetchRelaxed(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        int cell = op.Span.First;
        int value = _views.ValueAt(state, cell, position);
        bool stale = Recorder is not null && position != _views.Writes.Newest(state, cell, _views.Writes.Count(state));
        _views.Fetch(state, cpu, position);
        op.Destination.Set(state, value);
        op.DestinationView.Set(state, default);
        Recorder?.Access(
            cpu,
            TaskOf(state, cpu),
            stale ? TraceEventKind.FetchStale : TraceEventKind.Fetch,
            op,
            op.Span,
            value
        );
    }

    private void TranslateRelaxed(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        int entry = EntryFor(state, op);
        int value =
            entry < 0
                ? _values.Number(TableEntry.Identity(_values[op.A.Get(state)]))
                : _views.ValueAt(state, entry, position);
        _views.Translate(state, cpu, entry, position);
        op.Destination.Set(state, value);
        op.DestinationView.Set(state, op.AView.Get(state));
        if (entry >= 0)
        {
            bool old =
                Recorder is not null && position != _views.Writes.Newest(state, entry, _views.Writes.Count(state));
            Recorder?.Access(
                cpu,
                TaskOf(state, cpu),
                old ? TraceEventKind.TranslateStale : TraceEventKind.Translate,
                op,
                new CellSpan(entry, 1),
                value
            );
        }
    }

    private void MaintainRelaxed(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        (int place, _) = Maintenance(state, cpu, op);
        if (place >= 0)
        {
            if (position <= _views.Writes.Count(state))
            {
                _views.Writes.Fulfil(state, position);
            }
            else
            {
                _views.Writes.Append(state, cpu, place, 0, promised: false);
            }

            if (op.Kind == MicroOpKind.InvalidateTranslation)
            {
                _views.Invalidate(state, cpu, position);
            }
            else if (op.Kind == MicroOpKind.CompleteInvalidation)
            {
                _views.CompleteInvalidations(state, cpu, position);
            }
            else
            {
                ulong address = _values[op.A.Get(state)];
                _views.Maintain(
                    state,
                    cpu,
                    address == 0 || !_setup.Map.TryFind(address, out int cell) ? -1 : cell,
                    op.Kind == MicroOpKind.InvalidateCode,
                    position
                );
            }
        }

        if (op.Kind == MicroOpKind.CompleteInvalidation)
        {
            // The fence that follows is told.
            return;
        }

        TraceEventKind happened = op.Kind switch
        {
            MicroOpKind.CleanCode => TraceEventKind.CleanCode,
            MicroOpKind.InvalidateCode => TraceEventKind.InvalidateCode,
            _ => TraceEventKind.InvalidateTranslation,
        };
        Recorder?.Note(cpu, TaskOf(state, cpu), happened, op);
    }

    // An indivisible operation of a kernel: a load of the newest write, a store right after it, and a full fence on
    // either side unless it takes a lock.
    private int ExecuteKernelAtomic(Span<ulong> state, int cpu, CompiledThread code, int pc)
    {
        bool fenced = code.IsFencedAtomic(pc);
        if (fenced)
        {
            _views.Fence(state, cpu, FenceKind.Full);
        }

        for (pc++; code.Ops[pc].Kind != MicroOpKind.AtomicEnd; )
        {
            CompiledOp op = code.Ops[pc];
            int choice = op.Kind switch
            {
                MicroOpKind.Load => _views.Writes.Newest(state, SpanOf(state, op).First, _views.Writes.Count(state)),
                MicroOpKind.Store => _views.Writes.Count(state) + 1,
                _ => 0,
            };
            pc = ExecuteRelaxed(state, cpu, code, op, pc, choice);
        }

        if (fenced)
        {
            _views.Fence(state, cpu, FenceKind.Full);
        }

        return pc + 1;
    }

    private void EnterInterrupt(Span<ulong> state, int cpu, int sender)
    {
        _views.ReceiveRequest(state, cpu, sender, _system!.IpiOrder != IpiOrder.None, _setup.CpuAccesses[cpu].Reads);
        if (_system.IpiOrder == IpiOrder.Full)
        {
            _views.Fence(state, cpu, FenceKind.Full);
        }

        if (_system.InterruptEntrySerializes)
        {
            _views.Fence(state, cpu, FenceKind.Context);
        }
    }

    private void LeaveInterrupt(Span<ulong> state, int cpu, int sender)
    {
        if (_system!.IpiOrder == IpiOrder.Full)
        {
            _views.Fence(state, cpu, FenceKind.Full);
        }

        _views.SendAnswer(state, cpu, sender, _system.IpiOrder != IpiOrder.None);
        _interrupts.Answer(state, sender, cpu);
    }

    /// <summary>Reads memory as everything that happened so far leaves it.</summary>
    public int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span) => _memory.ReadMemory(state, span);
}
