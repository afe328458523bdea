using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Crosscore.Model.Cores;
using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Breadth-first search over packed states, layer by layer, a layer being the states of one distance from the start; so
/// the first way to a state is a shortest one. A layer is worked off in blocks: all states of a block are expanded,
/// then what they lead to is added to the table. Where a block is large several threads share both.
/// </summary>
/// <remarks>
/// Whatever the number of threads, the same states get the same numbers, and a bound cuts at the same place: what a
/// thread does depends on no other's progress.
/// </remarks>
internal sealed class Search<TCore> : IDisposable
    where TCore : struct, ICore
{
    private const int StatesBetweenReports = 1 << 15;

    private readonly CoreConfiguration<TCore> _configuration;
    private readonly long _start;
    private readonly IProgress<ExplorationProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly StateTable _states;
    private readonly StateBlock _block;
    private readonly int _workers;
    private readonly int _mostStates;

    // One of each for each thread; the caller's thread is the first, and alone until a block is large.
    private readonly List<Expander<TCore>> _expanders = [];
    private WorkerTeam? _team;
    private int _taken;
    private int _initial;

    // What states lead to, where an execution may have no end; none once there is no memory for it.
    private SuccessorLog? _log;

    // For each layer, the position of its first state in each part; and where the last one ends.
    private readonly List<int[]> _layers = [new int[StateTable.Parts]];
    private readonly List<FinalState> _finals = [];
    private readonly OutcomeSet _outcomes = new();
    private long _transitions;
    private long _stuck;
    private Bounds _bounds;

    public Search(
        CoreConfiguration<TCore> configuration,
        long start,
        IProgress<ExplorationProgress>? progress,
        CancellationToken cancellation
    )
    {
        _configuration = configuration;
        _start = start;
        _progress = progress;
        _cancellation = cancellation;
        _states = new StateTable(configuration.Program.Layout.Words);
        _block = new StateBlock(_states);
        _workers = configuration.Options.Workers;
        _mostStates = Math.Min(configuration.Options.MaxStates, StateTable.MostStates);
        _log =
            configuration.Options.Endings && configuration.Program.MayNotEnd && !configuration.RunsInPhases
                ? new SuccessorLog()
                : null;
        _expanders.Add(new Expander<TCore>(configuration, _states.Codec, _outcomes));
    }

    public Exploration Run()
    {
        ulong[] initial = _expanders[0].InitialState();
        _states.TryAdd(initial);
        _initial = StateTable.Number(StateTable.PartOf(StateHash.Of(initial)), 0);
        ExpandAll();
        _bounds |= _configuration.Bounds;
        foreach (BoundsReached reached in _expanders.Select(expander => expander.Machine.Notes.Bounds))
        {
            _bounds |= reached.Buffer ? Bounds.Buffer : Bounds.None;
            _bounds |= reached.Writes ? Bounds.Writes : Bounds.None;
            _bounds |= reached.Preemptions ? Bounds.Preemptions : Bounds.None;
        }

        (Endings endings, int hang) = FindHang();
        var ways = new TraceFinder<TCore>(_configuration, _expanders[0], _states, _layers);
        return new Exploration(ways.WayTo, hang < 0 ? null : () => ways.WayToHang(hang))
        {
            Endings = endings,
            FinalStates = _finals,
            Bounds = _bounds,
            States = _states.Count,
            Transitions = _transitions,
            Depth = _layers.Count - 2,
            StuckStates = _stuck,
            StateBits = _configuration.Program.Layout.Bits,
            Bytes = _states.Bytes,
            Elapsed = Stopwatch.GetElapsedTime(_start),
        };
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose() => _team?.Dispose();

    // Whether executions end, and the nearest state from which none can be reached any more; -1 for none.
    private (Endings Endings, int Hang) FindHang()
    {
        SuccessorLog? log = _log;
        _log = null;
        if (_bounds != Bounds.None || !_configuration.Options.Endings)
        {
            return (Endings.NotLookedFor, -1);
        }

        if (_finals.Count == 0)
        {
            return (Endings.Never, _initial);
        }

        if (!_configuration.Program.MayNotEnd)
        {
            return (Endings.Always, -1);
        }

        if (log is null)
        {
            return (Endings.NotLookedFor, -1);
        }

        ulong[] tree = new ulong[_states.Codec.TreeWords];
        foreach (int number in log.EndlessStates(_layers))
        {
            _states.Read(number, tree);
            if (_expanders[0].Machine.Core.IsPossible(tree.AsSpan(0, _states.Codec.Words)))
            {
                return (Endings.MayHang, number);
            }
        }

        return (Endings.Always, -1);
    }

    private void ExpandAll()
    {
        long expanded = 0;
        long reported = 0;
        while (_states.Count > expanded)
        {
            // Everything found so far and not expanded is of one distance from the start.
            int[] next = [.. _layers[^1]];
            int[] ends = _states.Counts();
            _layers.Add(ends);
            while (_block.TryBegin(next, ends))
            {
                if (_cancellation.IsCancellationRequested)
                {
                    _bounds |= Bounds.Canceled;
                    return;
                }

                if (expanded - reported >= StatesBetweenReports)
                {
                    reported = expanded;
                    int states = _states.Count;
                    _progress?.Report(
                        new ExplorationProgress(
                            states,
                            states - expanded,
                            _layers.Count - 2,
                            Stopwatch.GetElapsedTime(_start)
                        )
                    );
                }

                (int run, int origin) = ExpandBlock();
                if ((_bounds & Bounds.Memory) == 0)
                {
                    TakeStock(run, origin);
                }

                if (run < _block.Runs)
                {
                    AddFinalsFrom(_block[run].Part, _block[run].First + origin);
                    return;
                }

                expanded += _block.Origins;
            }
        }
    }

    // Returns the run of the block and the place in it of the state whose successors went beyond a bound; the number of
    // runs if there is none.
    private (int Run, int Origin) ExpandBlock()
    {
        bool large = _block.Origins >= _configuration.Options.LeastShared;
        bool found = TryFindSuccessors(large);
        if (_log is not null)
        {
            // The states come first.
            bool fits =
                found
                && _block.BytesNeeded + _log.BytesWith(_block.Origins, _block.Count) <= _configuration.Options.MaxBytes;
            _log = fits ? _log : null;
        }

        if (!found || _block.BytesNeeded > _configuration.Options.MaxBytes)
        {
            _bounds |= Bounds.Memory;
            return (0, 0);
        }

        if (_states.Count + _block.Count > _mostStates)
        {
            (int run, int origin) = _block.AddUpTo(_mostStates);
            if (run < _block.Runs)
            {
                _bounds |= Bounds.States;
                return (run, origin);
            }
        }

        // What was added up to the bound is known here, and only gets its number, which the log needs.
        Share(large, StateTable.Parts, (part, _) => _block.AddPart(part));
        for (int run = 0; _log is not null && run < _block.Runs; run++)
        {
            _log.Add(_block[run]);
        }

        return (_block.Runs, 0);
    }

    // Expands all states of the block; returns false when there is no memory for the words of their successors.
    private bool TryFindSuccessors(bool large)
    {
        // Also where there is one thread only: new values are numbered in the same order then.
        _configuration.Program.Values.IsClosed = large;
        while (true)
        {
            Share(large, _block.Runs, (run, worker) => _expanders[worker].Expand(_states, _block[run]));

            // All threads are at rest from here on.
            _configuration.Program.Values.IsClosed = false;
            bool complete = true;
            for (int run = 0; run < _block.Runs; run++)
            {
                Successors successors = _block[run];
                if (successors.Failure is ValuesClosedException)
                {
                    _expanders[0].Expand(_states, successors);
                }

                // The failure that one thread alone would have met is the first.
                if (successors.Failure is not null)
                {
                    ExceptionDispatchInfo.Throw(successors.Failure);
                }

                complete &= successors.Expanded == successors.Length;
            }

            if (complete)
            {
                _block.EndExpansion();
                return true;
            }

            if (_states.Bytes - _states.Codec.Bytes + _states.Codec.BytesAfterGrowth > _configuration.Options.MaxBytes)
            {
                return false;
            }

            _states.Codec.Grow();
            _configuration.Program.Values.IsClosed = large;
        }
    }

    // Does pieces of work, many of them each on whichever thread is free first; they are begun in order.
    private void Share(bool large, int pieces, Action<int, int> work)
    {
        if (!large || _workers == 1)
        {
            for (int piece = 0; piece < pieces; piece++)
            {
                work(piece, 0);
            }

            return;
        }

        _taken = 0;
        Team()
            .Run(worker =>
            {
                for (int piece; (piece = Interlocked.Increment(ref _taken) - 1) < pieces; )
                {
                    work(piece, worker);
                }
            });
    }

    private WorkerTeam Team()
    {
        if (_team is null)
        {
            while (_expanders.Count < _workers)
            {
                _expanders.Add(new Expander<TCore>(_configuration, _states.Codec, _outcomes));
            }

            _team = new WorkerTeam(_workers);
        }

        return _team;
    }

    // Counts what the block led to, from the states before a given one. The steps of that one itself were taken.
    private void TakeStock(int endRun, int endOrigin)
    {
        for (int run = 0; run < _block.Runs && run <= endRun; run++)
        {
            Successors successors = _block[run];
            int end = run < endRun ? successors.Length : endOrigin;
            _transitions += successors.CountBefore(Math.Min(end + 1, successors.Length));
            _stuck += successors.Stuck.Count(origin => origin < end);
            foreach ((int origin, ulong[]? outcome) in successors.Finals)
            {
                if (origin < end)
                {
                    AddFinal(StateTable.Number(successors.Part, successors.First + origin), outcome);
                }
            }
        }
    }

    // Final states lie farthest from the start: among the states that a bound leaves unexpanded are most of those that
    // were found.
    private void AddFinalsFrom(int firstPart, int firstPosition)
    {
        int[] ends = _layers[^1];
        for (int part = firstPart; part < StateTable.Parts; part++)
        {
            AddFinalsOf(part, part == firstPart ? firstPosition : _layers[^2][part], ends[part]);
        }

        for (int part = 0; part < StateTable.Parts; part++)
        {
            AddFinalsOf(part, ends[part], _states[part].Count);
        }
    }

    private void AddFinalsOf(int part, int first, int end)
    {
        Expander<TCore> expander = _expanders[0];
        ulong[] tree = new ulong[_states.Codec.TreeWords];
        for (int position = first; position < end; position++)
        {
            int number = StateTable.Number(part, position);
            _states.Read(number, tree);
            ReadOnlySpan<ulong> state = tree.AsSpan(0, _states.Codec.Words);
            if (expander.Machine.IsFinal(state) && expander.IsNewOutcome(state, out ulong[]? outcome))
            {
                AddFinal(number, outcome);
            }
        }
    }

    private void AddFinal(int number, ulong[]? outcome)
    {
        if (_outcomes.Add(outcome))
        {
            _finals.Add(
                new FinalState(
                    number,
                    outcome ?? new ulong[_configuration.Program.Source.Observations.Count],
                    outcome is null
                )
            );
        }
    }
}
