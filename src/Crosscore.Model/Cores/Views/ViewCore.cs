using Crosscore.Model.Compilation;
using Crosscore.Model.Cpus;
using Crosscore.Model.Programs;
using Crosscore.Model.State;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// A core that sees memory through views (<see cref="ViewMemory"/>): AArch64, after Promising-ARM (Pulte,
/// Pichon-Pharabod, Kang, Lee, Hur, PLDI 2019). Writes stand in a list, in the order in which they reach memory; a load
/// chooses among those that its view does not hide, and a store may be promised, that is take its position before the
/// CPU executes it.
/// </summary>
internal readonly partial struct ViewCore<TMode> : ICore
    where TMode : struct, IRunMode
{
    private readonly CompiledProgram _program;
    private readonly ViewPlan _plan;

    // The plan's own memory and the program's own placement, here because every method asks them.
    private readonly ViewMemory _views;
    private readonly Placement _placement;
    private readonly Futures _futures;
    private readonly ViewChoices<TMode> _choices;
    private readonly TMode _mode;
    private readonly WorkerNotes _notes;

    // Null in isolation, where nothing more is promised.
    private readonly IPromiseFinder? _promises;

    // The choices of one operation, and the next operation of each task: kept so that a step allocates nothing.
    private readonly List<int> _found;
    private readonly int[] _pcs;

    // Asks for the loads that are left from _pcs; one delegate for all steps.
    private readonly Func<int, int> _loadsLeft;

    public ViewCore(
        CompiledProgram program,
        ViewPlan plan,
        TMode mode,
        WorkerNotes notes,
        IPromiseFinder? promises = null
    )
    {
        _program = program;
        _plan = plan;
        _views = plan.Memory;
        _placement = program.Placement;
        _mode = mode;
        _notes = notes;
        _promises = promises;
        _choices = new ViewChoices<TMode>(program, plan, notes.Bounds);
        _found = [];
        var futures = new Futures(program, plan.CpuAccesses);
        int[] pcs = new int[program.Threads.Length];
        _futures = futures;
        _pcs = pcs;
        _loadsLeft = cell => futures.LoadsLeft(cell, pcs);
    }

    /// <summary>Gets the choices of operations.</summary>
    public ViewChoices<TMode> Choices => _choices;

    /// <summary>Gets what may still happen from a state on.</summary>
    public Futures Futures => _futures;

    private CpuSystem? System => _program.Source.System;

    private bool InterruptsOrder => System!.IpiOrder != IpiOrder.None;

    // Where all writes are promised first, the search goes through the lists of writes. For each complete list the CPUs
    // run one after the other, because nothing that one does then concerns another (Promising-ARM, section 7).
    public bool TryFindAllMoves(ReadOnlySpan<ulong> state, List<Move> moves)
    {
        if (!_plan.PromisesFirst)
        {
            return false;
        }

        if (_plan.HasBegun(state))
        {
            AddStepsOfFirstUnfinished(state, moves);
            return true;
        }

        bool complete = true;
        for (int cpu = 0; cpu < _program.Scheduler.Cpus; cpu++)
        {
            complete &= _promises!.Find(state, cpu, 0, moves);
        }

        if (complete)
        {
            moves.Add(new Move(MoveKind.Begin, 0));
        }

        return true;
    }

    public void AddMemoryMoves(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        if (!_plan.Promises)
        {
            return;
        }

        (ulong reads, ulong writes) = _futures.OthersMayAccess(state, cpu);
        ulong worthPromising = reads | writes;
        bool maintains = _views.HasCode || _views.HasTables;
        if (!maintains && (_futures.WritesOn(state, cpu) & worthPromising) == 0)
        {
            return;
        }

        if (_views.Writes.Count(state) == _views.Writes.Capacity)
        {
            _notes.Bounds.Writes |= !_plan.WritesAreBounded;
            return;
        }

        _promises!.Find(state, cpu, worthPromising, moves);
    }

    public void AddSteps(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        CompiledThread code = _placement.Running(state, cpu);
        _choices.List(state, cpu, code.Ops[code.Pc.Get(state)], _found);
        foreach (int choice in _found)
        {
            moves.Add(new Move(MoveKind.Step, cpu, choice));
        }
    }

    public bool MayBeInterrupted(ReadOnlySpan<ulong> state, int cpu) => _futures.MayBeInterrupted(state, cpu);

    public bool DelaysInterrupts(ReadOnlySpan<ulong> state, int cpu) => false;

    public void Serialize(Span<ulong> state, int cpu) => _views.Fence(state, cpu, FenceKind.Context);

    public void SendIpi(Span<ulong> state, int cpu) => _views.SendRequest(state, cpu, InterruptsOrder);

    public void ReceiveAnswers(Span<ulong> state, int cpu) => _views.ReceiveAnswers(state, cpu, InterruptsOrder);

    public void EnterInterrupt(Span<ulong> state, int cpu, int sender)
    {
        _views.ReceiveRequest(state, cpu, sender, InterruptsOrder, _plan.CpuAccesses[cpu].Reads);
        if (System!.IpiOrder == IpiOrder.Full)
        {
            _views.Fence(state, cpu, FenceKind.Full);
        }

        if (System.InterruptEntrySerializes)
        {
            Serialize(state, cpu);
        }
    }

    public void LeaveInterrupt(Span<ulong> state, int cpu, int sender)
    {
        if (System!.IpiOrder == IpiOrder.Full)
        {
            _views.Fence(state, cpu, FenceKind.Full);
        }

        _views.SendAnswer(state, cpu, sender, InterruptsOrder);
        _program.Interrupts.Answer(state, sender, cpu);
    }

    // A task that stays on its CPU carries nothing, because that CPU has its views. A task that migrates carries a view
    // that covers whatever its registers depend on.
    public void SwitchTask(Span<ulong> state, int cpu, int previous, int next)
    {
        if (System!.SwitchOrders)
        {
            _views.Fence(state, cpu, FenceKind.FullCompletion);
        }

        if (!System.Tasks[previous].Pinned)
        {
            _views.LeaveCpu(state, cpu, previous);
            foreach (ViewField register in _program.Threads[previous].Views)
            {
                register.Set(state, default);
            }
        }

        if (!System.Tasks[next].Pinned)
        {
            _views.EnterCpu(state, cpu, next);
        }

        _program.Scheduler.Release(state, previous);
    }

    public void DemandFences(Span<ulong> state, int cpu, int thread) => _views.Demand(state, cpu, thread);

    public void PassFence(Span<ulong> state, int cpu, int thread) => _views.PassDemanded(state, cpu, thread);

    public void PassFences(Span<ulong> state, int cpu)
    {
        for (int thread = 0; thread < _program.Threads.Length; thread++)
        {
            if (_program.Requests.IsPending(state, thread, cpu))
            {
                _views.PassDemanded(state, cpu, thread);
            }
        }
    }

    public void AwaitFences(Span<ulong> state, int cpu, int thread) => _views.AwaitDemanded(state, cpu, thread);

    public bool IsQuiet(ReadOnlySpan<ulong> state, int cpu) => _views.Writes.OpenPromise(state, cpu) == 0;

    public bool IsUndefined(ReadOnlySpan<ulong> state) => false;

    // A CPU cannot keep a promise if no task that may run there stores to the cell any more.
    public bool IsHopeless(ReadOnlySpan<ulong> state, int cpu)
    {
        WriteList writes = _views.Writes;
        int promise = _plan.PromisesFirst ? 0 : writes.OpenPromise(state, cpu);
        if (promise == 0)
        {
            return false;
        }

        ulong own = _futures.WritesOn(state, cpu);
        for (; promise > 0; promise--)
        {
            int place = writes.Place(state, promise);
            if (
                writes.IsPromise(state, promise)
                && writes.Cpu(state, promise) == cpu
                && place < _program.Map.Count
                && (own & new CellSpan(place, 1).Mask) == 0
            )
            {
                return true;
            }
        }

        return false;
    }

    public bool IsDeadEnd(ReadOnlySpan<ulong> state)
    {
        if (_plan.PromisesFirst)
        {
            return true;
        }

        for (int cpu = 0; cpu < _program.Scheduler.Cpus; cpu++)
        {
            CompiledThread code = _placement.Running(state, cpu);
            int pc = code.Pc.Get(state);
            if (!IsQuiet(state, cpu) || (pc < code.End && code.Ops[pc].Kind == MicroOpKind.Store))
            {
                return true;
            }
        }

        return false;
    }

    // Every execution that visits a state which is not certain visits one that is: the CPU, alone, keeps its promises
    // and ends its instruction. It may be unable to, where something came between a load and a store that belong
    // together, or an invalidation completed.
    public bool IsPossible(ReadOnlySpan<ulong> state)
    {
        for (int cpu = 0; cpu < _program.Scheduler.Cpus; cpu++)
        {
            if (!IsQuiet(state, cpu))
            {
                return false;
            }
        }

        foreach (CompiledThread task in _program.Threads)
        {
            if (task.IsInsideInstruction(task.Pc.Get(state)))
            {
                return false;
            }
        }

        return true;
    }

    public int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span) => _views.Newest(state, span.First);

    // Promised stores wait to be executed. The maintenance of caches and TLBs stores nothing, so it is omitted.
    public List<WaitingStore> WaitingStores(ReadOnlySpan<ulong> state, int cpu)
    {
        var stores = new List<WaitingStore>();
        WriteList writes = _views.Writes;
        CellMap map = _program.Map;
        for (int position = writes.OpenPromise(state, cpu); position > 0; position--)
        {
            int place = writes.Place(state, position);
            if (writes.IsPromise(state, position) && writes.Cpu(state, position) == cpu && place < map.Count)
            {
                ulong value = _program.Values[writes.Value(state, position)];
                stores.Add(new WaitingStore(map.AddressOf(place), map.WidthOf(new CellSpan(place, 1)), value, -1));
            }
        }

        return stores;
    }

    private void AddStepsOfFirstUnfinished(ReadOnlySpan<ulong> state, List<Move> moves)
    {
        for (int cpu = 0; cpu < _program.Scheduler.Cpus; cpu++)
        {
            if (!Placement.IsFinished(state, _program.Threads[cpu]))
            {
                AddSteps(state, cpu, moves);
                return;
            }
        }
    }

    // What a fetch may return depends on the choice of a write, so no set of values is held beside the list of writes.
    public List<FetchableCode> FetchableCode(ReadOnlySpan<ulong> state, int cpu) => [];
}
