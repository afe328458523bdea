using Crosscore.Model.Memory;
using Crosscore.Model.Memory.Views;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>
/// What may still happen on a core with views: which cells others may touch, which CPU may still be interrupted or go
/// to another task. Each answer, once it is no, stays no; the reductions of docs/model.md stand on that.
/// </summary>
internal sealed partial class CpuMachine<TMachine>
{
    // As many loads as are worth counting; a loop makes more.
    private const int MostLoadsCounted = 8;

    private readonly ulong[] _futureReads;
    private readonly int[] _pcs;
    private readonly Func<int, int> _loadsLeft;
    private readonly Dictionary<int, int[][]> _loads = [];

    private bool MayRunOn(int task, int cpu) =>
        _system is null ? task == cpu
        : _scheduler.Switches ? !_system.Tasks[task].Pinned || _system.Tasks[task].Cpu == cpu
        : _scheduler.Current(default, cpu) == task;

    private bool MaySwitch(int cpu)
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

    // Whether anything may still come between two instructions of what a CPU runs.
    private bool MayBeInterrupted(ReadOnlySpan<ulong> state, int cpu)
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

    // Whether a CPU is in a handler, a switch or a return, or may come there.
    private bool RunsCpuCode(ReadOnlySpan<ulong> state, int cpu) =>
        _setup.CpuAccesses.Length > 0
        && (
            IsInCpuCode(state, cpu)
            || MayBeInterrupted(state, cpu)
            || _scheduler.IsInterrupted(state, _scheduler.Current(state, cpu))
        );

    private bool MayBeInterruptedAt(ReadOnlySpan<ulong> state, int cpu, CompiledOp op) =>
        IsInterruptible(op) && MayBeInterrupted(state, cpu);

    // A load or store of a cell that no other agent ever stores to again, or, for a store, reads. A CPU that makes it
    // early only has less before it, so every way in which it comes later has its like. It must not be seen by a
    // demanded fence, which finds everything that was done before on a CPU. Test:
    // Designs/WeakAblationTests.No_reduction_changes_what_a_design_allows.
    private bool IsNobodyElses(ReadOnlySpan<ulong> state, int cpu, CompiledOp op)
    {
        if (
            op.Kind is not (MicroOpKind.Load or MicroOpKind.Store)
            || OthersMayRequestFences(state, cpu)
            || (op.Order & (AccessOrder.Atomic | AccessOrder.Exclusive)) != 0
        )
        {
            return false;
        }

        ulong cells = SpanOf(state, op).Mask;
        (ulong reads, ulong writes) = OthersMayTouch(state, cpu);
        return (cells & (op.Kind == MicroOpKind.Load ? writes : reads | writes)) == 0
            && !_views.IsCode(SpanOf(state, op).First);
    }

    // A step that could be fused; a load or store of a cell of no other agent, with all its choices; a return from an
    // interrupt that nothing can come before.
    private bool TryFindIndependentRelaxed(ReadOnlySpan<ulong> state, List<Move> moves)
    {
        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            bool inCpuCode = IsInCpuCode(state, cpu);
            int current = _scheduler.Current(state, cpu);
            if (!inCpuCode && _scheduler.IsInterrupted(state, current))
            {
                if (_returnOnlyReturns && !MayBeInterrupted(state, cpu))
                {
                    moves.Add(new Move(MoveKind.Return, cpu));
                    return true;
                }

                continue;
            }

            StepKind kind = NextStep(state, cpu);
            if (kind == StepKind.Local || (kind == StepKind.Visible && IsAlone(state, cpu, inCpuCode)))
            {
                AddSteps(state, cpu, moves);
                return true;
            }
        }

        return false;
    }

    private bool IsAlone(ReadOnlySpan<ulong> state, int cpu, bool inCpuCode)
    {
        CompiledThread code = Running(state, cpu);
        return (inCpuCode || !MayBeInterrupted(state, cpu)) && IsNobodyElses(state, cpu, code.Ops[code.Pc.Get(state)]);
    }

    /// <summary>
    /// Whether a CPU can never keep what it promised: nothing that may run there stores to that cell any more.
    /// </summary>
    public bool IsHopeless(ReadOnlySpan<ulong> state, int cpu)
    {
        if (!_memory.HasViews || _setup.PromisesFirst)
        {
            return false;
        }

        int promise = _views.Writes.OpenPromise(state, cpu);
        if (promise == 0)
        {
            return false;
        }

        ulong own = FutureWrites(state, cpu);
        for (; promise > 0; promise--)
        {
            int place = _views.Writes.Place(state, promise);
            if (
                _views.Writes.IsPromise(state, promise)
                && _views.Writes.Cpu(state, promise) == cpu
                && place < _setup.Map.Count
                && (own & new CellSpan(place, 1).Mask) == 0
            )
            {
                return true;
            }
        }

        return false;
    }

    // What all but what a CPU runs now may still read and write.
    private (ulong Reads, ulong Writes) OthersMayTouch(ReadOnlySpan<ulong> state, int cpu)
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

        for (int other = 0; other < Cpus; other++)
        {
            if (other != cpu && RunsCpuCode(state, other))
            {
                reads |= _setup.CpuAccesses[other].Reads;
                writes |= _setup.CpuAccesses[other].Writes;
            }
        }

        return (reads, writes);
    }

    // States that behave alike are made equal: views that make no difference go, and so do writes that nothing
    // distinguishes.
    private void Tidy(Span<ulong> state, int cpu, IReadOnlyList<ViewField> registers)
    {
        bool cleans = false;
        for (int task = 0; task < _tasks.Length; task++)
        {
            _pcs[task] = _tasks[task].Pc.Get(state);
            cleans |= _tasks[task].Analysis.MayCleanCode[_pcs[task]];
        }

        ReadOnlySpan<ulong> reads = FutureReads(state);
        _views.Normalize(state, cpu, registers, reads[cpu], cleans);
        _views.Fold(state, _alone ? _aloneFrom : 0, reads, _loadsLeft);
    }

    // How many loads of a cell all tasks together can still make from where they are (_pcs).
    private int LoadsLeft(int cell)
    {
        ulong mask = new CellSpan(cell, 1).Mask;
        if (_setup.CpuAccesses.Any(accesses => (accesses.Reads & mask) != 0))
        {
            return int.MaxValue;
        }

        if (!_loads.TryGetValue(cell, out int[][]? loads))
        {
            loads = [.. _tasks.Select(task => task.Analysis.MostLoads(mask, MostLoadsCounted))];
            _loads.Add(cell, loads);
        }

        int left = 0;
        for (int task = 0; task < loads.Length; task++)
        {
            int most = loads[task][_pcs[task]];
            if (most == MostLoadsCounted)
            {
                return int.MaxValue;
            }

            left += most;
        }

        return left;
    }

    // The cells that may still be written on a CPU, by whatever may run there.
    private ulong FutureWrites(ReadOnlySpan<ulong> state, int cpu)
    {
        ulong writes = RunsCpuCode(state, cpu) ? _setup.CpuAccesses[cpu].Writes : 0;
        for (int task = 0; task < _tasks.Length; task++)
        {
            writes |= MayRunOn(task, cpu) ? _tasks[task].Analysis.FutureWrites[_tasks[task].Pc.Get(state)] : 0;
        }

        return writes;
    }

    // The cells that may still be read on each CPU: by what runs there, or, where tasks move, by any that may come
    // there.
    private ReadOnlySpan<ulong> FutureReads(ReadOnlySpan<ulong> state)
    {
        for (int cpu = 0; cpu < _futureReads.Length; cpu++)
        {
            ulong reads = RunsCpuCode(state, cpu) ? _setup.CpuAccesses[cpu].Reads : 0;
            for (int task = 0; task < _tasks.Length; task++)
            {
                if (MayRunOn(task, cpu))
                {
                    reads |= _tasks[task].Analysis.FutureReads[_tasks[task].Pc.Get(state)];
                }
            }

            _futureReads[cpu] = reads;
        }

        return _futureReads;
    }
}
