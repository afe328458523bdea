namespace Crosscore.Model.Exploration;

/// <summary>The result of an exploration.</summary>
public sealed class Exploration
{
    private readonly Func<int, IReadOnlyList<TraceEvent>> _wayTo;

    internal Exploration(Func<int, IReadOnlyList<TraceEvent>> wayTo) => _wayTo = wayTo;

    /// <summary>The different final states that were found, in the order in which they were found: shortest way first.</summary>
    public required IReadOnlyList<FinalState> FinalStates { get; init; }

    /// <summary>What was not looked at. When it is not <see cref="Bounds.None"/>, <see cref="FinalStates"/> may lack some.</summary>
    public required Bounds Bounds { get; init; }

    /// <summary>States stored.</summary>
    public required long States { get; init; }

    /// <summary>Steps taken, those to known states included.</summary>
    public required long Transitions { get; init; }

    /// <summary>Steps from the start to the farthest state.</summary>
    public required int Depth { get; init; }

    /// <summary>Bits of a packed state.</summary>
    public required int StateBits { get; init; }

    /// <summary>Bytes held for states.</summary>
    public required long Bytes { get; init; }

    /// <summary>Time taken.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>
    /// A shortest way from the start to a final state: no other has fewer steps of memory (a load of shared memory, a store reaching it, an indivisible
    /// operation). What threads do for themselves in between is told but not counted. Two things are counted all the same: without
    /// <see cref="Reductions.LocalFusion"/> every operation, and where fences may be demanded of a core its stores into its own buffer.
    /// </summary>
    /// <param name="final">One of <see cref="FinalStates"/>.</param>
    public IReadOnlyList<TraceEvent> ShortestWayTo(FinalState final) => _wayTo(final.State);
}

/// <summary>A final state as far as the program observes it: all threads halted, nothing waits.</summary>
public sealed class FinalState
{
    internal FinalState(int state, ulong[] values)
    {
        State = state;
        Values = values;
    }

    /// <summary>One value for each observation of the program.</summary>
    public IReadOnlyList<ulong> Values { get; }

    internal int State { get; }
}

/// <summary>What an event of a trace is.</summary>
public enum TraceEventKind
{
    /// <summary>A load, from memory or from the core's own waiting stores.</summary>
    Load,

    /// <summary>A store that now waits to reach memory, or, on a machine without buffers, reached it.</summary>
    Store,

    /// <summary>A waiting store reached memory.</summary>
    ReachMemory,

    /// <summary>A load of an indivisible step.</summary>
    AtomicLoad,

    /// <summary>A store of an indivisible step.</summary>
    AtomicStore,

    /// <summary>A full fence that had nothing (more) to wait for.</summary>
    Fence,

    /// <summary>Fences of all other cores were demanded.</summary>
    RequestFences,

    /// <summary>All demanded fences have been passed.</summary>
    AwaitFences,
}

/// <summary>One event on the way to a state.</summary>
/// <param name="Step">The step it belongs to, from 1; 0 for what threads do for themselves before the first.</param>
/// <param name="Thread">The thread.</param>
/// <param name="Kind">What happened.</param>
/// <param name="Source">The front end's number of the instruction; -1 for <see cref="TraceEventKind.ReachMemory"/>.</param>
/// <param name="Address">The memory it concerns.</param>
/// <param name="Width">Bytes; 0 where it concerns no memory.</param>
/// <param name="Value">The value loaded or stored.</param>
public readonly record struct TraceEvent(int Step, int Thread, TraceEventKind Kind, int Source, ulong Address, int Width, ulong Value);
