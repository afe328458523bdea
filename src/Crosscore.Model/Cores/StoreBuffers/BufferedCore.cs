using Crosscore.Model.Compilation;
using Crosscore.Model.Cpus;
using Crosscore.Model.Programs;
using Crosscore.Model.State;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Cores.StoreBuffers;

/// <summary>
/// A core whose stores wait in a buffer or reach memory at once (<see cref="IStoreBuffers"/>), with x86's instruction
/// fetch. Its messages to other agents, that an interrupt was handled and that a task left the CPU, are stores of the
/// kernel, so they wait in the same buffer, behind what the CPU stored before.
/// </summary>
internal readonly partial struct BufferedCore<TMemory> : ICore
    where TMemory : struct, IStoreBuffers
{
    private readonly TMemory _memory;
    private readonly CompiledProgram _program;

    // The program's own placement, here because almost every method asks it.
    private readonly Placement _placement;
    private readonly InstructionFetch _fetch;
    private readonly SharedCells _cells;

    // By CPU: whether a full buffer is a bound of the options, to be reported, and not a limit of the program.
    private readonly bool[] _bounded;
    private readonly WorkerNotes _notes;

    // The first cell behind memory. A store to one of these cells is a message (CellMap.Signals).
    private readonly int _firstSignal;

    public BufferedCore(
        CompiledProgram program,
        TMemory memory,
        InstructionFetch fetch,
        SharedCells cells,
        bool[] bounded,
        WorkerNotes notes
    )
    {
        _memory = memory;
        _program = program;
        _placement = program.Placement;
        _fetch = fetch;
        _cells = cells;
        _bounded = bounded;
        _notes = notes;
        _firstSignal = program.Map.Count;
    }

    private CpuSystem? System => _program.Source.System;

    public bool TryFindAllMoves(ReadOnlySpan<ulong> state, List<Move> moves) => false;

    public void AddMemoryMoves(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        if (_memory.HasWaitingStores(state, cpu))
        {
            moves.Add(new Move(MoveKind.Drain, cpu));
        }
    }

    public void AddSteps(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        CompiledThread code = _placement.Running(state, cpu);
        CompiledOp op = code.Ops[code.Pc.Get(state)];
        if (op.Kind != MicroOpKind.Fetch)
        {
            moves.Add(new Move(MoveKind.Step, cpu));
            return;
        }

        int cell = op.Span.First;
        int choices = _fetch.Choices(state, cpu, cell, _memory.Load(state, cpu, op.Span));
        int[] values = _fetch.ValuesOf(cell);
        for (int index = 0; index < values.Length; index++)
        {
            if ((choices >> index & 1) != 0)
            {
                moves.Add(new Move(MoveKind.Fetch, cpu, values[index]));
            }
        }

        if (_fetch.IsUnpredictable(state, cpu, cell))
        {
            moves.Add(new Move(MoveKind.FetchUnpredictable, cpu));
        }
    }

    public bool MayBeInterrupted(ReadOnlySpan<ulong> state, int cpu) => _program.Scheduler.CanBeInterrupted;

    // An interrupt that is a fence, or serializes, is taken when the buffer is empty; until then the task continues.
    public bool DelaysInterrupts(ReadOnlySpan<ulong> state, int cpu) =>
        _memory.HasWaitingStores(state, cpu) && (System!.InterruptEntrySerializes || System.IpiOrder == IpiOrder.Full);

    // A state of this core has one form only.
    public void EndStep(Span<ulong> state, int cpu, CompiledThread code) { }

    public void Serialize(Span<ulong> state, int cpu) => _fetch.Serialize(state, cpu, _program.Memory);

    // The order of a request is what Classify waits for, and that of the answers is where they are in the buffer.
    public void SendIpi(Span<ulong> state, int cpu) { }

    public void ReceiveAnswers(Span<ulong> state, int cpu) { }

    public void EnterInterrupt(Span<ulong> state, int cpu, int sender)
    {
        if (System!.InterruptEntrySerializes)
        {
            Serialize(state, cpu);
        }
    }

    public void LeaveInterrupt(Span<ulong> state, int cpu, int sender)
    {
        if (System!.IpiOrder == IpiOrder.ReleaseAcquire)
        {
            _memory.Store(state, cpu, new CellSpan(_firstSignal + sender, 1), 0);
            if (_memory.StoresAreLocal)
            {
                return;
            }
        }

        _program.Interrupts.Answer(state, sender, cpu);
    }

    public void SwitchTask(Span<ulong> state, int cpu, int previous, int next)
    {
        if (_memory.StoresAreLocal)
        {
            // The kernel releases the task by a release store, which waits behind the stores of the task.
            _memory.Store(state, cpu, new CellSpan(_firstSignal + _program.Scheduler.Cpus + previous, 1), 0);
        }
        else
        {
            _program.Scheduler.Release(state, previous);
        }
    }

    // A fence of an empty buffer does nothing.
    public void DemandFences(Span<ulong> state, int cpu, int thread) { }

    public void PassFence(Span<ulong> state, int cpu, int thread) { }

    public void PassFences(Span<ulong> state, int cpu) { }

    public void AwaitFences(Span<ulong> state, int cpu, int thread) { }

    public bool IsQuiet(ReadOnlySpan<ulong> state, int cpu) => !_memory.HasWaitingStores(state, cpu);

    public bool IsUndefined(ReadOnlySpan<ulong> state) => _fetch.Any && _fetch.IsUndefined(state);

    public bool IsHopeless(ReadOnlySpan<ulong> state, int cpu) => false;

    public bool IsDeadEnd(ReadOnlySpan<ulong> state) => false;

    public bool IsPossible(ReadOnlySpan<ulong> state) => true;

    public int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span) => _memory.ReadMemory(state, span);

    // Drains a copy of the state: what comes out is what waits, in its order.
    public List<WaitingStore> WaitingStores(ReadOnlySpan<ulong> state, int cpu)
    {
        var stores = new List<WaitingStore>();
        ulong[] copy = state.ToArray();
        for (; _memory.TryPeek(copy, cpu, out CellSpan span, out int value); _memory.Drain(copy, cpu))
        {
            if (span.First < _firstSignal)
            {
                CellMap map = _program.Map;
                stores.Add(new WaitingStore(map.AddressOf(span.First), map.WidthOf(span), _program.Values[value], -1));
            }
            else if (span.First - _firstSignal < _program.Scheduler.Cpus)
            {
                stores.Add(new WaitingStore(0, 0, 0, span.First - _firstSignal));
            }

            // The third kind, that a task has left its CPU, is how the scheduler keeps its books; a trace omits it.
        }

        return stores;
    }

    public List<FetchableCode> FetchableCode(ReadOnlySpan<ulong> state, int cpu)
    {
        var code = new List<FetchableCode>();
        foreach (int cell in _fetch.Cells)
        {
            int choices = _fetch.Choices(state, cpu, cell, _memory.Load(state, cpu, new CellSpan(cell, 1)));
            IEnumerable<int> values = _fetch.ValuesOf(cell).Where((_, index) => (choices >> index & 1) != 0);
            ValueTable table = _program.Values;
            code.Add(new FetchableCode(_program.Map.AddressOf(cell), [.. values.Select(value => table[value])]));
        }

        return code;
    }
}
