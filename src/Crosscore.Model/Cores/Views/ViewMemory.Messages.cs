using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// What passes between CPUs beside memory: interrupts, tasks, demanded fences. Each carries a view from the
/// sender to the receiver.
/// </summary>
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

    /// <summary>A CPU sends an interrupt.</summary>
    /// <param name="state">The state.</param>
    /// <param name="cpu">The CPU.</param>
    /// <param name="ordered">Whether that comes after everything it did; otherwise it is no more than a plain store,
    /// which only fences and the like order.</param>
    public void SendRequest(Span<ulong> state, int cpu, bool ordered)
    {
        _requests[cpu].Set(state, Sent(state, cpu, ordered));
        _answers[cpu].Set(state, 0);
    }

    /// <summary>A CPU takes the interrupt of a sender.</summary>
    /// <param name="state">The state.</param>
    /// <param name="cpu">The CPU.</param>
    /// <param name="sender">The CPU that sent it.</param>
    /// <param name="ordered">Whether that comes before everything it does then; otherwise it is a plain load.</param>
    /// <param name="asked">The cells (<see cref="CellSpan.Mask"/>) that say what is asked for: the handler reads of
    /// them what the sender wrote, or it would not know what to do.</param>
    public void ReceiveRequest(Span<ulong> state, int cpu, int sender, bool ordered, ulong asked)
    {
        int view = _requests[sender].Get(state);
        Received(state, cpu, view, ordered);
        for (int cell = 0; cell < _cells && !ordered; cell++)
        {
            if ((asked & new CellSpan(cell, 1).Mask) != 0)
            {
                _cpus[cpu].Coherence[cell].Raise(state, View.Of(view));
            }
        }
    }

    public void SendAnswer(Span<ulong> state, int cpu, int sender, bool ordered) =>
        Raise(state, _answers[sender], Sent(state, cpu, ordered));

    public void ReceiveAnswers(Span<ulong> state, int cpu, bool ordered)
    {
        Received(state, cpu, _answers[cpu].Get(state), ordered);
        _answers[cpu].Set(state, 0);
        _requests[cpu].Set(state, 0);
    }

    /// <summary>A task leaves a CPU, by a release store of the scheduler.</summary>
    public void LeaveCpu(Span<ulong> state, int cpu, int task) => _tasks[task].Set(state, Everything(state, cpu));

    /// <summary>A CPU takes a task up, after an acquire load of the scheduler.</summary>
    public void EnterCpu(Span<ulong> state, int cpu, int task)
    {
        Receive(state, cpu, _tasks[task].Get(state));
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
        Receive(state, cpu, _passed[thread].Get(state));
        _passed[thread].Set(state, 0);
        _demands[thread].Set(state, 0);
    }

    private int Sent(ReadOnlySpan<ulong> state, int cpu, bool ordered) =>
        ordered
            ? Everything(state, cpu)
            : Math.Max(_cpus[cpu].LoadFloor.Get(state).Write, _cpus[cpu].StoreFloor.Get(state));

    private void Received(Span<ulong> state, int cpu, int view, bool ordered)
    {
        if (ordered)
        {
            Receive(state, cpu, view);
        }
        else
        {
            _cpus[cpu].Loads.Raise(state, View.Of(view));
        }
    }

    // What comes after a message is executed because of it, so a context synchronization puts fetches behind it too.
    // Test: litmus/aarch64/kernel/LiveCode.SyncCore.litmus.
    private void Receive(Span<ulong> state, int cpu, int view)
    {
        RaiseFloors(state, _cpus[cpu], View.Of(view));
        if (HasCode)
        {
            Raise(state, _cpus[cpu].Control, view);
        }
    }

    // A message goes after all accesses, and after what those had to come after.
    private int Everything(ReadOnlySpan<ulong> state, int cpu)
    {
        CpuViews views = _cpus[cpu];
        int accesses = Math.Max(views.Loads.Get(state).Write, views.Stores.Get(state));
        return Math.Max(accesses, Math.Max(views.LoadFloor.Get(state).Write, views.StoreFloor.Get(state)));
    }
}
