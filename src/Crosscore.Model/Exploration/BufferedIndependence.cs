using Crosscore.Model.Compilation;
using Crosscore.Model.Cores;
using Crosscore.Model.Cores.StoreBuffers;
using Crosscore.Model.Cpus;
using Crosscore.Model.Machines;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Independence on a core with store buffers: one move whose result no other agent can change, because no other task
/// and no CPU's code may write what the step reads, or access what it writes, neither later nor by a store that waits
/// already.
/// </summary>
/// <remarks>
/// Where nothing is switched, the CPU's own waiting stores do not matter: a load of a cell that only this core writes
/// returns the same value before and after they reach memory. A task that may resume elsewhere would read memory there,
/// so then its own waiting stores count like those of other agents.
/// </remarks>
internal sealed class BufferedIndependence<TMemory> : IIndependence
    where TMemory : struct, IStoreBuffers
{
    private readonly CompiledProgram _program;
    private readonly Machine<BufferedCore<TMemory>> _machine;
    private readonly TMemory _memory;
    private readonly InstructionFetch _fetch;
    private readonly SharedCells _cells;
    private readonly InterruptFacts _interrupts;
    private readonly Placement _placement;
    private readonly Scheduler _scheduler;

    // By task, for the state that is looked at: what it may still read, and write, its waiting stores included where
    // tasks keep their CPUs.
    private readonly ulong[] _reads;
    private readonly ulong[] _writes;

    public BufferedIndependence(
        CompiledProgram program,
        Machine<BufferedCore<TMemory>> machine,
        TMemory memory,
        InstructionFetch fetch,
        SharedCells cells,
        InterruptFacts interrupts
    )
    {
        _program = program;
        _machine = machine;
        _memory = memory;
        _fetch = fetch;
        _cells = cells;
        _interrupts = interrupts;
        _placement = program.Placement;
        _scheduler = program.Scheduler;
        _reads = new ulong[program.Threads.Length];
        _writes = new ulong[program.Threads.Length];
    }

    public bool TryFind(ReadOnlySpan<ulong> state, List<Move> moves)
    {
        ulong waiting = CollectAccesses(state);
        for (int cpu = 0; cpu < _scheduler.Cpus; cpu++)
        {
            int current = _scheduler.Current(state, cpu);
            ulong othersRead = _cells.ReadByCpus;
            ulong othersWrite = _cells.WrittenByCpus | waiting;
            for (int other = 0; other < _reads.Length; other++)
            {
                othersRead |= other == current ? 0 : _reads[other];
                othersWrite |= other == current ? 0 : _writes[other];
            }

            if (IsDrainIndependent(state, cpu, current, othersRead, othersWrite))
            {
                moves.Add(new Move(MoveKind.Drain, cpu));
                return true;
            }

            if (IsReturnIndependent(state, cpu, current))
            {
                moves.Add(new Move(MoveKind.Return, cpu));
                return true;
            }

            if (IsStepIndependent(state, cpu, othersRead, othersWrite))
            {
                moves.Add(new Move(MoveKind.Step, cpu));
                return true;
            }
        }

        return false;
    }

    // Fills _reads and _writes. Returns the cells of waiting stores that belong to no task in particular, because tasks
    // migrate.
    private ulong CollectAccesses(ReadOnlySpan<ulong> state)
    {
        for (int task = 0; task < _reads.Length; task++)
        {
            CompiledThread code = _program.Threads[task];
            int pc = code.Pc.Get(state);
            _reads[task] = code.Analysis.FutureReads[pc];
            _writes[task] = code.Analysis.FutureWrites[pc];
        }

        ulong waiting = 0;
        for (int cpu = 0; cpu < _scheduler.Cpus; cpu++)
        {
            ulong cells = _memory.WaitingCells(state, cpu);
            if (_scheduler.Switches)
            {
                waiting |= cells;
            }
            else
            {
                _writes[_scheduler.Current(state, cpu)] |= cells;
            }
        }

        return waiting;
    }

    private bool IsDrainIndependent(
        ReadOnlySpan<ulong> state,
        int cpu,
        int current,
        ulong othersRead,
        ulong othersWrite
    )
    {
        if (
            !_memory.TryPeek(state, cpu, out CellSpan span, out _)
            || span.First >= _program.Map.Count
            || _fetch.IsCode(span.First)
        )
        {
            return false;
        }

        ulong mask = span.Mask;
        if (!_scheduler.Switches)
        {
            return (mask & (othersRead | othersWrite)) == 0;
        }

        // The store may be any task's, and any task, this one on another CPU included, may read the cell. This buffer
        // holds the store itself, so the other buffers are asked one by one.
        ulong accessed = othersRead | _reads[current] | _writes[current] | _cells.WrittenByCpus;
        foreach (ulong written in _writes)
        {
            accessed |= written;
        }

        for (int other = 0; other < _scheduler.Cpus; other++)
        {
            accessed |= other == cpu ? 0 : _memory.WaitingCells(state, other);
        }

        return (mask & accessed) == 0;
    }

    // Where nothing is switched, every return from an interrupt ends the same way. What may still come before it is
    // another interrupt, whose sender must not be able to tell whether the return came before or after. Test:
    // Designs/ReductionTests.A_second_interrupt_may_come_before_the_return_from_the_first.
    private bool IsReturnIndependent(ReadOnlySpan<ulong> state, int cpu, int current) =>
        !_scheduler.Switches
        && !_fetch.Any
        && !_placement.IsInCpuCode(state, cpu)
        && _scheduler.IsInterrupted(state, current)
        && _interrupts.ReturnOnlyReturns
        && (_interrupts.HandlersOnlyFence || !_memory.HasWaitingStores(state, cpu));

    private bool IsStepIndependent(ReadOnlySpan<ulong> state, int cpu, ulong othersRead, ulong othersWrite)
    {
        StepKind kind = _machine.NextStep(state, cpu);
        if (kind != StepKind.Visible)
        {
            return kind == StepKind.Local;
        }

        CompiledThread code = _placement.Running(state, cpu);
        int pc = code.Pc.Get(state);
        CompiledOp op = code.Ops[pc];
        if (!_placement.IsInCpuCode(state, cpu) && _scheduler.CanBeInterrupted && code.ShutsWindow[pc])
        {
            return false;
        }

        return op.Kind switch
        {
            MicroOpKind.AwaitFences => true,
            MicroOpKind.AwaitIpi => !_placement.IsInterruptible(op),
            MicroOpKind.Load when _machine.Core.DelaysFences(state, cpu, code, pc) => false,

            // Without buffers a store is in memory at once, and only its cells make it visible; with buffers other
            // things do, see BufferedCore.Classify.
            MicroOpKind.Store when _memory.StoresAreLocal || _machine.Core.IsStoreToCode(op) => false,
            MicroOpKind.Load or MicroOpKind.Store or MicroOpKind.AtomicBegin => (
                ((op.Reads | op.Writes) & othersWrite) | (op.Writes & othersRead)
            ) == 0,
            _ => false,
        };
    }
}
