using Crosscore.Model.Memory;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Which steps commute with everything else: the ground of <see cref="Reductions.LocalFusion"/> and
/// <see cref="Reductions.Independence"/>.
/// </summary>
internal sealed partial class CpuMachine<TMachine>
{
    /// <summary>Whether and how a CPU can continue what it runs.</summary>
    public StepKind NextStep(ReadOnlySpan<ulong> state, int cpu)
    {
        bool inCpuCode = IsInCpuCode(state, cpu);
        CompiledThread code = inCpuCode ? _cpuCode[cpu] : _tasks[_scheduler.Current(state, cpu)];
        int pc = code.Pc.Get(state);
        if (pc == code.End)
        {
            return StepKind.Halted;
        }

        if (!inCpuCode && (_scheduler.IsInterrupted(state, code.Id) || _scheduler.IsAsleep(state, code.Id)))
        {
            return StepKind.Blocked;
        }

        StepKind kind = Classify(state, cpu, code, pc, inCpuCode);

        // A step that shuts a window for interruptions is not fused to the one before it: what may come through the
        // window comes before it.
        return
            kind == StepKind.Local
            && !inCpuCode
            && code.ShutsWindow[pc]
            && (_memory.HasViews ? MayBeInterrupted(state, cpu) : _scheduler.CanBeInterrupted)
            ? StepKind.Visible
            : kind;
    }

    private StepKind Classify(ReadOnlySpan<ulong> state, int cpu, CompiledThread code, int pc, bool inCpuCode)
    {
        CompiledOp op = code.Ops[pc];
        if (_memory.HasViews)
        {
            return ClassifyRelaxed(state, cpu, code, op, inCpuCode);
        }

        switch (op.Kind)
        {
            case MicroOpKind.Load:
                return IsPrivate(code, op, inCpuCode) && !DelaysFences(state, code, pc, cpu)
                    ? StepKind.Local
                    : StepKind.Visible;
            case MicroOpKind.Store:
                if (!_memory.CanStore(state, cpu))
                {
                    BufferBoundReached |= _bounded[cpu];
                    return StepKind.Blocked;
                }

                // A store into the core's own buffer concerns no other agent, unless one may look whether the buffer is
                // empty: another core that demands a fence, or an interruption of this one. Test:
                // litmus/membarrier/StoreBuffering.Membarrier.LateStore.litmus loses an outcome without these
                // conditions.
                return !_memory.StoresAreLocal ? (IsPrivate(code, op, inCpuCode) ? StepKind.Local : StepKind.Visible)
                    : OthersMayRequestFences(state, cpu) || (!inCpuCode && IsInterruptible(op)) || IsStoreToCode(op)
                        ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.AtomicBegin:
                return _memory.HasWaitingStores(state, cpu) ? StepKind.Blocked
                    : IsPrivate(code, op, inCpuCode) ? StepKind.Local
                    : StepKind.Visible;
            case MicroOpKind.Fence:
                return _memory.HasWaitingStores(state, cpu) ? StepKind.Blocked : StepKind.Local;
            case MicroOpKind.Serialize:
                return _memory.HasWaitingStores(state, cpu) ? StepKind.Blocked
                    : _fetch.Any ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.RequestFences or MicroOpKind.SendIpi:
                return WaitsForRelease(op) && _memory.HasWaitingStores(state, cpu)
                    ? StepKind.Blocked
                    : StepKind.Visible;
            case MicroOpKind.AwaitFences:
                return _requests.AllPassed(state, code.Id) ? StepKind.Visible : StepKind.Blocked;
            case MicroOpKind.AwaitIpi:
                return _interrupts.AllAnswered(state, cpu) ? StepKind.Visible : StepKind.Blocked;
            case MicroOpKind.EndInterrupt:
                // The answer only lets the sender continue, which it need not do at once; in a buffer no other agent
                // sees it at all.
                return AnswerWaits(state, cpu) ? StepKind.Blocked
                    : OthersMayRequestFences(state, cpu) ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.ReturnFromInterrupt:
                return ReturnSerializes(state, cpu) && _memory.HasWaitingStores(state, cpu) ? StepKind.Blocked
                    : _fetch.Any ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.SwitchTo:
                return _memory.CanStore(state, cpu) ? StepKind.Local : StepKind.Blocked;

            // The number of the CPU is the one before or after a migration.
            case MicroOpKind.ReadCpu:
                return inCpuCode || !_scheduler.Switches || !CanBeSwitchedOut(op.Context)
                    ? StepKind.Local
                    : StepKind.Visible;
            case MicroOpKind.Fetch or MicroOpKind.Sleep:
                return StepKind.Visible;
            default:
                return StepKind.Local;
        }
    }

    /// <summary>
    /// Moves of one agent, all that it has, whose results nothing that another agent may do from here on, in any order,
    /// can change.
    /// </summary>
    /// <param name="state">The state.</param>
    /// <param name="moves">Receives them.</param>
    /// <returns>Whether there are any.</returns>
    public bool TryFindIndependent(ReadOnlySpan<ulong> state, List<Move> moves)
    {
        if (_memory.HasViews)
        {
            return !_setup.PromisesFirst && TryFindIndependentRelaxed(state, moves);
        }

        bool found = TryFindIndependent(state, out Move alone);
        if (found)
        {
            moves.Add(alone);
        }

        return found;
    }

    /// <summary>
    /// A move whose result nothing that another agent may do from here on, in any order, can change: no other task and
    /// no CPU's code may write what the step reads, or touch what it writes, neither later nor by a store that waits
    /// already.
    /// </summary>
    /// <remarks>
    /// Where nothing is switched, the CPU's own waiting stores do not matter: a load of a cell that only this core
    /// writes returns the same value before and after they reach memory. A task that may continue elsewhere would read
    /// memory there, so then they count like those of all.
    /// </remarks>
    private bool TryFindIndependent(ReadOnlySpan<ulong> state, out Move move)
    {
        Span<ulong> reads = stackalloc ulong[_tasks.Length];
        Span<ulong> writes = stackalloc ulong[_tasks.Length];
        ulong waiting = 0;
        for (int id = 0; id < _tasks.Length; id++)
        {
            CompiledThread task = _tasks[id];
            int pc = task.Pc.Get(state);
            reads[id] = task.Analysis.FutureReads[pc];
            writes[id] = task.Analysis.FutureWrites[pc];
        }

        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            ulong cells = _memory.WaitingCells(state, cpu);
            if (_scheduler.Switches)
            {
                waiting |= cells;
            }
            else
            {
                writes[_scheduler.Current(state, cpu)] |= cells;
            }
        }

        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            int current = _scheduler.Current(state, cpu);
            ulong othersRead = _readByCpus;
            ulong othersWrite = _writtenByCpus | waiting;
            for (int other = 0; other < _tasks.Length; other++)
            {
                othersRead |= other == current ? 0 : reads[other];
                othersWrite |= other == current ? 0 : writes[other];
            }

            if (
                _memory.HasWaitingStores(state, cpu)
                && IsDrainIndependent(state, cpu, current, reads, othersRead, othersWrite, writes)
            )
            {
                move = new Move(MoveKind.Drain, cpu);
                return true;
            }

            // Where nothing is switched, the way back from an interrupt has no other end. What may still come before it
            // is another interrupt: that one must not be able to tell whether it came before or after. Test:
            // Designs/ReductionTests.A_second_interrupt_may_come_before_the_return_from_the_first.
            if (
                !_scheduler.Switches
                && !_fetch.Any
                && !IsInCpuCode(state, cpu)
                && _scheduler.IsInterrupted(state, current)
                && _returnOnlyReturns
                && (_handlersOnlyFence || !_memory.HasWaitingStores(state, cpu))
            )
            {
                move = new Move(MoveKind.Return, cpu);
                return true;
            }

            if (IsStepIndependent(state, cpu, othersRead, othersWrite))
            {
                move = new Move(MoveKind.Step, cpu);
                return true;
            }
        }

        move = default;
        return false;
    }

    private bool IsDrainIndependent(
        ReadOnlySpan<ulong> state,
        int cpu,
        int current,
        ReadOnlySpan<ulong> reads,
        ulong othersRead,
        ulong othersWrite,
        ReadOnlySpan<ulong> writes
    )
    {
        CellSpan span = _memory.NextWaitingStore(state, cpu, out _);
        if (span.First >= _firstSignal || _fetch.IsCode(span.First))
        {
            return false;
        }

        ulong mask = span.Mask;
        if (!_scheduler.Switches)
        {
            return (mask & (othersRead | othersWrite)) == 0;
        }

        // The store may be any task's, and any task, this one elsewhere included, may look; the buffer holds the store
        // itself, so other buffers are asked one by one.
        ulong touched = othersRead | reads[current] | writes[current] | _writtenByCpus;
        for (int task = 0; task < _tasks.Length; task++)
        {
            touched |= writes[task];
        }

        for (int other = 0; other < Cpus; other++)
        {
            touched |= other == cpu ? 0 : _memory.WaitingCells(state, other);
        }

        return (mask & touched) == 0;
    }

    private bool IsStepIndependent(ReadOnlySpan<ulong> state, int cpu, ulong othersRead, ulong othersWrite)
    {
        switch (NextStep(state, cpu))
        {
            case StepKind.Local:
                return true;
            case StepKind.Visible:
                CompiledThread code = Running(state, cpu);
                int pc = code.Pc.Get(state);
                CompiledOp op = code.Ops[pc];
                if (!IsInCpuCode(state, cpu) && _scheduler.CanBeInterrupted && code.ShutsWindow[pc])
                {
                    return false;
                }

                return op.Kind switch
                {
                    MicroOpKind.AwaitFences => true,
                    MicroOpKind.AwaitIpi => !_scheduler.CanBeInterrupted || !IsInterruptible(op),
                    MicroOpKind.Load when DelaysFences(state, code, pc, cpu) => false,

                    // Without buffers a store is in memory at once, and only its cells make it visible; with them other
                    // things do, see NextStep.
                    MicroOpKind.Store when _memory.StoresAreLocal || IsStoreToCode(op) => false,
                    MicroOpKind.Load or MicroOpKind.Store or MicroOpKind.AtomicBegin => (
                        ((op.Reads | op.Writes) & othersWrite) | (op.Writes & othersRead)
                    ) == 0,
                    _ => false,
                };
            default:
                return false;
        }
    }

    // No other task, and no CPU's code, ever touches the cells in conflict: true of every state, so it needs no look at
    // one. Where tasks move between CPUs, a task's own waiting stores may be left behind, so a load is private only
    // when the task itself never writes there.
    private bool IsPrivate(CompiledThread code, CompiledOp op, bool inCpuCode)
    {
        if (inCpuCode)
        {
            return false;
        }

        ulong written = _everWrittenByOthers[code.Id] | (_scheduler.Switches ? code.Analysis.FutureWrites[0] : 0);
        return (((op.Reads | op.Writes) & written) | (op.Writes & _everReadByOthers[code.Id])) == 0
            && !IsStoreToCode(op);
    }

    private bool IsStoreToCode(CompiledOp op) =>
        _fetch.Any && op.Kind == MicroOpKind.Store && op.A.IsConstant && _fetch.IsCode(op.Span.First);

    private bool IsInterruptible(CompiledOp op) =>
        _scheduler.CanBeInterrupted && !op.Context.HasFlag(OpContext.InterruptsOff);

    private bool WaitsForRelease(CompiledOp op) => op.Kind == MicroOpKind.SendIpi && _system!.IpiOrder != IpiOrder.None;

    // A full barrier waits; otherwise the answer is a store of its own and only needs room in the buffer.
    private bool AnswerWaits(ReadOnlySpan<ulong> state, int cpu) =>
        _system!.IpiOrder switch
        {
            IpiOrder.Full => _memory.HasWaitingStores(state, cpu),
            IpiOrder.ReleaseAcquire => !_memory.CanStore(state, cpu),
            _ => false,
        };

    private bool OthersMayRequestFences(ReadOnlySpan<ulong> state, int cpu)
    {
        if (!_requests.Any)
        {
            return false;
        }

        int current = _scheduler.Current(state, cpu);
        foreach (CompiledThread other in _tasks)
        {
            if (other.Id != current && other.Analysis.MayRequestFences[other.Pc.Get(state)])
            {
                return true;
            }
        }

        return false;
    }

    // The load of a divisible instruction begins a stretch in which its core passes no fence: it matters whether a
    // demand comes before or after it.
    private bool DelaysFences(ReadOnlySpan<ulong> state, CompiledThread code, int pc, int cpu) =>
        code.Analysis.InsideInstruction[pc + 1] && (OthersMayRequestFences(state, cpu) || _scheduler.CanBeInterrupted);
}
