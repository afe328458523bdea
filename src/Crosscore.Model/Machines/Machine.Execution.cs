using Crosscore.Model.Compilation;
using Crosscore.Model.Programs;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Machines;

/// <summary>What each move does. Operations on memory and registers are the core's.</summary>
internal sealed partial class Machine<TCore>
{
    private void Step(Span<ulong> state, int cpu, int choice)
    {
        CompiledThread code = _placement.Running(state, cpu);
        int pc = code.Pc.Get(state);
        CompiledOp op = code.Ops[pc];
        code.Pc.Set(
            state,
            op.IsOfKernel ? Execute(state, cpu, code, op, pc) : _core.Execute(state, cpu, code, pc, choice)
        );

        // A fence that was demanded inside a divisible instruction has waited for the store that ends it.
        if (op.Kind == MicroOpKind.Store && _requests.Any && CanPassFence(state, cpu))
        {
            _core.PassFences(state, cpu);
            _requests.Pass(state, cpu);
        }

        _core.EndStep(state, cpu, code);
    }

    // Returns the operation that follows. CompiledOp.IsOfKernel lists these kinds.
    private int Execute(Span<ulong> state, int cpu, CompiledThread code, CompiledOp op, int pc)
    {
        switch (op.Kind)
        {
            case MicroOpKind.Jump:
                if (op.Context.HasFlag(OpContext.ReschedulePoint) && op.KernelLine == 0)
                {
                    Note(state, cpu, TraceEventKind.LeaveSyscall, op);
                }

                return op.Target;
            case MicroOpKind.RequestFences:
                RequestFences(state, cpu, code.Id);
                Note(state, cpu, TraceEventKind.RequestFences, op);
                return pc + 1;
            case MicroOpKind.AwaitFences:
                _core.AwaitFences(state, cpu, code.Id);
                Note(state, cpu, TraceEventKind.AwaitFences, op);
                return pc + 1;
            case MicroOpKind.ReadCpu:
                SetResult(state, op, (ulong)cpu);
                return pc + 1;
            case MicroOpKind.ReadCurrent:
                SetResult(state, op, (ulong)_scheduler.Current(state, cpu) + 1);
                return pc + 1;
            case MicroOpKind.SendIpi:
                SendIpi(state, cpu, op);
                return pc + 1;
            case MicroOpKind.AwaitIpi:
                _core.ReceiveAnswers(state, cpu);
                Note(state, cpu, TraceEventKind.AwaitIpi, op);
                return pc + 1;
            case MicroOpKind.Sleep:
                _scheduler.SetAsleep(state, code.Id, true);
                _notes.Recorder?.Note(cpu, code.Id, TraceEventKind.Sleep, op);
                return pc + 1;
            case MicroOpKind.SwitchTo:
                SwitchTo(state, cpu, op);
                return pc + 1;
            case MicroOpKind.EndInterrupt:
                EndInterrupt(state, cpu, op);
                return code.End;
            case MicroOpKind.ReturnFromInterrupt:
                ReturnFromInterrupt(state, cpu, op);
                return code.End;
            case MicroOpKind.MarkRestart:
                bool restarts = _sections.Restart(state, _tasks[_scheduler.Current(state, cpu)]);
                Note(state, cpu, restarts ? TraceEventKind.Restart : TraceEventKind.MarkRestart, op);
                return pc + 1;
            case MicroOpKind.ArmSection:
                _sections.Arm(state, code.Id, op.Target);
                Note(state, cpu, TraceEventKind.ArmSection, op);
                return pc + 1;
            default:
                // Halt, EndSwitch.
                return code.End;
        }
    }

    // What is read depends on no access to memory.
    private void SetResult(Span<ulong> state, CompiledOp op, ulong value)
    {
        op.Destination.Set(state, _program.Values.Number(value));
        op.DestinationView.Set(state, default);
    }

    private void BeginSwitch(Span<ulong> state, int cpu, int next)
    {
        int previous = _scheduler.Current(state, cpu);
        bool asked = _placement.IsSwitchAskedFor(state, previous);
        if (!asked)
        {
            _scheduler.CountPreemption(state);

            // Only an interrupt makes the kernel switch a task that does not ask for it; the task resumes by returning
            // from that interrupt.
            _scheduler.SetInterrupted(state, previous, true);
        }

        _scheduler.Claim(state, next);
        CompiledThread code = _cpuCode[cpu];
        code.Registers[_system!.PreviousRegister].Set(state, _program.Values.Number((ulong)previous + 1));
        code.Registers[_system.NextRegister].Set(state, _program.Values.Number((ulong)next + 1));
        code.Pc.Set(state, _system.SwitchEntry);
        _notes.Recorder?.Note(cpu, next, asked ? TraceEventKind.BeginSwitch : TraceEventKind.Preempt);
    }

    private void SwitchTo(Span<ulong> state, int cpu, CompiledOp op)
    {
        int previous = _scheduler.Current(state, cpu);
        int next = (int)_program.Values[op.A.Get(state)] - 1;
        _scheduler.SetCurrent(state, cpu, next);
        _core.SwitchTask(state, cpu, previous, next);
        _notes.Recorder?.Note(cpu, next, TraceEventKind.SwitchTo, op);
    }

    private void RequestFences(Span<ulong> state, int cpu, int task)
    {
        int waiting = 0;
        _core.DemandFences(state, cpu, task);
        for (int other = 0; other < Cpus; other++)
        {
            if (other == cpu)
            {
                continue;
            }

            if (CanPassFence(state, other))
            {
                _core.PassFence(state, other, task);
            }
            else
            {
                waiting |= 1 << other;
            }
        }

        _requests.Request(state, task, waiting);
    }

    // A CPU passes a fence between two instructions once nothing waits to reach memory.
    private bool CanPassFence(ReadOnlySpan<ulong> state, int cpu) =>
        _core.IsQuiet(state, cpu) && !_placement.IsInsideInstruction(state, cpu);

    private void Note(ReadOnlySpan<ulong> state, int cpu, TraceEventKind kind, CompiledOp op) =>
        _notes.Recorder?.Note(cpu, _placement.TaskOf(state, cpu), kind, op);
}
