using System.Diagnostics;
using Crosscore.Model.Memory;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Breadth-first search over packed states. States are expanded in the order in which they were found, so the first way to a state is a shortest one; ways
/// are not stored but found again by expanding one layer after another backwards.
/// </summary>
internal sealed class Search<TMachine>
    where TMachine : struct, IMemoryMachine
{
    // An endless computation that touches no shared memory would never end a step: past this many operations the state in between is stored, and the
    // loop is found when it comes back to it.
    private const int MostFusedOps = 1000;

    private const int StatesBetweenReports = 1 << 15;

    private readonly Explorer.Setup _setup;
    private readonly ThreadMachine<TMachine> _machine;
    private readonly long _start;
    private readonly IProgress<ExplorationProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly StateTable _states;
    private readonly int _words;
    private readonly bool _fuse;
    private readonly bool _independence;
    private readonly bool _clear;

    // One row for each agent that can move: a thread, or the buffer of a core.
    private readonly ulong[] _successors;
    private readonly int[] _movers;

    private readonly List<int> _layers = [0];
    private readonly List<FinalState> _finals = [];
    private readonly HashSet<OutcomeKey> _seen = [];
    // What a final state costs beside its values, here and in what is made of it: objects, entries of sets, a sorted copy. Measured on 64 bits.
    private const int BytesOfFinal = 400;

    private long _finalBytes;
    private long _transitions;
    private Bounds _bounds;

    public Search(
        Explorer.Setup setup, ThreadMachine<TMachine> machine, long start, IProgress<ExplorationProgress>? progress, CancellationToken cancellation)
    {
        _setup = setup;
        _machine = machine;
        _start = start;
        _progress = progress;
        _cancellation = cancellation;
        _words = setup.Layout.Words;
        _states = new StateTable(_words);
        _successors = new ulong[2 * machine.ThreadCount * _words];
        _movers = new int[2 * machine.ThreadCount];
        _fuse = setup.Options.Reductions.HasFlag(Reductions.LocalFusion);
        _independence = setup.Options.Reductions.HasFlag(Reductions.Independence);
        _clear = setup.Options.Reductions.HasFlag(Reductions.DeadRegisters);
    }

    public Exploration Run()
    {
        _states.TryAdd(InitialState());
        int next = 0;
        for (; next < _states.Count; next++)
        {
            if (next == _layers[^1])
            {
                // Everything found so far is at most one step farther than this state: the next layer begins where the table ends now.
                _layers.Add(_states.Count);
            }

            if (next % StatesBetweenReports == StatesBetweenReports - 1 && !Report(next))
            {
                break;
            }

            if (!ExpandAndStore(next))
            {
                break;
            }
        }

        if ((_bounds & (Bounds.States | Bounds.Memory)) != 0)
        {
            AddFinalsFrom(next);
        }

        _bounds |= _machine.BufferBoundReached ? Bounds.Buffer : Bounds.None;
        return new Exploration(WayTo)
        {
            FinalStates = _finals,
            Bounds = _bounds,
            States = _states.Count,
            Transitions = _transitions,
            Depth = _layers.Count - 2,
            StateBits = _setup.Layout.Bits,
            Bytes = _states.Bytes,
            Elapsed = Stopwatch.GetElapsedTime(_start),
        };
    }

    private ulong[] InitialState()
    {
        ulong[] state = _setup.InitialState();
        for (int thread = 0; thread < _machine.ThreadCount; thread++)
        {
            Settle(state, thread);
        }

        return state;
    }

    private bool Report(int expanded)
    {
        if (_cancellation.IsCancellationRequested)
        {
            _bounds |= Bounds.Cancelled;
            return false;
        }

        _progress?.Report(new ExplorationProgress(_states.Count, _states.Count - expanded, _layers.Count - 2, Stopwatch.GetElapsedTime(_start)));
        return true;
    }

    private bool ExpandAndStore(int number)
    {
        int count = Expand(_states[number]);
        _transitions += count;
        for (int row = 0; row < count; row++)
        {
            Bounds bound = BoundOnNext();
            if (bound == Bounds.None)
            {
                _states.TryAdd(Row(row));
            }
            else if (!_states.Contains(Row(row)))
            {
                _bounds |= bound;
                return false;
            }
        }

        if (count == 0 && AllHalted(_states[number]))
        {
            AddFinal(number);
        }

        return true;
    }

    private Bounds BoundOnNext() =>
        _states.Count >= Math.Min(_setup.Options.MaxStates, StateTable.MostStates) ? Bounds.States
        : _states.Bytes + _states.BytesOfNext + _finalBytes > _setup.Options.MaxBytes ? Bounds.Memory
        : Bounds.None;

    // Final states lie farthest from the start: among the states that a bound leaves unexpanded are most of those that were found.
    private void AddFinalsFrom(int first)
    {
        for (int number = first; number < _states.Count; number++)
        {
            if (AllHalted(_states[number]) && NothingWaits(_states[number]))
            {
                AddFinal(number);
            }
        }
    }

    private bool NothingWaits(ReadOnlySpan<ulong> state)
    {
        for (int core = 0; core < _machine.ThreadCount; core++)
        {
            if (_machine.CanDrain(state, core))
            {
                return false;
            }
        }

        return true;
    }

    private Span<ulong> Row(int row) => _successors.AsSpan(row * _words, _words);

    private bool AllHalted(ReadOnlySpan<ulong> state)
    {
        for (int thread = 0; thread < _machine.ThreadCount; thread++)
        {
            if (_machine.NextStep(state, thread) != StepKind.Halted)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Computes the successors of a state into <see cref="Row"/> and who moved into <see cref="_movers"/>; returns how many there are.</summary>
    private int Expand(ReadOnlySpan<ulong> state)
    {
        if (_independence && _machine.FindIndependent(state) is int alone and >= 0)
        {
            Move(state, alone, 0);
            return 1;
        }

        int count = 0;
        int threads = _machine.ThreadCount;
        for (int mover = 0; mover < 2 * threads; mover++)
        {
            bool canMove = mover < threads
                ? _machine.NextStep(state, mover) is StepKind.Local or StepKind.Visible
                : _machine.CanDrain(state, mover - threads);
            if (canMove)
            {
                Move(state, mover, count++);
            }
        }

        return count;
    }

    private void Move(ReadOnlySpan<ulong> state, int mover, int row)
    {
        Span<ulong> successor = Row(row);
        state.CopyTo(successor);
        _movers[row] = mover;
        Apply(successor, mover);
    }

    private void Apply(Span<ulong> state, int mover)
    {
        int thread = mover % _machine.ThreadCount;
        if (mover == thread)
        {
            _machine.Step(state, thread);
        }
        else
        {
            _machine.Drain(state, thread);
        }

        Settle(state, thread);
    }

    // After a step of a thread, or of its buffer, the thread goes on by itself as far as nobody else is concerned.
    private void Settle(Span<ulong> state, int thread)
    {
        if (_fuse)
        {
            for (int fused = 0; fused < MostFusedOps && _machine.NextStep(state, thread) == StepKind.Local; fused++)
            {
                _machine.Step(state, thread);
            }
        }

        if (_clear)
        {
            _machine.ClearDeadRegisters(state, thread);
        }
    }

    private void AddFinal(int number)
    {
        ReadOnlySpan<ulong> state = _states[number];
        IReadOnlyList<Observation> observations = _setup.Program.Observations;
        ulong[] values = new ulong[observations.Count];
        for (int index = 0; index < values.Length; index++)
        {
            Observation observed = observations[index];
            values[index] = observed.Thread >= 0
                ? _setup.Values[_setup.Threads[observed.Thread].Registers[observed.Register].Get(state)]
                : _setup.Values[_setup.ReadMemory(state, _setup.Map.Find(observed.Address, observed.Width))];
        }

        if (_seen.Add(new OutcomeKey(values)))
        {
            _finals.Add(new FinalState(number, values));
            _finalBytes += BytesOfFinal + (values.Length * sizeof(ulong));
        }
    }

    private readonly record struct OutcomeKey(ulong[] Values)
    {
        public bool Equals(OutcomeKey other) => Values.AsSpan().SequenceEqual(other.Values);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes<ulong>(Values));
            return hash.ToHashCode();
        }
    }

    /// <summary>Finds the moves that lead to a state, last one first, then takes them again with the recorder on.</summary>
    private List<TraceEvent> WayTo(int target)
    {
        var moves = new Stack<int>();
        int current = target;
        for (int layer = _layers.FindLastIndex(first => first <= current); layer > 0; layer--)
        {
            (current, int mover) = Predecessor(current, _layers[layer - 1]);
            moves.Push(mover);
        }

        return Replay(moves);
    }

    // The state was found by the first state of the layer before it that leads to it.
    private (int State, int Mover) Predecessor(int target, int firstOfLayer)
    {
        for (int candidate = firstOfLayer; ; candidate++)
        {
            int count = Expand(_states[candidate]);
            for (int row = 0; row < count; row++)
            {
                if (Row(row).SequenceEqual(_states[target]))
                {
                    return (candidate, _movers[row]);
                }
            }
        }
    }

    private List<TraceEvent> Replay(Stack<int> moves)
    {
        var trace = new List<TraceEvent>();
        int step = 0;
        _machine.Recorder = (thread, kind, source, span, value) => trace.Add(span.Count == 0
            ? new TraceEvent(step, thread, kind, source, 0, 0, 0)
            : new TraceEvent(step, thread, kind, source, _setup.Map.AddressOf(span.First), _setup.Map.WidthOf(span), _setup.Values[value]));
        ulong[] state = InitialState();
        foreach (int mover in moves)
        {
            step++;
            Apply(state, mover);
        }

        _machine.Recorder = null;
        return trace;
    }
}
