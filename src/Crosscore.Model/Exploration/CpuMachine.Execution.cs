using Crosscore.Model.Memory;
using Crosscore.Model.Memory.Views;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>What each operation does.</summary>
internal sealed partial class CpuMachine<TMachine>
{
    private void Drain(Span<ulong> state, int cpu)
    {
        CellSpan span = _memory.NextWaitingStore(state, cpu, out int value);
        _memory.Drain(state, cpu);
        if (span.First >= _firstSignal)
        {
            Arrive(state, cpu, span.First - _firstSignal);
        }
        else
        {
            Recorder?.Access(cpu, _scheduler.Current(state, cpu), TraceEventKind.ReachMemory, null, span, value);
            _fetch.Reached(state, span.First, value);
        }

        if (_requests.Any && CanPassFence(state, cpu))
        {
            _requests.Pass(state, cpu);
        }
    }

    // Messages that took their turn in the store buffer: that an interrupt was handled, that a task has left its CPU.
    private void Arrive(Span<ulong> state, int cpu, int signal)
    {
        if (signal < Cpus)
        {
            _interrupts.Answer(state, signal, cpu);
            Recorder?.Note(cpu, signal, TraceEventKind.AnswerArrives);
        }
        else
        {
            _scheduler.Release(state, signal - Cpus);
        }
    }

    private void Step(Span<ulong> state, int cpu)
    {
        CompiledThread code = Running(state, cpu);
        int pc = code.Pc.Get(state);
        CompiledOp op = code.Ops[pc];
        if (op.Kind == MicroOpKind.AtomicBegin)
        {
            for (pc++; code.Ops[pc].Kind != MicroOpKind.AtomicEnd; )
            {
                pc = Execute(state, cpu, code, code.Ops[pc], pc, atomic: true);
            }

            pc++;
        }
        else
        {
            pc = Execute(state, cpu, code, op, pc, atomic: false);
        }

        code.Pc.Set(state, pc);

        // Where stores do not wait, the store that ends a divisible instruction is what a demanded fence waited for.
        if (op.Kind == MicroOpKind.Store && _requests.Any && CanPassFence(state, cpu))
        {
            _requests.Pass(state, cpu);
        }
    }

    private int Execute(Span<ulong> state, int cpu, CompiledThread code, CompiledOp op, int pc, bool atomic)
    {
        switch (op.Kind)
        {
            case MicroOpKind.Compute:
                op.Destination.Set(
                    state,
                    _values.Number(op.Function!(_values[op.A.Get(state)], _values[op.B.Get(state)]))
                );
                break;
            case MicroOpKind.Branch:
                return op.A.Get(state) != 0 ? op.Target : pc + 1;
            case MicroOpKind.Jump:
                if (op.Context.HasFlag(OpContext.ReschedulePoint) && op.KernelLine == 0)
                {
                    Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.LeaveSyscall, op);
                }

                return op.Target;
            case MicroOpKind.Load:
                CellSpan source = SpanOf(state, op);
                int loaded = atomic ? _memory.ReadMemory(state, source) : _memory.Load(state, cpu, source);
                op.Destination.Set(state, loaded);
                Recorder?.Access(
                    cpu,
                    TaskOf(state, cpu),
                    atomic ? TraceEventKind.AtomicLoad : TraceEventKind.Load,
                    op,
                    source,
                    loaded
                );
                break;
            case MicroOpKind.Store:
                Store(state, cpu, op, atomic);
                break;
            case MicroOpKind.Fence:
                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.Fence, op);
                break;
            case MicroOpKind.Serialize:
                _fetch.Serialize(state, cpu, _setup.Memory);
                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.Serialize, op);
                break;
            case MicroOpKind.Choose:
                // Which way makes a difference to dependencies only.
                op.Destination.Set(state, _values.Number(0));
                break;
            case MicroOpKind.CleanCode or MicroOpKind.InvalidateCode:
                // Every other core keeps its instruction cache coherent by itself.
                break;
            case MicroOpKind.Translate:
                // As one without a TLB.
                ulong address = _values[op.A.Get(state)];
                MemoryRegion? table = _setup.Program.Memory.FirstOrDefault(region =>
                    region.TranslatesPage == TableEntry.PageOf(address)
                );
                op.Destination.Set(
                    state,
                    table is null
                        ? _values.Number(TableEntry.Identity(address))
                        : _memory.Load(state, cpu, _setup.Map.Find(table.Address, table.ElementWidth))
                );
                break;
            case MicroOpKind.Fault:
                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.Fault, op);
                break;
            case MicroOpKind.InvalidateTranslation or MicroOpKind.CompleteInvalidation:
                break;
            case MicroOpKind.RequestFences:
                RequestFences(state, cpu, code.Id);
                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.RequestFences, op);
                break;
            case MicroOpKind.AwaitFences:
                if (_memory.HasViews)
                {
                    _views.AwaitDemanded(state, cpu, code.Id);
                }

                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.AwaitFences, op);
                break;
            case MicroOpKind.ReadCpu:
                op.Destination.Set(state, _values.Number((ulong)cpu));
                break;
            case MicroOpKind.ReadCurrent:
                op.Destination.Set(state, _values.Number((ulong)_scheduler.Current(state, cpu) + 1));
                break;
            case MicroOpKind.SendIpi:
                int targets = (int)_values[op.A.Get(state)] & ~(1 << cpu) & ((1 << Cpus) - 1);
                _interrupts.Send(state, cpu, targets, op.Target);
                if (_memory.HasViews)
                {
                    _views.SendRequest(state, cpu, _system!.IpiOrder != IpiOrder.None);
                }

                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.SendIpi, op, targets);
                break;
            case MicroOpKind.AwaitIpi:
                if (_memory.HasViews)
                {
                    _views.ReceiveAnswers(state, cpu, _system!.IpiOrder != IpiOrder.None);
                }

                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.AwaitIpi, op);
                break;
            case MicroOpKind.Sleep:
                _scheduler.SetAsleep(state, code.Id, true);
                Recorder?.Note(cpu, code.Id, TraceEventKind.Sleep, op);
                break;
            case MicroOpKind.SwitchTo:
                SwitchTo(state, cpu, op);
                break;
            case MicroOpKind.EndSwitch:
                return code.End;
            case MicroOpKind.EndInterrupt:
                EndInterrupt(state, cpu, op);
                return code.End;
            case MicroOpKind.ReturnFromInterrupt:
                ReturnFromInterrupt(state, cpu, op);
                return code.End;
            case MicroOpKind.Halt:
                return code.End;
            case MicroOpKind.MarkRestart:
                bool restarts = _sections.Restart(state, _tasks[_scheduler.Current(state, cpu)]);
                Recorder?.Note(
                    cpu,
                    TaskOf(state, cpu),
                    restarts ? TraceEventKind.Restart : TraceEventKind.MarkRestart,
                    op
                );
                break;
            case MicroOpKind.ArmSection:
                _sections.Arm(state, code.Id, op.Target);
                Recorder?.Note(cpu, TaskOf(state, cpu), TraceEventKind.ArmSection, op);
                break;
            default:
                throw new InvalidOperationException($"Crosscore bug: {op.Kind} outside of its place.");
        }

        return pc + 1;
    }

    private void Store(Span<ulong> state, int cpu, CompiledOp op, bool atomic)
    {
        CellSpan target = SpanOf(state, op);
        int value = op.B.Get(state);
        if (atomic)
        {
            _memory.WriteMemory(state, target, value);
        }
        else
        {
            _memory.Store(state, cpu, target, value);
        }

        Recorder?.Access(
            cpu,
            TaskOf(state, cpu),
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

    private void Fetch(Span<ulong> state, int cpu, int value)
    {
        CompiledThread code = Running(state, cpu);
        int pc = code.Pc.Get(state);
        CompiledOp op = code.Ops[pc];
        op.Destination.Set(state, value);
        code.Pc.Set(state, pc + 1);
        bool stale = value != _memory.Load(state, cpu, op.Span);
        Recorder?.Access(
            cpu,
            TaskOf(state, cpu),
            stale ? TraceEventKind.FetchStale : TraceEventKind.Fetch,
            op,
            op.Span,
            value
        );
    }

    private void TakeInterrupt(Span<ulong> state, int cpu, int sender)
    {
        int handler = _interrupts.Take(state, cpu, sender);
        if (_memory.HasViews)
        {
            EnterInterrupt(state, cpu, sender);
        }
        else if (_system!.InterruptEntrySerializes)
        {
            _fetch.Serialize(state, cpu, _setup.Memory);
        }

        _cpuCode[cpu].Pc.Set(state, _system!.HandlerEntries[handler]);
        Recorder?.Note(cpu, sender, TraceEventKind.TakeInterrupt);
    }

    private void EndInterrupt(Span<ulong> state, int cpu, CompiledOp op)
    {
        int sender = _interrupts.Finish(state, cpu);
        if (_memory.HasViews)
        {
            LeaveInterrupt(state, cpu, sender);
        }
        else if (_system!.IpiOrder == IpiOrder.ReleaseAcquire)
        {
            _memory.Store(state, cpu, new CellSpan(_firstSignal + sender, 1), 0);
            if (!_memory.StoresAreLocal)
            {
                _interrupts.Answer(state, sender, cpu);
            }
        }
        else
        {
            _interrupts.Answer(state, sender, cpu);
        }

        _scheduler.SetInterrupted(state, _scheduler.Current(state, cpu), true);
        Recorder?.Note(cpu, sender, TraceEventKind.EndInterrupt, op);
    }

    private void ReturnFromInterrupt(Span<ulong> state, int cpu, CompiledOp op)
    {
        bool serializes = ReturnSerializes(state, cpu);
        if (serializes)
        {
            if (_memory.HasViews)
            {
                _views.Fence(state, cpu, FenceKind.Context);
            }
            else
            {
                _fetch.Serialize(state, cpu, _setup.Memory);
            }
        }

        int task = _scheduler.Current(state, cpu);
        _scheduler.SetInterrupted(state, task, false);
        Recorder?.Note(cpu, task, serializes ? TraceEventKind.ReturnSerializing : TraceEventKind.Return, op);
    }

    private void BeginSwitch(Span<ulong> state, int cpu, int next)
    {
        int previous = _scheduler.Current(state, cpu);
        bool asked = IsSwitchAskedFor(state, previous);
        if (!asked)
        {
            _scheduler.CountPreemption(state);

            // Only an interrupt gets the kernel to switch a task that does not ask for it; the task goes on by
            // returning from that interrupt.
            _scheduler.SetInterrupted(state, previous, true);
        }

        _scheduler.Claim(state, next);
        CompiledThread code = _cpuCode[cpu];
        code.Registers[_system!.PreviousRegister].Set(state, _values.Number((ulong)previous + 1));
        code.Registers[_system.NextRegister].Set(state, _values.Number((ulong)next + 1));
        code.Pc.Set(state, _system.SwitchEntry);
        Recorder?.Note(cpu, next, asked ? TraceEventKind.BeginSwitch : TraceEventKind.Preempt);
    }

    private void SwitchTo(Span<ulong> state, int cpu, CompiledOp op)
    {
        int previous = _scheduler.Current(state, cpu);
        int next = (int)_values[op.A.Get(state)] - 1;
        _scheduler.SetCurrent(state, cpu, next);
        if (_memory.HasViews)
        {
            if (_system!.SwitchOrders)
            {
                _views.Fence(state, cpu, FenceKind.FullCompletion);
            }

            Hand(state, cpu, previous, next);
        }

        if (_memory.StoresAreLocal)
        {
            // The kernel lets others take the task by a release store, which waits its turn behind what the task
            // stored.
            _memory.Store(state, cpu, new CellSpan(_firstSignal + Cpus + previous, 1), 0);
        }
        else
        {
            _scheduler.Release(state, previous);
        }

        Recorder?.Note(cpu, next, TraceEventKind.SwitchTo, op);
    }

    // A task that stays on its CPU takes nothing along: that CPU has its views. Of one that moves, what its registers
    // depend on is behind what it takes along.
    private void Hand(Span<ulong> state, int cpu, int previous, int next)
    {
        if (!_system!.Tasks[previous].Pinned)
        {
            _views.LeaveCpu(state, cpu, previous);
            foreach (ViewField register in _tasks[previous].Views)
            {
                register.Set(state, default);
            }
        }

        if (!_system.Tasks[next].Pinned)
        {
            _views.EnterCpu(state, cpu, next);
        }
    }

    private void RequestFences(Span<ulong> state, int cpu, int task)
    {
        int waiting = 0;
        if (_memory.HasViews)
        {
            _views.Demand(state, cpu, task);
        }

        for (int core = 0; core < Cpus; core++)
        {
            bool waits = core != cpu && !CanPassFence(state, core);
            waiting |= waits ? 1 << core : 0;
            if (_memory.HasViews && core != cpu && !waits)
            {
                _views.PassDemanded(state, core, task);
            }
        }

        _requests.Request(state, task, waiting);
    }

    // A fence stands between two instructions and has nothing to wait for.
    private bool CanPassFence(ReadOnlySpan<ulong> state, int cpu)
    {
        CompiledThread code = Running(state, cpu);
        return !_memory.HasWaitingStores(state, cpu) && !code.Analysis.InsideInstruction[code.Pc.Get(state)];
    }

    private int TaskOf(ReadOnlySpan<ulong> state, int cpu) =>
        IsInCpuCode(state, cpu) ? -1 : _scheduler.Current(state, cpu);

    private CellSpan SpanOf(ReadOnlySpan<ulong> state, CompiledOp op)
    {
        if (op.A.IsConstant)
        {
            return op.Span;
        }

        try
        {
            CellSpan span = _setup.Map.FindComputed(_values[op.A.Get(state)], op.Width);
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
