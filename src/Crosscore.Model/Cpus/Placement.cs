using System.Runtime.CompilerServices;
using Crosscore.Model.Compilation;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cpus;

/// <summary>
/// Reads from a state which code each CPU executes and in which context it is: user mode, the kernel, an interrupt
/// handler. It only reads, and knows no kind of core.
/// </summary>
internal sealed class Placement
{
    private readonly CompiledThread[] _tasks;

    // What each CPU executes outside of its tasks. Empty without a system: then every check for it is one comparison.
    private readonly CompiledThread[] _cpuCode;
    private readonly CpuSystem? _system;
    private readonly Scheduler _scheduler;
    private readonly FenceRequests _requests;
    private readonly CellMap _map;
    private readonly ValueTable _values;

    /// <summary>Reads states of a program, whose threads must be compiled already.</summary>
    public Placement(CompiledProgram program)
    {
        _tasks = program.Threads;
        _cpuCode = program.CpuCode;
        _system = program.Source.System;
        _scheduler = program.Scheduler;
        _requests = program.Requests;
        _map = program.Map;
        _values = program.Values;
    }

    /// <summary>Whether a CPU is in a handler, a switch or a return from an interrupt.</summary>
    public bool IsInCpuCode(ReadOnlySpan<ulong> state, int cpu) =>
        _cpuCode.Length > 0 && _cpuCode[cpu].Pc.Get(state) != _cpuCode[cpu].End;

    /// <summary>Gets the code that a CPU executes next.</summary>
    public CompiledThread Running(ReadOnlySpan<ulong> state, int cpu) =>
        IsInCpuCode(state, cpu) ? _cpuCode[cpu] : _tasks[_scheduler.Current(state, cpu)];

    /// <summary>Gets the task that a CPU executes; -1 while it is in code that belongs to no task.</summary>
    public int TaskOf(ReadOnlySpan<ulong> state, int cpu) =>
        IsInCpuCode(state, cpu) ? -1 : _scheduler.Current(state, cpu);

    /// <summary>Whether a task has executed its last operation.</summary>
    public static bool IsFinished(ReadOnlySpan<ulong> state, CompiledThread task) => task.Pc.Get(state) == task.End;

    /// <summary>
    /// Whether a CPU is between the load and the store of one instruction, where it takes no interrupt and passes no
    /// fence.
    /// </summary>
    public bool IsInsideInstruction(ReadOnlySpan<ulong> state, int cpu)
    {
        CompiledThread code = Running(state, cpu);
        return code.Analysis.InsideInstruction[code.Pc.Get(state)];
    }

    /// <summary>
    /// Gets the context of a task's next operation. A finished user task spins in user mode; a finished kernel thread
    /// is always at a point where it asks whether to reschedule.
    /// </summary>
    public OpContext ContextOf(ReadOnlySpan<ulong> state, int task)
    {
        int pc = _tasks[task].Pc.Get(state);
        return pc != _tasks[task].End ? _tasks[task].Ops[pc].Context
            : _system!.Tasks[task].IsKernelThread ? OpContext.Kernel | OpContext.ReschedulePoint
            : OpContext.User;
    }

    /// <summary>
    /// Whether the kernel may switch to another task here. In user mode it may on every kernel, because the return from
    /// an interrupt asks whether to reschedule; inside the kernel only at a reschedule point or if it is preemptible.
    /// </summary>
    public bool CanBeSwitchedOut(OpContext context) =>
        !context.HasFlag(OpContext.PreemptionOff)
        && (!context.HasFlag(OpContext.Kernel) || context.HasFlag(OpContext.ReschedulePoint) || _system!.Preemptible);

    /// <summary>
    /// Whether a task is switched out without an interrupt, because it sleeps or is at a reschedule point. Then it does
    /// not return from an interrupt when it resumes.
    /// </summary>
    public bool IsSwitchAskedFor(ReadOnlySpan<ulong> state, int task) =>
        _scheduler.IsAsleep(state, task) || ContextOf(state, task).HasFlag(OpContext.ReschedulePoint);

    /// <summary>Whether the return from an interrupt serializes the core where the CPU is now.</summary>
    public bool ReturnSerializes(ReadOnlySpan<ulong> state, int cpu) =>
        _system!.InterruptReturnSerializes
        || (
            _system.UserReturnSerializes && !ContextOf(state, _scheduler.Current(state, cpu)).HasFlag(OpContext.Kernel)
        );

    /// <summary>Whether an interrupt may come directly before or after an operation of a task.</summary>
    public bool IsInterruptible(CompiledOp op) =>
        _scheduler.CanBeInterrupted && !op.Context.HasFlag(OpContext.InterruptsOff);

    /// <summary>Whether a task other than the one on a CPU may still demand that this CPU passes a fence.</summary>
    public bool OthersMayRequestFences(ReadOnlySpan<ulong> state, int cpu)
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

    /// <summary>Gets the cells that an operation accesses.</summary>
    /// <exception cref="ModelException">A computed address is none that the program may access.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public CellSpan SpanOf(ReadOnlySpan<ulong> state, CompiledOp op) =>
        op.A.IsConstant ? op.Span : ComputedSpan(state, op);

    private CellSpan ComputedSpan(ReadOnlySpan<ulong> state, CompiledOp op)
    {
        try
        {
            CellSpan span = _map.FindComputed(_values[op.A.Get(state)], op.Width);
            return op.Kind is not (MicroOpKind.Load or MicroOpKind.Store) || (span.Mask & (op.Reads | op.Writes)) != 0
                ? span
                : throw new ModelException(
                    $"A computed address reaches 0x{_values[op.A.Get(state)]:x}, memory that only the kernel has."
                );
        }
        catch (ModelException problem)
        {
            throw problem.At(op.Thread, op.Source);
        }
    }
}
