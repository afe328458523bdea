using Crosscore.Model.Cores;
using Crosscore.Model.Cpus;
using Crosscore.Model.Machines;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Computes what states lead to, for one thread: the moves that are to be taken, each followed by everything that its
/// CPU then does for itself. All that it shares with the expanders of other threads is the setup, which does not
/// change, and the tables of values and words, which are made for it.
/// </summary>
internal sealed class Expander<TCore>
    where TCore : struct, ICore
{
    // An endless computation that touches no shared memory would never end a step: past this many operations the state
    // in between is stored, and the loop is found when it comes back to it.
    private const int MostFusedOps = 1000;

    // Reading this many states at once lets the misses of the caches overlap.
    private const int StatesTogether = 16;

    private readonly CoreConfiguration<TCore> _configuration;
    private readonly CompiledProgram _program;
    private readonly Machine<TCore> _machine;
    private readonly StateCodec _codec;
    private readonly bool _fuse;

    // Null where every move is explored.
    private readonly IIndependence? _independence;
    private readonly bool _clear;
    private readonly NumberSpare _spare = new();
    private readonly OutcomeSet _known;
    private readonly List<Move> _moves = [];
    private readonly ulong[] _origins;
    private readonly ulong[] _successor;
    private readonly ulong[] _outcome;

    public Expander(CoreConfiguration<TCore> configuration, StateCodec codec, OutcomeSet known)
    {
        (_configuration, _program) = (configuration, configuration.Program);
        Worker<TCore> worker = configuration.NewWorker();
        Reductions reductions = configuration.Options.Reductions;
        _machine = worker.Machine;
        _codec = codec;
        _known = known;
        _fuse = reductions.HasFlag(Reductions.LocalFusion);
        _independence = reductions.HasFlag(Reductions.Independence) ? worker.Independence : null;
        _clear = reductions.HasFlag(Reductions.DeadRegisters);
        _origins = new ulong[StatesTogether * codec.TreeWords];
        _successor = new ulong[codec.TreeWords];
        _outcome = new ulong[_program.Source.Observations.Count];
    }

    /// <summary>The thread's own machine.</summary>
    public Machine<TCore> Machine => _machine;

    /// <summary>The moves of the state that was expanded last.</summary>
    public IReadOnlyList<Move> Moves => _moves;

    public ulong[] InitialState()
    {
        ulong[] state = _configuration.InitialState();
        for (int cpu = 0; cpu < _machine.Cpus; cpu++)
        {
            Settle(state, cpu);
        }

        return state;
    }

    /// <summary>
    /// Expands the origins of a run, from the first on that has not been expanded, and sorts what they lead to by
    /// parts. It ends early where there is no room for a new word, or something went wrong.
    /// </summary>
    public void Expand(StateTable table, Successors run)
    {
        run.Failure = null;
        try
        {
            int treeWords = _codec.TreeWords;
            while (run.Expanded < run.Length)
            {
                int together = Math.Min(StatesTogether, run.Length - run.Expanded);
                int first = run.Expanded;
                for (int index = 0; index < together; index++)
                {
                    table.Read(
                        StateTable.Number(run.Part, run.First + first + index),
                        _origins.AsSpan(index * treeWords, treeWords)
                    );
                }

                for (int index = 0; index < together; index++)
                {
                    if (!TryExpand(_origins.AsSpan(index * treeWords, treeWords), first + index, run))
                    {
                        run.TakeBack();
                        return;
                    }

                    run.EndOrigin();
                }
            }

            run.SortByPart();
        }
        catch (Exception failure)
        {
            run.TakeBack();
            run.Failure = failure;
        }
    }

    /// <summary>Finds the moves of a state (<see cref="Moves"/>).</summary>
    /// <returns>Whether the state is final.</returns>
    public bool FindMoves(ReadOnlySpan<ulong> state)
    {
        _moves.Clear();
        if (_machine.IsFinal(state))
        {
            return true;
        }

        if (_independence is null || !_independence.TryFind(state, _moves))
        {
            _machine.FindMoves(state, _moves);
        }

        return false;
    }

    /// <summary>
    /// All states that a state leads to in one step, without <see cref="Reductions.Independence"/>: of a step that is
    /// taken alone again and again, the others never come. What is promised is left out, for it may not be kept.
    /// </summary>
    /// <param name="state">The state.</param>
    public List<ulong[]> SuccessorsOf(ulong[] state)
    {
        var successors = new List<ulong[]>();
        _moves.Clear();
        _machine.FindMoves(state, _moves);
        foreach (Move move in _moves.Where(move => move.Kind != MoveKind.Promise))
        {
            ulong[] successor = [.. state];
            Apply(successor, move);
            if (!_machine.Core.IsHopeless(successor, move.Cpu))
            {
                successors.Add(successor);
            }
        }

        return successors;
    }

    /// <summary>Takes a move, and all that follows by itself.</summary>
    public void Apply(Span<ulong> state, Move move)
    {
        _machine.Apply(state, move);
        Settle(state, move.Cpu);
    }

    /// <summary>Finds out what the program observes in a final state.</summary>
    /// <param name="state">The state.</param>
    /// <param name="outcome">The values; <see langword="null"/> when they mean nothing.</param>
    /// <returns>Whether the outcome is not among the known ones.</returns>
    public bool IsNewOutcome(ReadOnlySpan<ulong> state, out ulong[]? outcome)
    {
        outcome = null;
        if (_machine.Core.IsUndefined(state))
        {
            return !_known.HasUndefined;
        }

        for (int index = 0; index < _outcome.Length; index++)
        {
            Observation observed = _program.Source.Observations[index];
            _outcome[index] =
                observed.Thread >= 0
                    ? _program.Values[_program.Threads[observed.Thread].Registers[observed.Register].Get(state)]
                    : _program.Values[
                        _machine.Core.ReadMemory(state, _program.Map.Find(observed.Address, observed.Width))
                    ];
        }

        if (_known.Contains(_outcome))
        {
            return false;
        }

        outcome = [.. _outcome];
        return true;
    }

    private bool TryExpand(ReadOnlySpan<ulong> origin, int place, Successors run)
    {
        ReadOnlySpan<ulong> state = origin[.._codec.Words];
        if (FindMoves(state))
        {
            run.Ended.Add(place);
            if (IsNewOutcome(state, out ulong[]? outcome))
            {
                run.Finals.Add((place, outcome));
            }

            return true;
        }

        if (_moves.Count == 0 && !_machine.Core.IsDeadEnd(state))
        {
            run.Stuck.Add(place);
        }

        Span<ulong> successor = _successor;
        foreach (Move move in _moves)
        {
            state.CopyTo(successor);
            Apply(successor[.._codec.Words], move);
            if (_machine.Core.IsHopeless(successor[.._codec.Words], move.Cpu))
            {
                continue;
            }

            if (!_codec.TryFold(successor, origin, _spare))
            {
                return false;
            }

            run.Add(successor);
        }

        return true;
    }

    // After a move of a CPU, or of its buffer, the CPU continues by itself as far as no other agent is concerned.
    private void Settle(Span<ulong> state, int cpu)
    {
        if (_fuse)
        {
            for (int fused = 0; fused < MostFusedOps && _machine.NextStep(state, cpu) == StepKind.Local; fused++)
            {
                _machine.Apply(state, new Move(MoveKind.Step, cpu, -1));
            }
        }

        if (_clear)
        {
            _machine.ClearDeadRegisters(state, cpu);
        }
    }
}
