using Crosscore.Model.Traces;

namespace Crosscore.Model.Exploration;

/// <summary>The result of an exploration.</summary>
public sealed class Exploration
{
    private readonly Func<int, IReadOnlyList<TraceEvent>> _wayTo;
    private readonly Func<IReadOnlyList<TraceEvent>>? _wayToHang;

    internal Exploration(Func<int, IReadOnlyList<TraceEvent>> wayTo, Func<IReadOnlyList<TraceEvent>>? wayToHang)
    {
        _wayTo = wayTo;
        _wayToHang = wayToHang;
    }

    /// <summary>
    /// The different final states that were found, in the order in which they were found: shortest way first.
    /// </summary>
    public required IReadOnlyList<FinalState> FinalStates { get; init; }

    /// <summary>
    /// What was not looked at. When it is not <see cref="Bounds.None"/>, <see cref="FinalStates"/> may lack some.
    /// </summary>
    public required Bounds Bounds { get; init; }

    /// <summary>Whether executions end.</summary>
    public required Endings Endings { get; init; }

    /// <summary>States stored.</summary>
    public required long States { get; init; }

    /// <summary>Steps taken, those to known states included.</summary>
    public required long Transitions { get; init; }

    /// <summary>Steps from the start to the farthest state.</summary>
    public required int Depth { get; init; }

    /// <summary>
    /// States from which nothing can happen although not everything has come to its end: the program is stuck there.
    /// </summary>
    public required long StuckStates { get; init; }

    /// <summary>Bits of a packed state.</summary>
    public required int StateBits { get; init; }

    /// <summary>Bytes held for states.</summary>
    public required long Bytes { get; init; }

    /// <summary>Time taken.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>
    /// A shortest way from the start to a final state: no other has fewer steps of memory (a load of shared memory, a
    /// store reaching it, an indivisible operation). What threads do for themselves in between is told but not counted.
    /// Two things are counted nevertheless: without <see cref="Reductions.LocalFusion"/> every operation, and where
    /// fences may be demanded of a core its stores into its own buffer.
    /// </summary>
    /// <param name="final">One of <see cref="FinalStates"/>.</param>
    public IReadOnlyList<TraceEvent> ShortestTraceTo(FinalState final) => _wayTo(final.State);

    /// <summary>
    /// A shortest way, among those explored, to a state from which no end can be reached, and behind it what each
    /// thread waits at once nothing else can happen (<see cref="TraceEventKind.Wait"/>). Where no execution ends at
    /// all, that state is the start.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// <see cref="Endings"/> is neither <see cref="Endings.MayHang"/> nor <see cref="Endings.Never"/>.
    /// </exception>
    public IReadOnlyList<TraceEvent> ShortestTraceToHang() =>
        _wayToHang?.Invoke()
        ?? throw new InvalidOperationException("no trace to a hang: none was found; look at Endings first");

    /// <summary>The same, with what another exploration of the program found out about endings.</summary>
    internal Exploration WithEndingsOf(Exploration other) =>
        new(_wayTo, other._wayToHang)
        {
            FinalStates = FinalStates,
            Bounds = Bounds,
            Endings = other.Endings,
            States = States,
            Transitions = Transitions,
            Depth = Depth,
            StuckStates = StuckStates,
            StateBits = StateBits,
            Bytes = Bytes,
            Elapsed = other.Elapsed,
        };
}

/// <summary>
/// Whether executions end. A CPU that spins hangs only where no step of any other agent, now or later, can
/// end the spin: scheduling, interrupts and store buffers are taken to be fair.
/// </summary>
public enum Endings
{
    /// <summary>Not known: a bound was hit, memory did not allow it, or it was not asked for.</summary>
    NotLookedFor,

    /// <summary>From every state an end can be reached.</summary>
    Always,

    /// <summary>
    /// Some execution comes to a state from which no end can be reached: a deadlock, or a spin that nothing ends.
    /// </summary>
    MayHang,

    /// <summary>No execution ends.</summary>
    Never,
}

/// <summary>A final state as far as the program observes it: all threads halted, nothing waits.</summary>
public sealed class FinalState
{
    internal FinalState(int state, ulong[] values, bool isUndefined)
    {
        State = state;
        Values = values;
        IsUndefined = isUndefined;
    }

    /// <summary>
    /// Whether something was executed of which the processor promises nothing; then <see cref="Values"/> mean nothing.
    /// </summary>
    public bool IsUndefined { get; }

    /// <summary>One value for each observation of the program.</summary>
    public IReadOnlyList<ulong> Values { get; }

    internal int State { get; }
}
