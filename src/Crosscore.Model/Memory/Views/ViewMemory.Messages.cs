using Crosscore.Model.Exploration;

namespace Crosscore.Model.Memory.Views;

/// <summary>What passes between CPUs beside memory: interrupts, tasks, demanded fences. Each carries a view from the one who sends it to the one who receives it.</summary>
internal sealed partial class ViewMemory
{
    private BitField[] _messages = [];
    private BitField[] _requests = [];
    private BitField[] _answers = [];
    private BitField[] _tasks = [];
    private BitField[] _demands = [];
    private BitField[] _passed = [];

    /// <summary>Makes room for messages.</summary>
    /// <param name="interrupts">Whether CPUs interrupt each other.</param>
    /// <param name="switches">How many tasks go from CPU to CPU.</param>
    /// <param name="demanding">How many threads demand fences.</param>
    /// <param name="layout">Gives the fields.</param>
    public void AddMessages(bool interrupts, int switches, int demanding, StateLayout layout)
    {
        BitField[] Fields(int count) => [.. Enumerable.Range(0, count).Select(_ => layout.Add(Sizes.Writes))];
        _requests = Fields(interrupts ? _cpus.Length : 0);
        _answers = Fields(interrupts ? _cpus.Length : 0);
        _tasks = Fields(switches);
        _demands = Fields(demanding);
        _passed = Fields(demanding);
        _messages = [.. _requests, .. _answers, .. _tasks, .. _demands, .. _passed];
    }

    /// <summary>A CPU sends an interrupt, after everything it did.</summary>
    public void SendRequest(Span<ulong> state, int cpu)
    {
        _requests[cpu].Set(state, Everything(state, cpu));
        _answers[cpu].Set(state, 0);
    }

    /// <summary>A CPU takes the interrupt of a sender, before everything it does then.</summary>
    public void ReceiveRequest(Span<ulong> state, int cpu, int sender) => RaiseFloors(state, _cpus[cpu], View.Of(_requests[sender].Get(state)));

    public void SendAnswer(Span<ulong> state, int cpu, int sender) => Raise(state, _answers[sender], Everything(state, cpu));

    public void ReceiveAnswers(Span<ulong> state, int cpu)
    {
        RaiseFloors(state, _cpus[cpu], View.Of(_answers[cpu].Get(state)));
        _answers[cpu].Set(state, 0);
        _requests[cpu].Set(state, 0);
    }

    /// <summary>A task leaves a CPU, by a release store of the scheduler.</summary>
    public void LeaveCpu(Span<ulong> state, int cpu, int task) => _tasks[task].Set(state, Everything(state, cpu));

    /// <summary>A CPU takes a task up, after an acquire load of the scheduler.</summary>
    public void EnterCpu(Span<ulong> state, int cpu, int task)
    {
        RaiseFloors(state, _cpus[cpu], View.Of(_tasks[task].Get(state)));
        _tasks[task].Set(state, 0);
    }

    /// <summary>A thread demands a fence of all other CPUs.</summary>
    public void Demand(Span<ulong> state, int cpu, int thread)
    {
        _demands[thread].Set(state, Everything(state, cpu));
        _passed[thread].Set(state, 0);
    }

    /// <summary>A CPU passes the fence that a thread demanded.</summary>
    public void PassDemanded(Span<ulong> state, int cpu, int thread)
    {
        int all = Math.Max(Everything(state, cpu), _demands[thread].Get(state));
        RaiseFloors(state, _cpus[cpu], View.Of(all));
        Raise(state, _passed[thread], all);
    }

    /// <summary>All have passed.</summary>
    public void AwaitDemanded(Span<ulong> state, int cpu, int thread)
    {
        RaiseFloors(state, _cpus[cpu], View.Of(_passed[thread].Get(state)));
        _passed[thread].Set(state, 0);
        _demands[thread].Set(state, 0);
    }

    // A message goes after all accesses, and after what those had to come after.
    private int Everything(ReadOnlySpan<ulong> state, int cpu)
    {
        CpuViews views = _cpus[cpu];
        int accesses = Math.Max(views.Loads.Get(state).Write, views.Stores.Get(state));
        return Math.Max(accesses, Math.Max(views.LoadFloor.Get(state).Write, views.StoreFloor.Get(state)));
    }
}
