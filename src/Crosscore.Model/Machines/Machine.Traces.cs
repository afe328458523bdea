using Crosscore.Model.Compilation;
using Crosscore.Model.Cpus;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Machines;

/// <summary>What each CPU holds. Only traces ask, so this may take its time.</summary>
internal sealed partial class Machine<TCore>
{
    /// <summary>
    /// Lists what each task that has not ended executes next, and each CPU in its own code: the CPU that runs it, -1
    /// for none; the task, -1 for the code of the CPU; the operation.
    /// </summary>
    public List<(int Cpu, int Task, CompiledOp Op)> Unfinished(ReadOnlySpan<ulong> state)
    {
        var unfinished = new List<(int Cpu, int Task, CompiledOp Op)>();
        int[] cpuOf = [.. Enumerable.Repeat(-1, _tasks.Length)];
        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            cpuOf[_scheduler.Current(state, cpu)] = cpu;
            if (_placement.IsInCpuCode(state, cpu))
            {
                unfinished.Add((cpu, -1, _cpuCode[cpu].Ops[_cpuCode[cpu].Pc.Get(state)]));
            }
        }

        foreach (CompiledThread task in _tasks)
        {
            if (!Placement.IsFinished(state, task) && _system?.Tasks[task.Id].IsIdle != true)
            {
                unfinished.Add((cpuOf[task.Id], task.Id, task.Ops[task.Pc.Get(state)]));
            }
        }

        return unfinished;
    }

    /// <summary>Lists what each CPU holds.</summary>
    public List<CoreView> ViewCores(ReadOnlySpan<ulong> state)
    {
        var views = new List<CoreView>();
        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            views.Add(
                new CoreView(
                    _scheduler.Current(state, cpu),
                    _core.WaitingStores(state, cpu),
                    _core.FetchableCode(state, cpu)
                )
            );
        }

        return views;
    }
}
