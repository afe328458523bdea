using Crosscore.Model.Compilation;
using Crosscore.Model.Cores;
using Crosscore.Model.Cores.Views;
using Crosscore.Model.Cpus;
using Crosscore.Model.Machines;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Independence on a core with views: a step that could be fused; a load or store of a cell of no other agent, with all
/// its choices; a return from an interrupt that nothing can come before.
/// </summary>
internal sealed class ViewIndependence(
    CompiledProgram program,
    ViewPlan plan,
    Machine<ViewCore<Concurrent>> machine,
    InterruptFacts interrupts
) : IIndependence
{
    private readonly Placement _placement = program.Placement;
    private readonly Scheduler _scheduler = program.Scheduler;
    private readonly Futures _futures = machine.Core.Futures;

    public bool TryFind(ReadOnlySpan<ulong> state, List<Move> moves)
    {
        // Where all writes are promised first, the core itself orders the moves of the CPUs.
        if (plan.PromisesFirst)
        {
            return false;
        }

        for (int cpu = 0; cpu < _scheduler.Cpus; cpu++)
        {
            bool inCpuCode = _placement.IsInCpuCode(state, cpu);
            if (!inCpuCode && _scheduler.IsInterrupted(state, _scheduler.Current(state, cpu)))
            {
                if (interrupts.ReturnOnlyReturns && !_futures.MayBeInterrupted(state, cpu))
                {
                    moves.Add(new Move(MoveKind.Return, cpu));
                    return true;
                }

                continue;
            }

            StepKind kind = machine.NextStep(state, cpu);
            if (kind == StepKind.Local || (kind == StepKind.Visible && IsPrivate(state, cpu, inCpuCode)))
            {
                machine.Core.AddSteps(state, cpu, moves);
                return true;
            }
        }

        return false;
    }

    private bool IsPrivate(ReadOnlySpan<ulong> state, int cpu, bool inCpuCode)
    {
        CompiledThread code = _placement.Running(state, cpu);
        CompiledOp op = code.Ops[code.Pc.Get(state)];
        return (inCpuCode || !_futures.MayBeInterrupted(state, cpu)) && _futures.IsPrivate(state, cpu, op, plan.Memory);
    }
}
