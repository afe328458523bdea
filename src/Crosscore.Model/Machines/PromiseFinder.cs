using System.Runtime.InteropServices;
using Crosscore.Model.Compilation;
using Crosscore.Model.Cores;
using Crosscore.Model.Cores.Views;
using Crosscore.Model.Cpus;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Machines;

/// <summary>
/// Finds promises (Promising-ARM, sections 4 and 7): a CPU may put a write into the list before it executes it if,
/// running in isolation from where it is, it could make that write. What it must come after is checked when the CPU
/// executes it, so a promise that should not have been made leads to no final state. Running in isolation only says
/// which promises are worth making.
/// </summary>
/// <remarks>
/// The runs are executed by a separate machine (<see cref="Isolated"/>), so no state of the execution and
/// no recorder is ever touched by one. A finder belongs to one worker and keeps its lists between calls.
/// </remarks>
internal sealed class PromiseFinder : IPromiseFinder
{
    // As in the search: a computation without end would never end a step.
    private const int MaxFusedOps = 1000;

    private readonly CompiledProgram _program;
    private readonly ViewPlan _plan;
    private readonly ViewMemory _views;
    private readonly Machine<ViewCore<Isolated>> _machine;
    private readonly IsolatedRun _isolated = new();

    // The states that runs of the CPU visit, and which of them lead to which. An index finds states again, so that
    // runs which meet continue as one and loops end.
    private readonly List<Visit> _visits = [];
    private readonly Dictionary<ulong, List<int>> _visitIndex = [];
    private readonly List<(int From, int To)> _edges = [];

    // The writes that could be promised, and the visit behind each.
    private readonly List<(int To, int Promise)> _candidates = [];
    private readonly List<Move> _interruptions = [];
    private readonly List<int> _choices = [];

    // The arguments of the call that is under way.
    private int _cpu;
    private ulong _worthPromising;

    /// <summary>Makes a finder for one worker.</summary>
    /// <param name="program">The program.</param>
    /// <param name="plan">How it is explored.</param>
    /// <param name="bounds">Takes the bounds that runs reach: they hide promises, so the exploration is
    /// bounded.</param>
    public PromiseFinder(CompiledProgram program, ViewPlan plan, BoundsReached bounds)
    {
        _program = program;
        _plan = plan;
        _views = plan.Memory;
        var notes = new WorkerNotes(bounds);
        _machine = new Machine<ViewCore<Isolated>>(
            program,
            new ViewCore<Isolated>(program, plan, new Isolated(_isolated), notes),
            notes
        );
    }

    /// <summary>A state of a run.</summary>
    /// <param name="State">The state.</param>
    /// <param name="Overtakes">Whether an access came before that a promise made from here would overtake. Without, the
    /// promise can as well be made later.</param>
    private readonly record struct Visit(ulong[] State, bool Overtakes);

    private int Count => _isolated.Origin;

    public bool Find(ReadOnlySpan<ulong> state, int cpu, ulong worthPromising, List<Move> moves)
    {
        _cpu = cpu;
        _worthPromising = worthPromising;
        _isolated.Origin = _views.Writes.Count(state);
        _visits.Clear();
        _visitIndex.Clear();
        _edges.Clear();
        _candidates.Clear();
        Enter(state, overtakes: false);
        bool complete = false;
        for (int visit = 0; visit < _visits.Count; visit++)
        {
            complete |= Continue(visit);
        }

        AddKept(moves);
        return complete;
    }

    // Follows everything that the CPU can do next. Returns whether the run ends here with all promises kept and no
    // write beyond them.
    private bool Continue(int visit)
    {
        ulong[] origin = _visits[visit].State;
        bool inCpuCode = _program.Placement.IsInCpuCode(origin, _cpu);
        if (_visits[visit].Overtakes && !inCpuCode)
        {
            FollowInterruptions(visit);
        }

        if (!inCpuCode && Placement.IsFinished(origin, _program.Threads[_program.Scheduler.Current(origin, _cpu)]))
        {
            return _views.Writes.Count(origin) == Count && _views.Writes.OpenPromise(origin, _cpu) == 0;
        }

        CompiledThread code = _program.Placement.Running(origin, _cpu);
        CompiledOp op = code.Ops[code.Pc.Get(origin)];
        if (!EndsRun(code, origin) && _machine.NextStep(origin, _cpu) is StepKind.Local or StepKind.Visible)
        {
            _machine.Core.Choices.List(origin, _cpu, op, _choices);
            foreach (int choice in _choices)
            {
                Follow(visit, op, choice);
            }
        }

        return false;
    }

    private void Follow(int visit, CompiledOp op, int choice)
    {
        (ulong[] origin, bool overtakes) = _visits[visit];
        int promise = PromiseOf(origin, overtakes, op, choice);
        ulong[] next = [.. origin];
        _machine.Apply(next, new Move(MoveKind.Step, _cpu, choice));
        bool accesses = Settle(next);
        int to = Enter(next, !_plan.PromisesFirst && (overtakes || IsAccess(op) || accesses));
        _edges.Add((visit, to));
        if (promise >= 0)
        {
            _candidates.Add((to, promise));
        }
    }

    // The write that a step makes, if it could be promised now and is worth it; -1 otherwise.
    private int PromiseOf(ulong[] origin, bool overtakes, CompiledOp op, int choice)
    {
        bool appends = ViewChoices<Isolated>.IsWrite(op) && choice > Count && choice == _views.Writes.Count(origin) + 1;
        if (!appends)
        {
            return -1;
        }

        int place;
        int floor;
        int value = 0;
        if (op.Kind == MicroOpKind.Store)
        {
            place = _program.Placement.SpanOf(origin, op).First;
            floor = _machine.Core.Choices.StoreFloor(origin, _cpu, place, op);
            value = op.B.Get(origin);
        }
        else
        {
            (place, floor) = _machine.Core.Choices.Maintenance(origin, _cpu, op);
        }

        // A promise takes the position behind the writes there are, so what it must come after has to be among them.
        bool isPossible =
            place >= 0
            && floor <= Count
            && (place != _views.PlaceOfCompletion || _views.MayCompleteAt(origin, _cpu, Count + 1));
        return isPossible && (_plan.PromisesFirst || (overtakes && IsObservable(place)))
            ? PromiseArgument.Pack(place, value)
            : -1;
    }

    private bool IsObservable(int place) =>
        place >= _program.Map.Count || _views.IsCode(place) || (new CellSpan(place, 1).Mask & _worthPromising) != 0;

    // What comes between two instructions orders nothing by itself: a promise may be of a store behind a switch to
    // another task, or behind an interrupt. Where nothing was accessed yet, it can as well be made after that. Test:
    // Designs/WeakAblationTests.The_visibility_matrix_is_what_the_designs_say.
    private void FollowInterruptions(int visit)
    {
        ulong[] origin = _visits[visit].State;
        _interruptions.Clear();
        _machine.AddInterruptions(origin, _cpu, _interruptions);
        foreach (Move interruption in _interruptions)
        {
            ulong[] next = [.. origin];
            _machine.Apply(next, interruption);
            Settle(next);
            _edges.Add((visit, Enter(next, overtakes: true)));
        }
    }

    // The rest of a step, and what the CPU in isolation then does locally. Returns whether that includes an access.
    private bool Settle(ulong[] state)
    {
        bool accesses = false;
        for (int fused = 0; fused < MaxFusedOps && _machine.NextStep(state, _cpu) == StepKind.Local; fused++)
        {
            CompiledThread code = _program.Placement.Running(state, _cpu);
            if (EndsRun(code, state))
            {
                break;
            }

            accesses |= IsAccess(code.Ops[code.Pc.Get(state)]);
            _machine.Apply(state, new Move(MoveKind.Step, _cpu, -1));
        }

        _machine.ClearDeadRegisters(state, _cpu);
        return accesses;
    }

    private static bool IsAccess(CompiledOp op) =>
        ViewChoices<Isolated>.IsWrite(op)
        || op.Kind is MicroOpKind.Load or MicroOpKind.Fetch or MicroOpKind.Translate or MicroOpKind.AtomicBegin;

    // Behind a full fence nothing is worth promising, because what was executed before it comes before it. Where all
    // writes are promised first, every write is.
    private bool EndsRun(CompiledThread code, ReadOnlySpan<ulong> state)
    {
        int pc = code.Pc.Get(state);
        if (_plan.PromisesFirst || pc == code.End)
        {
            return false;
        }

        CpuSystem? system = _program.Source.System;
        CompiledOp op = code.Ops[pc];
        return op.Kind switch
        {
            MicroOpKind.RequestFences or MicroOpKind.AwaitFences => true,
            MicroOpKind.SwitchTo => system!.SwitchOrders,
            MicroOpKind.EndInterrupt => system!.IpiOrder == IpiOrder.Full,
            MicroOpKind.AtomicBegin => code.IsFencedAtomic(pc),
            MicroOpKind.Fence => op.Fence is FenceKind.Full or FenceKind.FullCompletion,
            _ => false,
        };
    }

    private void AddKept(List<Move> moves)
    {
        // From the ends backwards: a run keeps its promises if one of its continuations does.
        bool[] keeps = new bool[_visits.Count];
        for (int visit = 0; visit < keeps.Length; visit++)
        {
            keeps[visit] = _views.Writes.OpenPromise(_visits[visit].State, _cpu) == 0;
        }

        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int edge = _edges.Count - 1; edge >= 0; edge--)
            {
                (int from, int to) = _edges[edge];
                if (keeps[to] && !keeps[from])
                {
                    keeps[from] = true;
                    changed = true;
                }
            }
        }

        int first = moves.Count;
        foreach ((int to, int promise) in _candidates)
        {
            var move = new Move(MoveKind.Promise, _cpu, promise);
            if (keeps[to] && !CollectionsMarshal.AsSpan(moves)[first..].Contains(move))
            {
                moves.Add(move);
            }
        }
    }

    // Returns the number of a visit, known or new.
    private int Enter(ReadOnlySpan<ulong> state, bool overtakes)
    {
        ulong hash = StateHash.Of(state);
        if (!_visitIndex.TryGetValue(hash, out List<int>? known))
        {
            known = [];
            _visitIndex.Add(hash, known);
        }

        foreach (int number in known)
        {
            if (_visits[number].Overtakes == overtakes && state.SequenceEqual(_visits[number].State))
            {
                return number;
            }
        }

        known.Add(_visits.Count);
        _visits.Add(new Visit(state.ToArray(), overtakes));
        return _visits.Count - 1;
    }
}
