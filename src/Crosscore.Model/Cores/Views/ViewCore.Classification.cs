using Crosscore.Model.Compilation;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// Which steps commute with everything that other agents can do: the argument for <c>Reductions.LocalFusion</c>. The
/// order in which writes reach memory is chosen when they are appended, so what only raises views of the same CPU (a
/// fence, the end of an interrupt) is local.
/// </summary>
internal readonly partial struct ViewCore<TMode>
{
    public StepKind Classify(ReadOnlySpan<ulong> state, int cpu, CompiledThread code, int pc, bool inCpuCode)
    {
        CompiledOp op = code.Ops[pc];
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
                return ClassifyChoice(state, cpu, op, inCpuCode);
            case MicroOpKind.AtomicBegin:
                if (code.IsKernelAtomic(pc) && _views.Writes.Count(state) >= _views.Writes.Capacity)
                {
                    _notes.Bounds.Writes = true;
                    return StepKind.Blocked;
                }

                return _choices.MayAccess(state, cpu) ? StepKind.Visible : StepKind.Blocked;
            case MicroOpKind.Fence or MicroOpKind.Serialize:
                return !_choices.MayAccess(state, cpu) ? StepKind.Blocked
                    : MayBeInterruptedAt(state, cpu, op, inCpuCode) ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.RequestFences or MicroOpKind.SendIpi or MicroOpKind.Sleep:
                return StepKind.Visible;
            case MicroOpKind.AwaitFences:
                return _program.Requests.AllPassed(state, code.Id) ? StepKind.Visible : StepKind.Blocked;
            case MicroOpKind.AwaitIpi:
                return !_program.Interrupts.AllAnswered(state, cpu) ? StepKind.Blocked
                    : MayBeInterruptedAt(state, cpu, op, inCpuCode) ? StepKind.Visible
                    : StepKind.Local;
            case MicroOpKind.ReadCpu:
                return inCpuCode || !_futures.MaySwitch(cpu) || !_placement.CanBeSwitchedOut(op.Context)
                    ? StepKind.Local
                    : StepKind.Visible;
            case MicroOpKind.Branch:
                return ViewChoices<TMode>.MayFail(state, op) ? StepKind.Visible : StepKind.Local;
            default:
                // Registers only; and the ends of a switch and of an interrupt, where the kernel changes its own CPU
                // and lets others continue, which they need not do at once.
                return StepKind.Local;
        }
    }

    // An operation with one choice is local if no other agent can change that choice.
    private StepKind ClassifyChoice(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, bool inCpuCode)
    {
        bool interruptible = MayBeInterruptedAt(state, cpu, op, inCpuCode);
        if (!_choices.MayAccess(state, cpu))
        {
            return StepKind.Blocked;
        }

        _choices.Find(state, cpu, op, _found);
        if (_found.Count == 0)
        {
            return StepKind.Blocked;
        }

        if (_found.Count > 1 || interruptible)
        {
            return StepKind.Visible;
        }

        // Once all writes are promised each CPU runs for itself alone. In isolation before that, a write is a candidate
        // for a promise, which must be a separate step.
        bool local = _plan.PromisesFirst
            ? !TMode.IsIsolated || !ViewChoices<TMode>.IsWrite(op)
            : _futures.IsPrivate(state, cpu, op, _views);
        return local ? StepKind.Local : StepKind.Visible;
    }

    private bool MayBeInterruptedAt(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, bool inCpuCode) =>
        !inCpuCode && _placement.IsInterruptible(op) && _futures.MayBeInterrupted(state, cpu);
}
