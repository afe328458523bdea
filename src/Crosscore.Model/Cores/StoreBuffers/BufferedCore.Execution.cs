using Crosscore.Model.Compilation;
using Crosscore.Model.Cpus;
using Crosscore.Model.Programs;
using Crosscore.Model.State;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Cores.StoreBuffers;

/// <summary>What each operation does on a core with store buffers.</summary>
internal readonly partial struct BufferedCore<TMemory>
{
    public int Execute(Span<ulong> state, int cpu, CompiledThread code, int pc, int choice)
    {
        CompiledOp op = code.Ops[pc];
        if (op.Kind != MicroOpKind.AtomicBegin)
        {
            return Execute(state, cpu, op, pc, atomic: false);
        }

        for (pc++; code.Ops[pc].Kind != MicroOpKind.AtomicEnd; )
        {
            pc = Execute(state, cpu, code.Ops[pc], pc, atomic: true);
        }

        return pc + 1;
    }

    public void Apply(Span<ulong> state, Move move)
    {
        switch (move.Kind)
        {
            case MoveKind.Drain:
                Drain(state, move.Cpu);
                break;
            case MoveKind.Fetch:
                Fetch(state, move.Cpu, move.Argument);
                break;
            default:
                CompiledThread running = _placement.Running(state, move.Cpu);
                _fetch.SetUndefined(state);
                _notes.Recorder?.Note(
                    move.Cpu,
                    _program.Scheduler.Current(state, move.Cpu),
                    TraceEventKind.FetchUnpredictable,
                    running.Ops[running.Pc.Get(state)]
                );
                break;
        }
    }

    private int Execute(Span<ulong> state, int cpu, CompiledOp op, int pc, bool atomic)
    {
        switch (op.Kind)
        {
            case MicroOpKind.Compute:
                ValueTable values = _program.Values;
                op.Destination.Set(
                    state,
                    values.Number(op.Function!(values[op.A.Get(state)], values[op.B.Get(state)]))
                );
                break;
            case MicroOpKind.Branch:
                return op.A.Get(state) != 0 ? op.Target : pc + 1;
            case MicroOpKind.Load:
                Load(state, cpu, op, atomic);
                break;
            case MicroOpKind.Store:
                Store(state, cpu, op, atomic);
                break;
            case MicroOpKind.Fence:
                Note(state, cpu, TraceEventKind.Fence, op);
                break;
            case MicroOpKind.Serialize:
                Serialize(state, cpu);
                Note(state, cpu, TraceEventKind.Serialize, op);
                break;
            case MicroOpKind.Choose:
                // The two ways differ in dependencies only, which order nothing on this core.
                op.Destination.Set(state, _program.Values.Number(0));
                break;
            case MicroOpKind.CleanCode or MicroOpKind.InvalidateCode:
                // This core keeps its instruction cache coherent by itself.
                break;
            case MicroOpKind.Translate:
                Translate(state, cpu, op);
                break;
            case MicroOpKind.Fault:
                Note(state, cpu, TraceEventKind.Fault, op);
                break;
            case MicroOpKind.InvalidateTranslation or MicroOpKind.CompleteInvalidation:
                // Translate reads the table in memory: there is no TLB.
                break;
            default:
                throw new InvalidOperationException($"Crosscore bug: {op.Kind} outside of its place.");
        }

        return pc + 1;
    }

    private void Load(Span<ulong> state, int cpu, CompiledOp op, bool atomic)
    {
        CellSpan source = _placement.SpanOf(state, op);
        int loaded = atomic ? _memory.ReadMemory(state, source) : _memory.Load(state, cpu, source);
        op.Destination.Set(state, loaded);
        _notes.Recorder?.Access(
            cpu,
            _placement.TaskOf(state, cpu),
            atomic ? TraceEventKind.AtomicLoad : TraceEventKind.Load,
            op,
            source,
            loaded
        );
    }

    private void Store(Span<ulong> state, int cpu, CompiledOp op, bool atomic)
    {
        CellSpan target = _placement.SpanOf(state, op);
        int value = op.B.Get(state);
        if (atomic)
        {
            _memory.WriteMemory(state, target, value);
        }
        else
        {
            _memory.Store(state, cpu, target, value);
        }

        _notes.Recorder?.Access(
            cpu,
            _placement.TaskOf(state, cpu),
            atomic ? TraceEventKind.AtomicStore : TraceEventKind.Store,
            op,
            target,
            value
        );
        if (!_fetch.IsCode(target.First))
        {
            return;
        }

        if (atomic || !_memory.StoresAreLocal)
        {
            _fetch.Reached(state, target.First, value);
        }

        if (!op.ThroughAlias)
        {
            _fetch.StoredHere(state, cpu, target.First, value);
        }
    }

    // As a core without a TLB does it.
    private void Translate(Span<ulong> state, int cpu, CompiledOp op)
    {
        ulong address = _program.Values[op.A.Get(state)];
        MemoryRegion? table = _program.Source.Memory.FirstOrDefault(region =>
            region.TranslatesPage == TableEntry.PageOf(address)
        );
        op.Destination.Set(
            state,
            table is null
                ? _program.Values.Number(TableEntry.Identity(address))
                : _memory.Load(state, cpu, _program.Map.Find(table.Address, table.ElementWidth))
        );
    }

    private void Fetch(Span<ulong> state, int cpu, int value)
    {
        CompiledThread code = _placement.Running(state, cpu);
        int pc = code.Pc.Get(state);
        CompiledOp op = code.Ops[pc];
        op.Destination.Set(state, value);
        code.Pc.Set(state, pc + 1);
        bool stale = value != _memory.Load(state, cpu, op.Span);
        _notes.Recorder?.Access(
            cpu,
            _placement.TaskOf(state, cpu),
            stale ? TraceEventKind.FetchStale : TraceEventKind.Fetch,
            op,
            op.Span,
            value
        );
    }

    private void Drain(Span<ulong> state, int cpu)
    {
        _memory.TryPeek(state, cpu, out CellSpan span, out int value);
        _memory.Drain(state, cpu);
        if (span.First >= _firstSignal)
        {
            Arrive(state, cpu, span.First - _firstSignal);
        }
        else
        {
            _notes.Recorder?.Access(
                cpu,
                _program.Scheduler.Current(state, cpu),
                TraceEventKind.ReachMemory,
                null,
                span,
                value
            );
            _fetch.Reached(state, span.First, value);
        }

        // A demanded fence waits for an empty buffer between two instructions.
        FenceRequests requests = _program.Requests;
        if (requests.Any && IsQuiet(state, cpu) && !_placement.IsInsideInstruction(state, cpu))
        {
            requests.Pass(state, cpu);
        }
    }

    // A message reached its receiver: an interrupt was handled, or a task has left its CPU.
    private void Arrive(Span<ulong> state, int cpu, int signal)
    {
        int cpus = _program.Scheduler.Cpus;
        if (signal < cpus)
        {
            _program.Interrupts.Answer(state, signal, cpu);
            _notes.Recorder?.Note(cpu, signal, TraceEventKind.AnswerArrives);
        }
        else
        {
            _program.Scheduler.Release(state, signal - cpus);
        }
    }

    private void Note(ReadOnlySpan<ulong> state, int cpu, TraceEventKind kind, CompiledOp op) =>
        _notes.Recorder?.Note(cpu, _placement.TaskOf(state, cpu), kind, op);
}
