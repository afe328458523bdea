using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cpus;

/// <summary>
/// Which task is where: on which CPU it runs, whether it sleeps, whether it was interrupted and has not returned from
/// the interrupt yet. Without a system, task and CPU of the same number belong together forever, and nothing of this
/// takes a bit of the state.
/// </summary>
internal sealed class Scheduler
{
    private readonly CpuSystem? _system;
    private readonly int[] _fixedTask;
    private readonly BitField[] _current = [];
    private readonly BitField[] _asleep = [];
    private readonly BitField[] _onCpu = [];
    private readonly BitField[] _interrupted = [];
    private readonly int? _mostPreemptions;
    private readonly BitField _preemptions;

    public Scheduler(ModelProgram program, int? mostPreemptions, StateLayout layout)
    {
        _mostPreemptions = mostPreemptions;
        _system = program.System;
        Tasks = program.Threads.Count;
        Cpus = _system?.Cpus ?? Tasks;
        _fixedTask = new int[Cpus];
        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            _fixedTask[cpu] = _system is null
                ? cpu
                : Enumerable
                    .Range(0, Tasks)
                    .First(task => _system.Tasks[task].Cpu == cpu && _system.Tasks[task].Start == TaskStart.Running);
        }

        if (_system is null)
        {
            return;
        }

        bool sends = program.Threads.Any(thread => thread.Ops.Any(op => op.Kind == MicroOpKind.SendIpi));
        CanBeInterrupted = sends || Switches || _system.Tasks.Any(task => task.TakesSignals);
        _current = Fields(layout, Cpus, Switches ? Tasks - 1 : 0);
        _asleep = Fields(layout, Tasks, Switches ? 1 : 0);
        _onCpu = Fields(layout, Tasks, Switches ? 1 : 0);
        _interrupted = Fields(layout, Tasks, CanBeInterrupted ? 1 : 0);
        _preemptions = layout.Add(Switches ? mostPreemptions ?? 0 : 0);
    }

    public int Cpus { get; }

    public int Tasks { get; }

    /// <summary>Whether a CPU ever goes from one task to another.</summary>
    public bool Switches => _system is { Schedules: true };

    /// <summary>Whether anything ever comes between two instructions of a task on its CPU.</summary>
    public bool CanBeInterrupted { get; }

    public void Initialize(Span<ulong> state)
    {
        if (_system is null)
        {
            return;
        }

        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            SetCurrent(state, cpu, _fixedTask[cpu]);
        }

        for (int task = 0; task < Tasks && Switches; task++)
        {
            TaskStart start = _system.Tasks[task].Start;
            _onCpu[task].Set(state, start == TaskStart.Running ? 1 : 0);
            _asleep[task].Set(state, start == TaskStart.Asleep ? 1 : 0);
            _interrupted[task].Set(state, start == TaskStart.Runnable && CanBeInterrupted ? 1 : 0);
        }
    }

    public int Current(ReadOnlySpan<ulong> state, int cpu) => Switches ? _current[cpu].Get(state) : _fixedTask[cpu];

    public void SetCurrent(Span<ulong> state, int cpu, int task)
    {
        if (Switches)
        {
            _current[cpu].Set(state, task);
        }
    }

    /// <summary>Whether a task waits to return from the interrupt that stopped it.</summary>
    public bool IsInterrupted(ReadOnlySpan<ulong> state, int task) =>
        CanBeInterrupted && _interrupted[task].Get(state) != 0;

    public void SetInterrupted(Span<ulong> state, int task, bool interrupted) =>
        _interrupted[task].Set(state, interrupted ? 1 : 0);

    public bool IsAsleep(ReadOnlySpan<ulong> state, int task) => Switches && _asleep[task].Get(state) != 0;

    public void SetAsleep(Span<ulong> state, int task, bool asleep) => _asleep[task].Set(state, asleep ? 1 : 0);

    /// <summary>Whether a CPU can switch to a task: it is awake, no CPU has it, and it may run there.</summary>
    public bool CanSwitchTo(ReadOnlySpan<ulong> state, int cpu, int task) =>
        _asleep[task].Get(state) == 0
        && _onCpu[task].Get(state) == 0
        && (!_system!.Tasks[task].Pinned || _system.Tasks[task].Cpu == cpu);

    /// <summary>Whether a task may be switched out once more by an interrupt that it did not ask for.</summary>
    public bool CanPreempt(ReadOnlySpan<ulong> state) =>
        _mostPreemptions is not int most || _preemptions.Get(state) < most;

    public void CountPreemption(Span<ulong> state)
    {
        if (_mostPreemptions is not null)
        {
            _preemptions.Set(state, _preemptions.Get(state) + 1);
        }
    }

    /// <summary>Whether a CPU is there at all.</summary>
    public bool IsOnline(int cpu) => _system is null || (_system.Offline >> cpu & 1) == 0;

    /// <summary>A CPU takes a task, which no other can then take.</summary>
    public void Claim(Span<ulong> state, int task) => _onCpu[task].Set(state, 1);

    /// <summary>A task that was switched out may run anywhere from now on.</summary>
    public void Release(Span<ulong> state, int task) => _onCpu[task].Set(state, 0);

    private static BitField[] Fields(StateLayout layout, int count, int largest) =>
        [.. Enumerable.Range(0, count).Select(_ => layout.Add(largest))];
}
