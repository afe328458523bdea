using Crosscore.Model.Memory;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>Whether, and how, a CPU can go on with what it runs.</summary>
internal enum StepKind
{
    /// <summary>What it runs is at its end.</summary>
    Halted,

    /// <summary>It waits for something that another agent must do.</summary>
    Blocked,

    /// <summary>The step commutes with everything that any other agent can ever do.</summary>
    Local,

    /// <summary>Others may see the step, or it may see theirs.</summary>
    Visible,
}

/// <summary>
/// What CPUs, tasks and store buffers do to a packed state. A CPU runs its own code (an interrupt handler, a context
/// switch, the return from an interrupt) or, when it is not in any, its current task. This part says which moves there
/// are; the others what a step is and what it does.
/// </summary>
internal sealed partial class CpuMachine<TMachine>
    where TMachine : struct, IMemoryMachine
{
    private readonly Explorer.Setup _setup;
    private readonly CompiledThread[] _tasks;
    private readonly CompiledThread[] _cpuCode;
    private readonly TMachine _memory;
    private readonly bool[] _bounded;
    private readonly CpuSystem? _system;
    private readonly Scheduler _scheduler;
    private readonly Interrupts _interrupts;
    private readonly FenceRequests _requests;
    private readonly Sections _sections;
    private readonly InstructionFetch _fetch;
    private readonly ValueTable _values;
    private readonly int _firstSignal;

    // What anybody but a given task may ever read and write: the other tasks from their first operation on, and the
    // code of all CPUs.
    private readonly ulong[] _everReadByOthers;
    private readonly ulong[] _everWrittenByOthers;
    private readonly ulong _readByCpus;
    private readonly ulong _writtenByCpus;

    // The return to user mode does nothing but return; and every handler answers behind the stores of the CPU that it
    // interrupts, and touches no memory itself. Then it is all the same to whoever interrupts a CPU whether that has
    // returned from the interrupt before.
    private readonly bool _returnOnlyReturns;
    private readonly bool _handlersOnlyFence;

    public CpuMachine(Explorer.Setup setup, TMachine memory, bool[] bounded)
    {
        _setup = setup;
        _tasks = setup.Threads;
        _cpuCode = setup.CpuCode;
        _memory = memory;
        _bounded = bounded;
        _system = setup.Program.System;
        _scheduler = setup.Scheduler;
        _interrupts = setup.Interrupts;
        _requests = setup.Requests;
        _sections = setup.Sections;
        _fetch = setup.Fetch;
        _values = setup.Values;
        _firstSignal = setup.Map.Count;
        _views = setup.Views!;
        _futureReads = new ulong[_scheduler.Cpus];
        _pcs = new int[_tasks.Length];
        _loadsLeft = LoadsLeft;
        foreach (CompiledOp op in _cpuCode.Take(1).SelectMany(code => code.Ops))
        {
            _readByCpus |= op.Reads;
            _writtenByCpus |= op.Writes;
        }

        if (_system is not null)
        {
            CompiledOp[] cpuOps = _cpuCode[0].Ops;
            _returnOnlyReturns = cpuOps[_system.ReturnEntry].Kind == MicroOpKind.ReturnFromInterrupt;
            _handlersOnlyFence =
                _system.IpiOrder != IpiOrder.None
                && _interrupts.Handlers.All(handler =>
                    cpuOps
                        .Skip(_system.HandlerEntries[handler])
                        .TakeWhile(op => op.Kind != MicroOpKind.EndInterrupt)
                        .All(op => op.Width == 0)
                );
        }

        _everReadByOthers =
        [
            .. _tasks.Select(task => Others(task, other => other.Analysis.FutureReads[0]) | _readByCpus),
        ];
        _everWrittenByOthers =
        [
            .. _tasks.Select(task => Others(task, other => other.Analysis.FutureWrites[0]) | _writtenByCpus),
        ];
    }

    /// <summary>Collects what happens, while a trace is made; otherwise <see langword="null"/>.</summary>
    public ITraceRecorder? Recorder { get; set; }

    /// <summary>
    /// Whether a store had to wait because the bound on waiting stores, and not the program, said so.
    /// </summary>
    public bool BufferBoundReached { get; private set; }

    /// <summary>Whether a task was not switched out because the bound on preemptions said so.</summary>
    public bool PreemptionBoundReached { get; private set; }

    public int Cpus => _scheduler.Cpus;

    /// <summary>
    /// Whether everything has come to its end: all tasks that have one are at it, no CPU is in the kernel's own code,
    /// nothing waits or is on its way.
    /// </summary>
    public bool IsFinal(ReadOnlySpan<ulong> state)
    {
        if (_fetch.Any && _fetch.IsUndefined(state))
        {
            return true;
        }

        foreach (CompiledThread task in _tasks)
        {
            if (!IsFinished(state, task) && _system?.Tasks[task.Id].IsIdle != true)
            {
                return false;
            }
        }

        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            if (_memory.HasWaitingStores(state, cpu) || IsInCpuCode(state, cpu) || _interrupts.Pending(state, cpu) != 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Whether what came before the end of the state's execution is promised no meaning.</summary>
    public bool IsUndefined(ReadOnlySpan<ulong> state) => _fetch.Any && _fetch.IsUndefined(state);

    /// <summary>Everything that can happen next.</summary>
    public void FindMoves(ReadOnlySpan<ulong> state, List<Move> moves)
    {
        if (_memory.HasViews && _setup.PromisesFirst)
        {
            FindPromisesFirst(state, moves);
            return;
        }

        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            if (_memory.HasViews)
            {
                FindPromises(state, cpu, moves);
            }
            else if (_memory.HasWaitingStores(state, cpu))
            {
                moves.Add(new Move(MoveKind.Drain, cpu));
            }

            if (NextStep(state, cpu) is StepKind.Local or StepKind.Visible)
            {
                AddSteps(state, cpu, moves);
            }

            if (_scheduler.CanBeInterrupted && _scheduler.IsOnline(cpu) && !IsInCpuCode(state, cpu))
            {
                AddInterruptions(state, cpu, moves);
                AddSignal(state, cpu, moves);
            }
        }

        for (int task = 0; task < _tasks.Length && _scheduler.Switches; task++)
        {
            if (_scheduler.IsAsleep(state, task) && !IsFinished(state, _tasks[task]))
            {
                moves.Add(new Move(MoveKind.Wake, 0, task));
            }
        }
    }

    private void AddSteps(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        CompiledThread code = Running(state, cpu);
        CompiledOp op = code.Ops[code.Pc.Get(state)];
        if (_memory.HasViews)
        {
            ListChoices(state, cpu, op, _choices);
            foreach (int choice in _choices)
            {
                moves.Add(new Move(MoveKind.Step, cpu, choice));
            }

            return;
        }

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

    private void AddInterruptions(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        int id = _scheduler.Current(state, cpu);
        CompiledThread task = _tasks[id];
        int pc = task.Pc.Get(state);
        OpContext context = ContextOf(state, id);
        bool interrupted = _scheduler.IsInterrupted(state, id);
        if (interrupted)
        {
            moves.Add(new Move(MoveKind.Return, cpu));
        }

        // Interrupts come between instructions, not inside of one.
        if (context.HasFlag(OpContext.InterruptsOff) || task.Analysis.InsideInstruction[pc])
        {
            return;
        }

        // An interrupt that is a fence, or serialises, is taken when nothing waits any more; until then the task goes
        // on.
        bool entryWaits =
            !_memory.HasViews
            && _memory.HasWaitingStores(state, cpu)
            && (_system!.InterruptEntrySerializes || _system.IpiOrder == IpiOrder.Full);
        int pending = entryWaits ? 0 : _interrupts.Pending(state, cpu);
        for (int sender = 0; pending >> sender != 0; sender++)
        {
            if ((pending >> sender & 1) != 0)
            {
                moves.Add(new Move(MoveKind.TakeInterrupt, cpu, sender));
            }
        }

        bool sleeps = _scheduler.IsAsleep(state, id);
        if (_scheduler.Switches && (sleeps || CanBeSwitchedOut(context)))
        {
            AddSwitches(state, cpu, id, pc == task.End, moves);
        }
    }

    // A signal outside of a section changes nothing that a test could see: its handler does nothing.
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
        bool allowed = _scheduler.CanPreempt(state) || IsSwitchAskedFor(state, previous);
        for (int next = 0; next < _tasks.Length; next++)
        {
            // Nobody is interested in a task that has ended; an idle one has a use only before or between tasks that
            // have not.
            bool idle = _system!.Tasks[next].IsIdle;
            bool useful = idle ? !finished : !IsFinished(state, _tasks[next]);
            if (next != previous && useful && _scheduler.CanSwitchTo(state, cpu, next))
            {
                if (allowed)
                {
                    moves.Add(new Move(MoveKind.Switch, cpu, next));
                }

                PreemptionBoundReached |= !allowed;
            }
        }
    }

    // User mode: the way out of an interrupt asks whether to reschedule, on every kernel. Inside of the kernel only
    // where it asks itself, or is preemptible.
    private bool CanBeSwitchedOut(OpContext context) =>
        !context.HasFlag(OpContext.PreemptionOff)
        && (!context.HasFlag(OpContext.Kernel) || context.HasFlag(OpContext.ReschedulePoint) || _system!.Preemptible);

    // The task sleeps, or the kernel asks by itself whether another one should run: no interrupt is needed, and none is
    // returned from later.
    private bool IsSwitchAskedFor(ReadOnlySpan<ulong> state, int task) =>
        _scheduler.IsAsleep(state, task) || ContextOf(state, task).HasFlag(OpContext.ReschedulePoint);

    // A finished user task spins in user mode; a finished kernel thread asks all the time whether there is something
    // better to do.
    private OpContext ContextOf(ReadOnlySpan<ulong> state, int task)
    {
        int pc = _tasks[task].Pc.Get(state);
        return pc != _tasks[task].End ? _tasks[task].Ops[pc].Context
            : _system!.Tasks[task].IsKernelThread ? OpContext.Kernel | OpContext.ReschedulePoint
            : OpContext.User;
    }

    private bool ReturnSerializes(ReadOnlySpan<ulong> state, int cpu) =>
        _system!.InterruptReturnSerializes
        || (
            _system.UserReturnSerializes && !ContextOf(state, _scheduler.Current(state, cpu)).HasFlag(OpContext.Kernel)
        );

    /// <summary>Takes a move.</summary>
    public void Apply(Span<ulong> state, Move move)
    {
        switch (move.Kind)
        {
            case MoveKind.Step when _memory.HasViews:
                StepRelaxed(state, move.Cpu, move.Argument);
                break;
            case MoveKind.Step:
                Step(state, move.Cpu);
                break;
            case MoveKind.Promise:
                Promise(state, move.Cpu, move.Argument);
                break;
            case MoveKind.Begin:
                _setup.Phase.Set(state, 1);
                break;
            case MoveKind.Drain:
                Drain(state, move.Cpu);
                break;
            case MoveKind.TakeInterrupt:
                TakeInterrupt(state, move.Cpu, move.Argument);
                break;
            case MoveKind.Return:
                int interrupted = _scheduler.Current(state, move.Cpu);
                Recorder?.Note(move.Cpu, interrupted, TraceEventKind.BeginReturn);
                _cpuCode[move.Cpu]
                    .Pc.Set(
                        state,
                        ContextOf(state, interrupted).HasFlag(OpContext.Kernel)
                            ? _system!.ReturnToKernelEntry
                            : _system!.ReturnEntry
                    );
                break;
            case MoveKind.Switch:
                BeginSwitch(state, move.Cpu, move.Argument);
                break;
            case MoveKind.Wake:
                _scheduler.SetAsleep(state, move.Argument, false);
                Recorder?.Note(-1, move.Argument, TraceEventKind.Wake);
                break;
            case MoveKind.Fetch:
                Fetch(state, move.Cpu, move.Argument);
                break;
            case MoveKind.Signal:
                int signalled = _scheduler.Current(state, move.Cpu);
                _sections.Restart(state, _tasks[signalled]);
                Recorder?.Note(move.Cpu, signalled, TraceEventKind.Signal);
                break;
            default:
                CompiledThread running = Running(state, move.Cpu);
                _fetch.SetUndefined(state);
                Recorder?.Note(
                    move.Cpu,
                    _scheduler.Current(state, move.Cpu),
                    TraceEventKind.FetchUnpredictable,
                    running.Ops[running.Pc.Get(state)]
                );
                break;
        }

        Recorder?.Took(ViewCores(state));
    }

    /// <summary>Zeroes the registers that no longer matter of what a CPU runs.</summary>
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

    private bool IsInCpuCode(ReadOnlySpan<ulong> state, int cpu) =>
        _cpuCode.Length > 0 && _cpuCode[cpu].Pc.Get(state) != _cpuCode[cpu].End;

    private CompiledThread Running(ReadOnlySpan<ulong> state, int cpu) =>
        IsInCpuCode(state, cpu) ? _cpuCode[cpu] : _tasks[_scheduler.Current(state, cpu)];

    private static bool IsFinished(ReadOnlySpan<ulong> state, CompiledThread task) => task.Pc.Get(state) == task.End;

    private ulong Others(CompiledThread task, Func<CompiledThread, ulong> select) =>
        _tasks.Where(other => other.Id != task.Id).Aggregate(0UL, (all, other) => all | select(other));
}
