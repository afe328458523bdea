using Crosscore.Model.Compilation;
using Crosscore.Model.Programs;
using Crosscore.Model.State;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// What each operation does on a core with views. Promising-ARM gives each thread views (<see cref="CpuViews"/> has
/// their names in the paper); a step raises some of them, and a later step must not fall behind them.
/// </summary>
internal readonly partial struct ViewCore<TMode>
{
    public int Execute(Span<ulong> state, int cpu, CompiledThread code, int pc, int choice)
    {
        CompiledOp op = code.Ops[pc];
        if (choice < 0)
        {
            _choices.List(state, cpu, op, _found);
            choice = _found.Count > 0 ? _found[0] : 0;
        }

        switch (op.Kind)
        {
            case MicroOpKind.Compute:
                Compute(state, op);
                return pc + 1;
            case MicroOpKind.Branch:
                if (!op.IsPredicate)
                {
                    // Promising-ARM's rule for branches: vCAP, the control view, takes the view of the condition.
                    _views.Branch(state, cpu, op.AView.Get(state));
                }

                return op.A.Get(state) != 0 || choice > 0 ? op.Target : pc + 1;
            case MicroOpKind.Load:
                Load(state, cpu, op, choice);
                return pc + 1;
            case MicroOpKind.Store:
                Store(state, cpu, op, choice);
                return pc + 1;
            case MicroOpKind.TryReservation:
                Choose(state, op, choice);
                if (choice != 0)
                {
                    // Promising-ARM's rule for a failed exclusive store: the exclusives bank (xclb) is emptied.
                    _views.DropReservation(state, cpu);
                    Note(state, cpu, TraceEventKind.ReservationLost, op);
                }

                return pc + 1;
            case MicroOpKind.Choose:
                Choose(state, op, choice);
                return pc + 1;
            case MicroOpKind.Fetch:
                Fetch(state, cpu, op, choice);
                return pc + 1;
            case MicroOpKind.Translate:
                Translate(state, cpu, op, choice);
                return pc + 1;
            case MicroOpKind.AtomicBegin:
                return _plan.PromisesFirst || !code.IsKernelAtomic(pc)
                    ? pc + 1
                    : ExecuteKernelAtomic(state, cpu, code, pc);
            case MicroOpKind.AtomicEnd:
                // A compare-and-swap that did not store leaves no reservation either.
                _views.DropReservation(state, cpu);
                return pc + 1;
            default:
                Order(state, cpu, op, choice);
                return pc + 1;
        }
    }

    public void EndStep(Span<ulong> state, int cpu, CompiledThread code)
    {
        if (!_plan.PromisesFirst)
        {
            Tidy(state, cpu, code.Views);
        }
    }

    public void Apply(Span<ulong> state, Move move)
    {
        if (move.Kind == MoveKind.Begin)
        {
            _plan.Phase.Set(state, 1);
            return;
        }

        // Promising-ARM's rule for promises: the write takes the next position.
        (int place, int value) = PromiseArgument.Unpack(move.Argument);
        _views.Writes.Append(state, move.Cpu, place, value, promised: true);
        if (place < _program.Map.Count)
        {
            _notes.Recorder?.Access(
                move.Cpu,
                _program.Scheduler.Current(state, move.Cpu),
                TraceEventKind.Promise,
                null,
                new CellSpan(place, 1),
                value
            );
        }
    }

    // Fences, and what keeps instruction caches and TLBs coherent.
    private void Order(Span<ulong> state, int cpu, CompiledOp op, int choice)
    {
        switch (op.Kind)
        {
            case MicroOpKind.Fence:
                // Promising-ARM's rule for fences: vrNew and vwNew take what the fence orders.
                _views.Fence(state, cpu, op.Fence);
                Note(state, cpu, op.Fence == FenceKind.Context ? TraceEventKind.Serialize : TraceEventKind.Fence, op);
                break;
            case MicroOpKind.Serialize:
                Serialize(state, cpu);
                Note(state, cpu, TraceEventKind.Serialize, op);
                break;
            case MicroOpKind.Fault:
                _views.Fault(state, cpu, op.AView.Get(state), synchronizes: op.B.Get(state) != 0);
                Note(state, cpu, TraceEventKind.Fault, op);
                break;
            case MicroOpKind.CleanCode
            or MicroOpKind.InvalidateCode
            or MicroOpKind.InvalidateTranslation
            or MicroOpKind.CompleteInvalidation:
                Maintain(state, cpu, op, choice);
                break;
            default:
                throw new InvalidOperationException($"Crosscore bug: {op.Kind} outside of its place.");
        }
    }

    // Promising-ARM's rule for register instructions: the result depends on what the operands depend on.
    private void Compute(Span<ulong> state, CompiledOp op)
    {
        ValueTable values = _program.Values;
        View given = op.AView.Get(state) | op.BView.Get(state);
        op.Destination.Set(state, values.Number(op.Function!(values[op.A.Get(state)], values[op.B.Get(state)])));
        op.DestinationView.Set(state, new View(given.Read, Math.Max(given.Write, op.PickView.Get(state).Write)));
    }

    private void Choose(Span<ulong> state, CompiledOp op, int choice)
    {
        op.Destination.Set(state, _program.Values.Number((ulong)choice));
        op.DestinationView.Set(state, default);
    }

    // Promising-ARM's rule for loads: the position of the write that is read joins the view of the result, and vrOld. A
    // load of the CPU's own store takes what that store depended on instead (fwdb), because the store may not have
    // reached memory. Coherence (coh) keeps later loads of the cell from older writes.
    private void Load(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        CellSpan span = _placement.SpanOf(state, op);
        int value = _views.ValueAt(state, span.First, position);
        bool old =
            _notes.Recorder is not null
            && position != _views.Writes.Newest(state, span.First, _views.Writes.Count(state));
        View result = _views.Load(state, cpu, span.First, op.AView.Get(state), op.Order, position);
        op.Destination.Set(state, value);
        op.DestinationView.Set(state, result);
        _notes.Recorder?.Access(
            cpu,
            _placement.TaskOf(state, cpu),
            old ? TraceEventKind.LoadOld : TraceEventKind.Load,
            op,
            span,
            value
        );
    }

    // Promising-ARM's rule for stores: fulfilling a promise and writing at the end of the list differ only in when the
    // write became visible to other CPUs. Both raise vwOld, the coherence view, and fwdb for loads of the same CPU.
    private void Store(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        CellSpan span = _placement.SpanOf(state, op);
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
        _notes.Recorder?.Access(
            cpu,
            _placement.TaskOf(state, cpu),
            promised ? TraceEventKind.Fulfil : TraceEventKind.Store,
            op,
            span,
            value
        );
    }

    // A fetch is a read that ignores coherence with the loads of its CPU (Simner, Flur, Pulte et al., ESOP 2020): only
    // a context synchronization and earlier fetches keep it from old code.
    private void Fetch(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        int cell = op.Span.First;
        int value = _views.ValueAt(state, cell, position);
        bool stale =
            _notes.Recorder is not null && position != _views.Writes.Newest(state, cell, _views.Writes.Count(state));
        _views.Fetch(state, cpu, position);
        op.Destination.Set(state, value);
        op.DestinationView.Set(state, default);
        _notes.Recorder?.Access(
            cpu,
            _placement.TaskOf(state, cpu),
            stale ? TraceEventKind.FetchStale : TraceEventKind.Fetch,
            op,
            op.Span,
            value
        );
    }

    // A translation is an implicit read of a table entry (Simner, Armstrong, Pichon-Pharabod et al., ESOP 2022). What
    // it returns depends on the address alone; that it took place binds the access that follows.
    private void Translate(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        int entry = _choices.EntryFor(state, op);
        int value =
            entry < 0
                ? _program.Values.Number(TableEntry.Identity(_program.Values[op.A.Get(state)]))
                : _views.ValueAt(state, entry, position);
        _views.Translate(state, cpu, entry, position);
        op.Destination.Set(state, value);
        op.DestinationView.Set(state, op.AView.Get(state));
        if (entry >= 0)
        {
            bool old =
                _notes.Recorder is not null
                && position != _views.Writes.Newest(state, entry, _views.Writes.Count(state));
            _notes.Recorder?.Access(
                cpu,
                _placement.TaskOf(state, cpu),
                old ? TraceEventKind.TranslateStale : TraceEventKind.Translate,
                op,
                new CellSpan(entry, 1),
                value
            );
        }
    }

    // The maintenance of caches and TLBs takes a position among the writes, as a store does, because a fetch or a
    // translation of any CPU may come before or after it. Maintenance that no CPU can observe takes none.
    private void Maintain(Span<ulong> state, int cpu, CompiledOp op, int position)
    {
        (int place, _) = _choices.Maintenance(state, cpu, op);
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
                ulong address = _program.Values[op.A.Get(state)];
                _views.Maintain(
                    state,
                    cpu,
                    address == 0 || !_program.Map.TryFind(address, out int cell) ? -1 : cell,
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
        _notes.Recorder?.Note(cpu, _placement.TaskOf(state, cpu), happened, op);
    }

    // An indivisible operation of a kernel: a load of the newest write, a store directly behind it, and a full fence on
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
                MicroOpKind.Load => _views.Writes.Newest(
                    state,
                    _placement.SpanOf(state, op).First,
                    _views.Writes.Count(state)
                ),
                MicroOpKind.Store => _views.Writes.Count(state) + 1,
                _ => 0,
            };
            pc = Execute(state, cpu, code, pc, choice);
        }

        if (fenced)
        {
            _views.Fence(state, cpu, FenceKind.Full);
        }

        return pc + 1;
    }

    // Makes states that behave alike equal: views that make no difference are cleared, and writes that no view
    // distinguishes are forgotten.
    private void Tidy(Span<ulong> state, int cpu, IReadOnlyList<ViewField> registers)
    {
        bool cleans = false;
        for (int task = 0; task < _pcs.Length; task++)
        {
            CompiledThread code = _program.Threads[task];
            _pcs[task] = code.Pc.Get(state);
            cleans |= code.Analysis.MayCleanCode[_pcs[task]];
        }

        ReadOnlySpan<ulong> reads = _futures.ReadsByCpu(state);
        _views.Normalize(state, cpu, registers, reads[cpu], cleans);
        _views.Fold(state, _mode.Origin, reads, _loadsLeft);
    }

    private void Note(ReadOnlySpan<ulong> state, int cpu, TraceEventKind kind, CompiledOp op) =>
        _notes.Recorder?.Note(cpu, _placement.TaskOf(state, cpu), kind, op);
}
