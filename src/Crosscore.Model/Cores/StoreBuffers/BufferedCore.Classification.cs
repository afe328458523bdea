using Crosscore.Model.Compilation;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Cores.StoreBuffers;

/// <summary>
/// Which steps commute with everything that other agents can do: the argument for <c>Reductions.LocalFusion</c>.
/// </summary>
internal readonly partial struct BufferedCore<TMemory>
{
    public StepKind Classify(ReadOnlySpan<ulong> state, int cpu, CompiledThread code, int pc, bool inCpuCode)
    {
        CompiledOp op = code.Ops[pc];
        switch (op.Kind)
        {
            case MicroOpKind.Load:
                return IsPrivate(code, op, inCpuCode) && !DelaysFences(state, cpu, code, pc)
                    ? StepKind.Local
                    : StepKind.Visible;
            case MicroOpKind.Store:
                return ClassifyStore(state, cpu, code, op, inCpuCode);
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
                return _program.Requests.AllPassed(state, code.Id) ? StepKind.Visible : StepKind.Blocked;
            case MicroOpKind.AwaitIpi:
                return _program.Interrupts.AllAnswered(state, cpu) ? StepKind.Visible : StepKind.Blocked;
            case MicroOpKind.EndInterrupt:
                // The answer only lets the sender continue, which it need not do at once; in a buffer no other agent
                // sees it at all.
                return AnswerWaits(state, cpu) ? StepKind.Blocked
                    : _placement.OthersMayRequestFences(state, cpu) ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.ReturnFromInterrupt:
                return _placement.ReturnSerializes(state, cpu) && _memory.HasWaitingStores(state, cpu)
                        ? StepKind.Blocked
                    : _fetch.Any ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.SwitchTo:
                return _memory.CanStore(state, cpu) ? StepKind.Local : StepKind.Blocked;
            case MicroOpKind.ReadCpu:
                // A task that migrates may read the number of the CPU before or after that.
                return inCpuCode || !_program.Scheduler.Switches || !_placement.CanBeSwitchedOut(op.Context)
                    ? StepKind.Local
                    : StepKind.Visible;
            case MicroOpKind.Fetch or MicroOpKind.Sleep:
                return StepKind.Visible;
            default:
                return StepKind.Local;
        }
    }

    /// <summary>Whether a store changes code, which other cores may fetch at any time.</summary>
    public bool IsStoreToCode(CompiledOp op) =>
        _fetch.Any && op.Kind == MicroOpKind.Store && op.A.IsConstant && _fetch.IsCode(op.Span.First);

    /// <summary>
    /// Whether an operation is the load of a divisible instruction. From there to its store the core passes no fence,
    /// so it matters whether a demand comes before it or after it.
    /// </summary>
    public bool DelaysFences(ReadOnlySpan<ulong> state, int cpu, CompiledThread code, int pc) =>
        code.Analysis.InsideInstruction[pc + 1]
        && (_placement.OthersMayRequestFences(state, cpu) || _program.Scheduler.CanBeInterrupted);

    private StepKind ClassifyStore(
        ReadOnlySpan<ulong> state,
        int cpu,
        CompiledThread code,
        CompiledOp op,
        bool inCpuCode
    )
    {
        if (!_memory.CanStore(state, cpu))
        {
            _notes.Bounds.Buffer |= _bounded[cpu];
            return StepKind.Blocked;
        }

        if (!_memory.StoresAreLocal)
        {
            return IsPrivate(code, op, inCpuCode) ? StepKind.Local : StepKind.Visible;
        }

        // A store into the core's own buffer concerns no other agent, unless one may look whether the buffer is empty:
        // another core that demands a fence, or an interrupt of this one. Test:
        // litmus/membarrier/StoreBuffering.Membarrier.LateStore.litmus loses an outcome without these conditions.
        bool observed =
            _placement.OthersMayRequestFences(state, cpu)
            || (!inCpuCode && _placement.IsInterruptible(op))
            || IsStoreToCode(op);
        return observed ? StepKind.Visible : StepKind.Local;
    }

    private bool IsPrivate(CompiledThread code, CompiledOp op, bool inCpuCode) =>
        !inCpuCode && _cells.ArePrivate(code, op) && !IsStoreToCode(op);

    private bool WaitsForRelease(CompiledOp op) => op.Kind == MicroOpKind.SendIpi && System!.IpiOrder != IpiOrder.None;

    // A full barrier waits for an empty buffer; otherwise the answer is a store and only needs room in the buffer.
    private bool AnswerWaits(ReadOnlySpan<ulong> state, int cpu) =>
        System!.IpiOrder switch
        {
            IpiOrder.Full => _memory.HasWaitingStores(state, cpu),
            IpiOrder.ReleaseAcquire => !_memory.CanStore(state, cpu),
            _ => false,
        };
}
