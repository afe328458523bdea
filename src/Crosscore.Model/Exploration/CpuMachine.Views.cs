using Crosscore.Model.Memory;

namespace Crosscore.Model.Exploration;

/// <summary>
/// What each CPU holds by itself. Only traces ask, so this may take its time and needs nothing of a memory machine that
/// the search does not need.
/// </summary>
internal sealed partial class CpuMachine<TMachine>
{
    /// <summary>
    /// What each task that has not ended executes next, and each CPU in code of its own: the CPU that runs it, -1 for
    /// none; the task, -1 for the code of the CPU; the operation.
    /// </summary>
    public List<(int Cpu, int Task, CompiledOp Op)> Unfinished(ReadOnlySpan<ulong> state)
    {
        var unfinished = new List<(int Cpu, int Task, CompiledOp Op)>();
        int[] cpuOf = [.. Enumerable.Repeat(-1, _tasks.Length)];
        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            cpuOf[_scheduler.Current(state, cpu)] = cpu;
            if (IsInCpuCode(state, cpu) && _cpuCode[cpu].Pc.Get(state) is int pc && pc != _cpuCode[cpu].End)
            {
                unfinished.Add((cpu, -1, _cpuCode[cpu].Ops[pc]));
            }
        }

        foreach (CompiledThread task in _tasks)
        {
            int pc = task.Pc.Get(state);
            if (pc != task.End && !IsFinished(state, task) && _system?.Tasks[task.Id].IsIdle != true)
            {
                unfinished.Add((cpuOf[task.Id], task.Id, task.Ops[pc]));
            }
        }

        return unfinished;
    }

    /// <summary>What each CPU holds.</summary>
    public List<CoreView> ViewCores(ReadOnlySpan<ulong> state)
    {
        var views = new List<CoreView>();
        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            views.Add(
                new CoreView(_scheduler.Current(state, cpu), WaitingStores(state, cpu), FetchableCode(state, cpu))
            );
        }

        return views;
    }

    // A copy of the state is let drain: what comes out of it is what waits, in its order.
    private List<WaitingStore> WaitingStores(ReadOnlySpan<ulong> state, int cpu)
    {
        var stores = new List<WaitingStore>();
        ulong[] copy = state.ToArray();
        while (_memory.HasWaitingStores(copy, cpu))
        {
            CellSpan span = _memory.NextWaitingStore(copy, cpu, out int value);
            if (span.First < _firstSignal)
            {
                stores.Add(
                    new WaitingStore(_setup.Map.AddressOf(span.First), _setup.Map.WidthOf(span), _values[value], -1)
                );
            }
            else if (span.First - _firstSignal < Cpus)
            {
                stores.Add(new WaitingStore(0, 0, 0, span.First - _firstSignal));
            }

            // The third kind, that a task has left its CPU, is how the scheduler keeps its books.
            _memory.Drain(copy, cpu);
        }

        return stores;
    }

    private List<FetchableCode> FetchableCode(ReadOnlySpan<ulong> state, int cpu)
    {
        var code = new List<FetchableCode>();
        foreach (int cell in _fetch.Cells)
        {
            int choices = _fetch.Choices(state, cpu, cell, _memory.Load(state, cpu, new CellSpan(cell, 1)));
            int[] values = _fetch.ValuesOf(cell);
            code.Add(
                new FetchableCode(
                    _setup.Map.AddressOf(cell),
                    [.. values.Where((_, index) => (choices >> index & 1) != 0).Select(value => _values[value])]
                )
            );
        }

        return code;
    }
}
