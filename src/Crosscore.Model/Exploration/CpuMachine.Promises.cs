using System.Runtime.InteropServices;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Promises: a CPU may put a write into the list before it executes it, if, running alone from where it is, it could.
/// What it must not fall behind when it comes to execute it is checked then; so a promise that should not have been
/// made leads to no final state, and running alone only says which are worth making.
/// </summary>
/// <remarks>
/// Where a program is nothing but threads that each run on a CPU of their own, all promises are made first
/// (Promising-ARM, section 7): the search goes through the lists of writes, and for each complete one the CPUs run one
/// after the other, for nothing they do then concerns the others any more.
/// </remarks>
internal sealed partial class CpuMachine<TMachine>
{
    private const int PlaceShift = 24;

    private readonly List<ulong[]> _runs = [];

    // For each of them, whether an access came before that a promise can overtake.
    private readonly List<bool> _overtakes = [];
    private readonly Dictionary<ulong, List<int>> _runIndex = [];
    private readonly List<(int From, int To)> _edges = [];
    private readonly List<(int To, int Promise)> _candidates = [];
    private readonly List<Move> _interruptions = [];
    private int _aloneFrom;

    // The cells that others may still touch: a store to any other is not worth promising.
    private ulong _worthPromising;

    private bool HasBegun(ReadOnlySpan<ulong> state) => _setup.Phase.Get(state) != 0;

    private bool IsFirstUnfinished(ReadOnlySpan<ulong> state, int cpu)
    {
        for (int other = 0; other < cpu; other++)
        {
            if (!IsFinished(state, _tasks[other]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>
    /// Whether a state from which nothing follows is a way that cannot be, and not a program that is stuck: a promise
    /// is not kept, or an indivisible step was divided.
    /// </summary>
    public bool IsDeadEnd(ReadOnlySpan<ulong> state)
    {
        if (!_memory.HasViews)
        {
            return false;
        }

        if (_setup.PromisesFirst)
        {
            return true;
        }

        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            CompiledThread code = Running(state, cpu);
            int pc = code.Pc.Get(state);
            if (_views.Writes.OpenPromise(state, cpu) != 0 || (pc < code.End && code.Ops[pc].Kind == MicroOpKind.Store))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Whether a state is one of an execution for sure. On a core with views others may not be: a promise is still to
    /// be kept, or an instruction is half done whose other half may have become impossible, because something came
    /// between a load and a store that belong together or an invalidation completed. Every execution that comes by such
    /// a state comes to one without: the CPU alone keeps its promises and ends its instruction.
    /// </summary>
    public bool IsPossible(ReadOnlySpan<ulong> state)
    {
        if (!_memory.HasViews)
        {
            return true;
        }

        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            if (_views.Writes.OpenPromise(state, cpu) != 0)
            {
                return false;
            }
        }

        foreach (CompiledThread task in _tasks)
        {
            if (task.IsInsideInstruction(task.Pc.Get(state)))
            {
                return false;
            }
        }

        return true;
    }

    private void FindPromisesFirst(ReadOnlySpan<ulong> state, List<Move> moves)
    {
        if (HasBegun(state))
        {
            for (int cpu = 0; cpu < Cpus; cpu++)
            {
                if (!IsFinished(state, _tasks[cpu]))
                {
                    AddSteps(state, cpu, moves);
                    return;
                }
            }

            return;
        }

        bool complete = true;
        for (int cpu = 0; cpu < Cpus; cpu++)
        {
            complete &= RunAlone(state, cpu, moves);
        }

        if (complete)
        {
            moves.Add(new Move(MoveKind.Begin, 0));
        }
    }

    private void FindPromises(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        if (!_setup.Options.Promises || !MayStoreForOthers(state, cpu))
        {
            return;
        }

        if (_views.Writes.Count(state) == _views.Writes.Capacity)
        {
            WriteBoundReached |= !_setup.WritesAreBounded;
            return;
        }

        RunAlone(state, cpu, moves);
    }

    // Only a store that others may see is worth promising.
    private bool MayStoreForOthers(ReadOnlySpan<ulong> state, int cpu)
    {
        (ulong reads, ulong writes) = OthersMayTouch(state, cpu);
        _worthPromising = reads | writes;
        if (_views.HasCode || _views.HasTables)
        {
            return true;
        }

        return (FutureWrites(state, cpu) & _worthPromising) != 0;
    }

    private void Promise(Span<ulong> state, int cpu, int promise)
    {
        int place = promise >> PlaceShift;
        int value = promise & ((1 << PlaceShift) - 1);
        _views.Writes.Append(state, cpu, place, value, promised: true);
        if (place < _setup.Map.Count)
        {
            Recorder?.Access(
                cpu,
                _scheduler.Current(state, cpu),
                TraceEventKind.Promise,
                null,
                new Memory.CellSpan(place, 1),
                value
            );
        }
    }

    /// <summary>
    /// Runs a CPU alone, in every way, and adds the promises that some run keeps along with all that are made already.
    /// </summary>
    /// <returns>Whether some run comes to its end and keeps all promises without any write beyond them.</returns>
    private bool RunAlone(ReadOnlySpan<ulong> state, int cpu, List<Move> moves)
    {
        int count = _views.Writes.Count(state);
        (_alone, _aloneFrom) = (true, count);
        _runs.Clear();
        _overtakes.Clear();
        _runIndex.Clear();
        _edges.Clear();
        _candidates.Clear();
        bool complete = false;
        AddRun(state, overtakes: false);
        var choices = new List<int>();
        ITraceRecorder? recorder = Recorder;
        Recorder = null;
        for (int run = 0; run < _runs.Count; run++)
        {
            ulong[] origin = _runs[run];
            bool inCpuCode = IsInCpuCode(origin, cpu);
            if (_overtakes[run] && !inCpuCode)
            {
                FollowInterruptions(origin, run, cpu);
            }

            if (!inCpuCode && IsFinished(origin, _tasks[_scheduler.Current(origin, cpu)]))
            {
                complete |= _views.Writes.Count(origin) == count && _views.Writes.OpenPromise(origin, cpu) == 0;
                continue;
            }

            CompiledThread code = Running(origin, cpu);
            CompiledOp op = code.Ops[code.Pc.Get(origin)];
            if (EndsRunAlone(code, origin) || NextStep(origin, cpu) is not (StepKind.Local or StepKind.Visible))
            {
                continue;
            }

            ListChoices(origin, cpu, op, choices);
            foreach (int choice in choices)
            {
                Follow(origin, run, cpu, op, choice, count);
            }
        }

        (_alone, Recorder) = (false, recorder);
        AddKept(cpu, count, moves);
        return complete;
    }

    private void Follow(ulong[] origin, int run, int cpu, CompiledOp op, int choice, int count)
    {
        int promise = -1;
        if (IsWrite(op) && choice > count && choice == _views.Writes.Count(origin) + 1)
        {
            int place;
            int floor;
            int value = 0;
            if (op.Kind == MicroOpKind.Store)
            {
                place = SpanOf(origin, op).First;
                floor = StoreFloor(origin, cpu, place, op);
                value = op.B.Get(origin);
            }
            else
            {
                (place, floor) = Maintenance(origin, cpu, op);
            }

            bool worth =
                _setup.PromisesFirst
                || (
                    _overtakes[run]
                    && (
                        place >= _setup.Map.Count
                        || _views.IsCode(place)
                        || (new Memory.CellSpan(place, 1).Mask & _worthPromising) != 0
                    )
                );
            if (
                place >= 0
                && floor <= count
                && worth
                && (place != _views.PlaceOfCompletion || _views.MayCompleteAt(origin, cpu, count + 1))
            )
            {
                promise = (place << PlaceShift) | value;
            }
        }

        bool overtakes = !_setup.PromisesFirst && (_overtakes[run] || IsAccess(op));
        ulong[] next = [.. origin];
        Apply(next, new Move(MoveKind.Step, cpu, choice));
        overtakes |= SettleAlone(next, cpu);
        int to = AddRun(next, overtakes);
        _edges.Add((run, to));
        if (promise >= 0)
        {
            _candidates.Add((to, promise));
        }
    }

    // What comes between two instructions orders nothing by itself: a promise may be of a store behind a switch to
    // another task, or behind an interrupt. Where nothing was accessed yet, it can as well be made after that. Test:
    // Designs/WeakAblationTests.The_visibility_matrix_is_what_the_designs_say.
    private void FollowInterruptions(ulong[] origin, int run, int cpu)
    {
        if (!_scheduler.CanBeInterrupted || !_scheduler.IsOnline(cpu))
        {
            return;
        }

        _interruptions.Clear();
        AddInterruptions(origin, cpu, _interruptions);
        AddSignal(origin, cpu, _interruptions);
        foreach (Move interruption in _interruptions)
        {
            ulong[] next = [.. origin];
            Apply(next, interruption);
            SettleAlone(next, cpu);
            _edges.Add((run, AddRun(next, overtakes: true)));
        }
    }

    // The rest of a step, and what a CPU alone then does for itself. Returns whether that has an access in it.
    private bool SettleAlone(ulong[] state, int cpu)
    {
        bool accesses = false;
        for (
            int fused = 0;
            fused < 1000 && NextStep(state, cpu) == StepKind.Local && !EndsRunAlone(Running(state, cpu), state);
            fused++
        )
        {
            CompiledThread code = Running(state, cpu);
            accesses |= !_setup.PromisesFirst && IsAccess(code.Ops[code.Pc.Get(state)]);
            Apply(state, new Move(MoveKind.Step, cpu, -1));
        }

        ClearDeadRegisters(state, cpu);
        return accesses;
    }

    private static bool IsAccess(CompiledOp op) =>
        IsWrite(op)
        || op.Kind is MicroOpKind.Load or MicroOpKind.Fetch or MicroOpKind.Translate or MicroOpKind.AtomicBegin;

    // Behind a full fence nothing is worth promising, for what was executed before it comes before it. Where all
    // promises are made first every write is promised.
    private bool EndsRunAlone(CompiledThread code, ReadOnlySpan<ulong> state)
    {
        if (_setup.PromisesFirst)
        {
            return false;
        }

        int pc = code.Pc.Get(state);
        if (pc == code.End)
        {
            return false;
        }

        CompiledOp op = code.Ops[pc];
        return op.Kind switch
        {
            MicroOpKind.RequestFences or MicroOpKind.AwaitFences => true,
            MicroOpKind.SwitchTo => _system!.SwitchOrders,
            MicroOpKind.EndInterrupt => _system!.IpiOrder == IpiOrder.Full,
            MicroOpKind.AtomicBegin => code.IsFencedAtomic(pc),
            MicroOpKind.Fence => op.Fence is FenceKind.Full or FenceKind.FullCompletion,
            _ => false,
        };
    }

    private void AddKept(int cpu, int count, List<Move> moves)
    {
        // From the ends backwards: a run keeps its promises where one of its continuations does.
        bool[] keeps = new bool[_runs.Count];
        for (int run = 0; run < keeps.Length; run++)
        {
            keeps[run] = _views.Writes.OpenPromise(_runs[run], cpu) == 0;
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
            if (keeps[to])
            {
                var move = new Move(MoveKind.Promise, cpu, promise);
                if (!CollectionsMarshal.AsSpan(moves)[first..].Contains(move))
                {
                    moves.Add(move);
                }
            }
        }
    }

    private int AddRun(ReadOnlySpan<ulong> state, bool overtakes)
    {
        ulong hash = StateHash.Of(state);
        if (!_runIndex.TryGetValue(hash, out List<int>? known))
        {
            known = [];
            _runIndex.Add(hash, known);
        }

        foreach (int number in known)
        {
            if (_overtakes[number] == overtakes && state.SequenceEqual(_runs[number]))
            {
                return number;
            }
        }

        known.Add(_runs.Count);
        _runs.Add(state.ToArray());
        _overtakes.Add(overtakes);
        return _runs.Count - 1;
    }

    private void ListChoices(ReadOnlySpan<ulong> state, int cpu, CompiledOp op, List<int> choices)
    {
        if (HasChoices(op))
        {
            FindChoices(state, cpu, op, choices);
            return;
        }

        choices.Clear();
        choices.Add(0);
    }

    private static bool HasChoices(CompiledOp op) =>
        IsWrite(op)
        || op.DecidesAtomic
        || op.Kind
            is MicroOpKind.Load
                or MicroOpKind.Fetch
                or MicroOpKind.TryReservation
                or MicroOpKind.Choose
                or MicroOpKind.Translate
                or MicroOpKind.Fault;
}
