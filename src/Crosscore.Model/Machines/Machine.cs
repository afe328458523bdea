using Crosscore.Model.Compilation;
using Crosscore.Model.Cores;
using Crosscore.Model.Cpus;
using Crosscore.Model.Programs;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Machines;

/// <summary>
/// The CPUs of a machine and the tasks on them: which moves a state has, and what each does. It has the interrupts, the
/// scheduler, the ways into the kernel and out of it, and restartable sections. How a CPU sees memory is the core's,
/// and nothing here asks which kind of core that is.
/// </summary>
/// <remarks>Each worker of a search has its own, because of <see cref="Notes"/>.</remarks>
internal sealed partial class Machine<TCore>
    where TCore : struct, ICore
{
    private readonly CompiledProgram _program;
    private readonly TCore _core;

    // What the program has, once more here: every move reads most of these.
    private readonly CompiledThread[] _tasks;
    private readonly CompiledThread[] _cpuCode;
    private readonly CpuSystem? _system;
    private readonly Placement _placement;
    private readonly Scheduler _scheduler;
    private readonly Interrupts _interrupts;
    private readonly Sections _sections;
    private readonly FenceRequests _requests;
    private readonly WorkerNotes _notes;

    public Machine(CompiledProgram program, TCore core, WorkerNotes notes)
    {
        _program = program;
        _core = core;
        _tasks = program.Threads;
        _cpuCode = program.CpuCode;
        _system = program.Source.System;
        _placement = program.Placement;
        _scheduler = program.Scheduler;
        _interrupts = program.Interrupts;
        _sections = program.Sections;
        _requests = program.Requests;
        _notes = notes;
    }

    /// <summary>Gets how the CPUs see memory.</summary>
    public ref readonly TCore Core => ref _core;

    /// <summary>Gets what the machine notes while it executes.</summary>
    public WorkerNotes Notes => _notes;

    /// <summary>Gets how many CPUs there are.</summary>
    public int Cpus => _scheduler.Cpus;

    /// <summary>
    /// Whether an execution has ended: all tasks that can end have, no CPU is in the kernel's own code, and no store
    /// and no interrupt is under way. An execution whose rest has no meaning ends at once.
    /// </summary>
    public bool IsFinal(ReadOnlySpan<ulong> state)
    {
        if (_core.IsUndefined(state))
        {
            return true;
        }

        foreach (CompiledThread task in _tasks)
        {
            if (!Placement.IsFinished(state, task) && _system?.Tasks[task.Id].IsIdle != true)
            {
                return false;
            }
        }

        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            if (
                !_core.IsQuiet(state, cpu)
                || _placement.IsInCpuCode(state, cpu)
                || _interrupts.Pending(state, cpu) != 0
            )
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether, and how, a CPU can continue what it executes.</summary>
    public StepKind NextStep(ReadOnlySpan<ulong> state, int cpu)
    {
        bool inCpuCode = _placement.IsInCpuCode(state, cpu);
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

        StepKind kind = _core.Classify(state, cpu, code, pc, inCpuCode);

        // A step that closes a window for interrupts is not fused to the step before it, because what may come through
        // the window comes before it.
        return kind == StepKind.Local && !inCpuCode && code.ShutsWindow[pc] && _core.MayBeInterrupted(state, cpu)
            ? StepKind.Visible
            : kind;
    }

    /// <summary>Finds everything that can happen next.</summary>
    public void FindMoves(ReadOnlySpan<ulong> state, List<Move> moves)
    {
        if (_core.TryFindAllMoves(state, moves))
        {
            return;
        }

        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            _core.AddMemoryMoves(state, cpu, moves);
            if (NextStep(state, cpu) is StepKind.Local or StepKind.Visible)
            {
                _core.AddSteps(state, cpu, moves);
            }

            AddInterruptions(state, cpu, moves);
        }

        for (int task = 0; task < _tasks.Length && _scheduler.Switches; task++)
        {
            if (_scheduler.IsAsleep(state, task) && !Placement.IsFinished(state, _tasks[task]))
            {
                moves.Add(new Move(MoveKind.Wake, 0, task));
            }
        }
    }

    /// <summary>
    /// Adds what may come between two operations of the task on a CPU: the return from an interrupt, an interrupt, a
    /// switch to another task, a signal.
    /// </summary>
    public void AddInterruptions(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        if (_scheduler.CanBeInterrupted && _scheduler.IsOnline(cpu) && !_placement.IsInCpuCode(state, cpu))
        {
            AddKernelEntries(state, cpu, moves);
            AddSignal(state, cpu, moves);
        }
    }

    /// <summary>Makes a move.</summary>
    public void Apply(Span<ulong> state, Move move)
    {
        switch (move.Kind)
        {
            case MoveKind.Step:
                Step(state, move.Cpu, move.Argument);
                break;
            case MoveKind.TakeInterrupt:
                TakeInterrupt(state, move.Cpu, move.Argument);
                break;
            case MoveKind.Return:
                BeginReturn(state, move.Cpu);
                break;
            case MoveKind.Switch:
                BeginSwitch(state, move.Cpu, move.Argument);
                break;
            case MoveKind.Wake:
                _scheduler.SetAsleep(state, move.Argument, false);
                _notes.Recorder?.Note(-1, move.Argument, TraceEventKind.Wake);
                break;
            case MoveKind.Signal:
                int signaled = _scheduler.Current(state, move.Cpu);
                _sections.Restart(state, _tasks[signaled]);
                _notes.Recorder?.Note(move.Cpu, signaled, TraceEventKind.Signal);
                break;
            default:
                _core.Apply(state, move);
                break;
        }

        _notes.Recorder?.Took(ViewCores(state));
    }

    /// <summary>
    /// Zeroes the registers, of what a CPU executes, whose values can no longer matter, so that states which differ in
    /// nothing else are equal.
    /// </summary>
    public void ClearDeadRegisters(Span<ulong> state, int cpu)
    {
        Clear(state, _tasks[_scheduler.Current(state, cpu)]);
        if (_cpuCode.Length > 0)
        {
            Clear(state, _cpuCode[cpu]);
        }
    }

    private static void Clear(Span<ulong> state, CompiledThread code)
    {
        foreach ((int word, ulong mask) in code.KeepLive[code.Pc.Get(state)])
        {
            state[word] &= mask;
        }
    }

    private void AddKernelEntries(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        int id = _scheduler.Current(state, cpu);
        CompiledThread task = _tasks[id];
        int pc = task.Pc.Get(state);
        OpContext context = _placement.ContextOf(state, id);
        if (_scheduler.IsInterrupted(state, id))
        {
            moves.Add(new Move(MoveKind.Return, cpu));
        }

        // Interrupts come between instructions, not inside one.
        if (context.HasFlag(OpContext.InterruptsOff) || task.Analysis.InsideInstruction[pc])
        {
            return;
        }

        int pending = _core.DelaysInterrupts(state, cpu) ? 0 : _interrupts.Pending(state, cpu);
        for (int sender = 0; pending >> sender != 0; sender++)
        {
            if ((pending >> sender & 1) != 0)
            {
                moves.Add(new Move(MoveKind.TakeInterrupt, cpu, sender));
            }
        }

        bool sleeps = _scheduler.IsAsleep(state, id);
        if (_scheduler.Switches && (sleeps || _placement.CanBeSwitchedOut(context)))
        {
            AddSwitches(state, cpu, id, pc == task.End, moves);
        }
    }

    // A signal outside a restartable section changes nothing that a test could observe: its handler does nothing.
    private void AddSignal(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        CompiledThread task = _tasks[_scheduler.Current(state, cpu)];
        if (
            _system!.Tasks[task.Id].TakesSignals
            && _sections.IsInside(state, task)
            && !task.Analysis.InsideInstruction[task.Pc.Get(state)]
        )
        {
            moves.Add(new Move(MoveKind.Signal, cpu));
        }
    }

    private void AddSwitches(ReadOnlySpan<ulong> state, int cpu, int previous, bool finished, List<Move> moves)
    {
        bool allowed = _scheduler.CanPreempt(state) || _placement.IsSwitchAskedFor(state, previous);
        for (int next = 0; next < _tasks.Length; next++)
        {
            // A switch to a task that has ended shows nothing; a switch to an idle task only does before a task, or
            // between two, that have not ended.
            bool idle = _system!.Tasks[next].IsIdle;
            bool useful = idle ? !finished : !Placement.IsFinished(state, _tasks[next]);
            if (next != previous && useful && _scheduler.CanSwitchTo(state, cpu, next))
            {
                if (allowed)
                {
                    moves.Add(new Move(MoveKind.Switch, cpu, next));
                }

                _notes.Bounds.Preemptions |= !allowed;
            }
        }
    }
}
