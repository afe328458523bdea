using Crosscore.Model.Compilation;
using Crosscore.Model.Programs;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Machines;

// Interrupts between CPUs: sent, taken, answered at the end of the handler, and the return from them.
internal sealed partial class Machine<TCore>
{
    private void SendIpi(Span<ulong> state, int cpu, CompiledOp op)
    {
        // Only CPUs that exist are interrupted, and no CPU interrupts itself.
        int targets = (int)_program.Values[op.A.Get(state)] & ~(1 << cpu) & ((1 << Cpus) - 1);
        _interrupts.Send(state, cpu, targets, op.Target);
        _core.SendIpi(state, cpu);
        _notes.Recorder?.Note(cpu, _placement.TaskOf(state, cpu), TraceEventKind.SendIpi, op, targets);
    }

    private void TakeInterrupt(Span<ulong> state, int cpu, int sender)
    {
        int handler = _interrupts.Take(state, cpu, sender);
        _core.EnterInterrupt(state, cpu, sender);
        _cpuCode[cpu].Pc.Set(state, _system!.HandlerEntries[handler]);
        _notes.Recorder?.Note(cpu, sender, TraceEventKind.TakeInterrupt);
    }

    private void EndInterrupt(Span<ulong> state, int cpu, CompiledOp op)
    {
        int sender = _interrupts.Finish(state, cpu);
        _core.LeaveInterrupt(state, cpu, sender);
        _scheduler.SetInterrupted(state, _scheduler.Current(state, cpu), true);
        _notes.Recorder?.Note(cpu, sender, TraceEventKind.EndInterrupt, op);
    }

    private void BeginReturn(Span<ulong> state, int cpu)
    {
        int task = _scheduler.Current(state, cpu);
        _notes.Recorder?.Note(cpu, task, TraceEventKind.BeginReturn);
        bool toKernel = _placement.ContextOf(state, task).HasFlag(OpContext.Kernel);
        _cpuCode[cpu].Pc.Set(state, toKernel ? _system!.ReturnToKernelEntry : _system!.ReturnEntry);
    }

    private void ReturnFromInterrupt(Span<ulong> state, int cpu, CompiledOp op)
    {
        bool serializes = _placement.ReturnSerializes(state, cpu);
        if (serializes)
        {
            _core.Serialize(state, cpu);
        }

        int task = _scheduler.Current(state, cpu);
        _scheduler.SetInterrupted(state, task, false);
        _notes.Recorder?.Note(cpu, task, serializes ? TraceEventKind.ReturnSerializing : TraceEventKind.Return, op);
    }
}
