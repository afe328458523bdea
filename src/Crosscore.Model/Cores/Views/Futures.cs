using Crosscore.Model.Compilation;
using Crosscore.Model.Cpus;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// What may still happen from a state on: which cells an agent may access, which CPU may be interrupted or go to
/// another task. Each answer of no is final, and the reductions of docs/model.md rely on that.
/// </summary>
internal sealed class Futures
{
    // Counting more loads than this would not let more writes be forgotten; a loop makes more in any case.
    private const int MaxLoadsCounted = 8;

    private readonly CompiledProgram _program;
    private readonly CompiledThread[] _tasks;
    private readonly CpuSystem? _system;
    private readonly Scheduler _scheduler;
    private readonly Interrupts _interrupts;
    private readonly Placement _placement;
    private readonly CpuCodeAccesses[] _cpuAccesses;

    // The result of ReadsByCpu, by CPU: kept so that a step allocates nothing.
    private readonly ulong[] _reads;

    // By cell: for each task, the most loads of the cell from each of its operations on. Computed when first needed.
    private readonly Dictionary<int, int[][]> _loads = [];

    /// <summary>Looks ahead in a program.</summary>
    /// <param name="program">The program.</param>
    /// <param name="cpuAccesses">What the code of each CPU may access; empty without a system.</param>
    public Futures(CompiledProgram program, CpuCodeAccesses[] cpuAccesses)
    {
        _program = program;
        _tasks = program.Threads;
        _system = program.Source.System;
        _scheduler = program.Scheduler;
        _interrupts = program.Interrupts;
        _placement = program.Placement;
        _cpuAccesses = cpuAccesses;
        _reads = new ulong[_scheduler.Cpus];
    }

    /// <summary>Whether a CPU may ever switch from one task to another.</summary>
    public bool MaySwitch(int cpu)
    {
        if (!_scheduler.Switches || !_scheduler.IsOnline(cpu))
        {
            return false;
        }

        int tasks = 0;
        for (int task = 0; task < _tasks.Length; task++)
        {
            tasks += MayRunOn(task, cpu) ? 1 : 0;
        }

        return tasks > 1;
    }

    /// <summary>Whether anything may still come between two instructions of what a CPU executes.</summary>
    public bool MayBeInterrupted(ReadOnlySpan<ulong> state, int cpu)
    {
        if (!_scheduler.CanBeInterrupted)
        {
            return false;
        }

        if (MaySwitch(cpu) || _interrupts.Pending(state, cpu) != 0 || _system!.Tasks.Any(task => task.TakesSignals))
        {
            return true;
        }

        for (int task = 0; task < _tasks.Length; task++)
        {
            // No CPU interrupts itself.
            bool elsewhere = !MayRunOn(task, cpu) || (_scheduler.Switches && !_system!.Tasks[task].Pinned);
            if (elsewhere && _tasks[task].Analysis.MaySendInterrupts[_tasks[task].Pc.Get(state)])
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Gets what all agents but the task on a CPU, and that CPU's own code, may still read and write.
    /// </summary>
    public (ulong Reads, ulong Writes) OthersMayAccess(ReadOnlySpan<ulong> state, int cpu)
    {
        ulong reads = 0;
        ulong writes = 0;
        int current = _scheduler.Current(state, cpu);
        for (int task = 0; task < _tasks.Length; task++)
        {
            if (task != current)
            {
                int pc = _tasks[task].Pc.Get(state);
                reads |= _tasks[task].Analysis.FutureReads[pc];
                writes |= _tasks[task].Analysis.FutureWrites[pc];
            }
        }

        for (int other = 0; other < _scheduler.Cpus; other++)
        {
            if (other != cpu && RunsCpuCode(state, other))
            {
                reads |= _cpuAccesses[other].Reads;
                writes |= _cpuAccesses[other].Writes;
            }
        }

        return (reads, writes);
    }

    /// <summary>
    /// Whether a load or store is of a cell that no other agent ever stores to again or, for a store, reads. To make it
    /// early leaves less before it, so every execution in which it comes later has an equivalent one. A demanded fence
    /// must not observe it, because that fence finds everything that was done before on a CPU. Test:
    /// Designs/WeakAblationTests.No_reduction_changes_what_a_design_allows.
    /// </summary>
    public bool IsPrivate(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, ViewMemory memory)
    {
        if (
            op.Kind is not (MicroOpKind.Load or MicroOpKind.Store)
            || _placement.OthersMayRequestFences(state, cpu)
            || (op.Order & (AccessOrder.Atomic | AccessOrder.Exclusive)) != 0
        )
        {
            return false;
        }

        CellSpan span = _placement.SpanOf(state, op);
        (ulong reads, ulong writes) = OthersMayAccess(state, cpu);
        return (span.Mask & (op.Kind == MicroOpKind.Load ? writes : reads | writes)) == 0 && !memory.IsCode(span.First);
    }

    /// <summary>Gets the cells that may still be written on a CPU, by any task that may run there.</summary>
    public ulong WritesOn(ReadOnlySpan<ulong> state, int cpu)
    {
        ulong writes = RunsCpuCode(state, cpu) ? _cpuAccesses[cpu].Writes : 0;
        for (int task = 0; task < _tasks.Length; task++)
        {
            writes |= MayRunOn(task, cpu) ? _tasks[task].Analysis.FutureWrites[_tasks[task].Pc.Get(state)] : 0;
        }

        return writes;
    }

    /// <summary>
    /// Gets, for each CPU, the cells that may still be read there, by any task that may run there. The next call
    /// overwrites the result.
    /// </summary>
    public ReadOnlySpan<ulong> ReadsByCpu(ReadOnlySpan<ulong> state)
    {
        for (int cpu = 0; cpu < _reads.Length; cpu++)
        {
            ulong reads = RunsCpuCode(state, cpu) ? _cpuAccesses[cpu].Reads : 0;
            for (int task = 0; task < _tasks.Length; task++)
            {
                if (MayRunOn(task, cpu))
                {
                    reads |= _tasks[task].Analysis.FutureReads[_tasks[task].Pc.Get(state)];
                }
            }

            _reads[cpu] = reads;
        }

        return _reads;
    }

    /// <summary>
    /// Gets how many loads of a cell all tasks together can still make; <see cref="int.MaxValue"/> where that has no
    /// limit worth counting.
    /// </summary>
    /// <param name="cell">The cell.</param>
    /// <param name="pcs">The next operation of each task.</param>
    public int LoadsLeft(int cell, int[] pcs)
    {
        ulong mask = new CellSpan(cell, 1).Mask;
        if (_cpuAccesses.Any(accesses => (accesses.Reads & mask) != 0))
        {
            return int.MaxValue;
        }

        if (!_loads.TryGetValue(cell, out int[][]? loads))
        {
            loads = [.. _tasks.Select(task => task.Analysis.MostLoads(mask, MaxLoadsCounted))];
            _loads.Add(cell, loads);
        }

        int left = 0;
        for (int task = 0; task < loads.Length; task++)
        {
            int most = loads[task][pcs[task]];
            if (most == MaxLoadsCounted)
            {
                return int.MaxValue;
            }

            left += most;
        }

        return left;
    }

    private bool MayRunOn(int task, int cpu) =>
        _system is null ? task == cpu
        : _scheduler.Switches ? !_system.Tasks[task].Pinned || _system.Tasks[task].Cpu == cpu
        : _scheduler.Current(default, cpu) == task;

    // Whether a CPU is in a handler, a switch or a return, or may come there.
    private bool RunsCpuCode(ReadOnlySpan<ulong> state, int cpu) =>
        _program.CpuCode.Length > 0
        && (
            _placement.IsInCpuCode(state, cpu)
            || MayBeInterrupted(state, cpu)
            || _scheduler.IsInterrupted(state, _scheduler.Current(state, cpu))
        );
}
