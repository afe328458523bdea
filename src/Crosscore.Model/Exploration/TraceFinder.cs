using Crosscore.Model.Compilation;
using Crosscore.Model.Cores;
using Crosscore.Model.Cpus;
using Crosscore.Model.State;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Tells a shortest way to a state. Ways are not stored: the moves are found again by expanding the layers of the
/// search backwards, then taken once more with a recorder watching.
/// </summary>
internal sealed class TraceFinder<TCore>(
    CoreConfiguration<TCore> configuration,
    Expander<TCore> expander,
    StateTable states,
    IReadOnlyList<int[]> layers
)
    where TCore : struct, ICore
{
    private readonly ulong[] _candidate = new ulong[states.Codec.TreeWords];
    private readonly ulong[] _target = new ulong[states.Codec.TreeWords];
    private readonly ulong[] _successor = new ulong[states.Codec.Words];

    /// <summary>Finds the moves that lead to a state, last one first, then takes them again.</summary>
    public List<TraceEvent> WayTo(int target) => Replay(MovesTo(target));

    /// <summary>The same to a state from which no end can be reached, and then what waits there without end.</summary>
    public List<TraceEvent> WayToHang(int target)
    {
        Stack<Move> moves = MovesTo(target);
        int step = moves.Count;
        List<TraceEvent> events = Replay(moves);
        states.Read(target, _target);
        var rest = new RestFinder<TCore>(expander);
        (ulong[] state, bool stays) = rest.From(_target.AsSpan(0, _successor.Length), !configuration.RunsInPhases);
        IReadOnlyList<CoreView> cores = expander.Machine.ViewCores(state);
        events.AddRange(
            rest.Unfinished(state)
                .Select(waiting => new TraceEvent(
                    step,
                    waiting.Cpu,
                    waiting.Task,
                    TraceEventKind.Wait,
                    waiting.Op.Source,
                    waiting.Op.KernelLine,
                    0,
                    0,
                    stays ? 1UL : 0
                )
                {
                    Cores = cores,
                })
        );
        return events;
    }

    private Stack<Move> MovesTo(int target)
    {
        var moves = new Stack<Move>();
        (int part, int position) = StateTable.Place(target);
        int layer = layers.Count - 1;
        while (layers[layer][part] > position)
        {
            layer--;
        }

        for (int current = target; layer > 0; layer--)
        {
            (current, Move move) = Predecessor(current, layer - 1);
            moves.Push(move);
        }

        return moves;
    }

    // Some state of the layer before leads to it; the first that does is taken, so that the way is the same each time.
    private (int State, Move Move) Predecessor(int target, int layer)
    {
        states.Read(target, _target);
        for (int part = 0; part < StateTable.Parts; part++)
        {
            for (int position = layers[layer][part]; position < layers[layer + 1][part]; position++)
            {
                int candidate = StateTable.Number(part, position);
                if (TryFindMove(candidate, out Move move))
                {
                    return (candidate, move);
                }
            }
        }

        throw new InvalidOperationException("Crosscore bug: a state was found that nothing leads to.");
    }

    private bool TryFindMove(int candidate, out Move found)
    {
        states.Read(candidate, _candidate);
        ReadOnlySpan<ulong> state = _candidate.AsSpan(0, _successor.Length);
        expander.FindMoves(state);
        foreach (Move move in expander.Moves)
        {
            state.CopyTo(_successor);
            expander.Apply(_successor, move);
            if (_successor.AsSpan().SequenceEqual(_target.AsSpan(0, _successor.Length)))
            {
                found = move;
                return true;
            }
        }

        found = default;
        return false;
    }

    private List<TraceEvent> Replay(Stack<Move> moves)
    {
        var recorder = new Recorder(configuration.Program);
        expander.Machine.Notes.Recorder = recorder;
        ulong[] state = expander.InitialState();
        foreach (Move move in moves)
        {
            recorder.Step++;
            expander.Apply(state, move);
        }

        expander.Machine.Notes.Recorder = null;
        return recorder.Events;
    }

    private sealed class Recorder(CompiledProgram program) : ITraceRecorder
    {
        // Events whose operation is done, and which know what it left behind.
        private int _told;

        public List<TraceEvent> Events { get; } = [];

        public int Step { get; set; }

        public void Note(int cpu, int task, TraceEventKind kind, CompiledOp? op, int argument) =>
            Events.Add(
                new TraceEvent(Step, cpu, task, kind, op?.Source ?? -1, op?.KernelLine ?? 0, 0, 0, (ulong)argument)
            );

        public void Access(int cpu, int task, TraceEventKind kind, CompiledOp? op, CellSpan span, int value) =>
            Events.Add(
                new TraceEvent(
                    Step,
                    cpu,
                    task,
                    kind,
                    op?.Source ?? -1,
                    op?.KernelLine ?? 0,
                    program.Map.AddressOf(span.First),
                    program.Map.WidthOf(span),
                    program.Values[value]
                )
            );

        public void Took(IReadOnlyList<CoreView> cores)
        {
            for (; _told < Events.Count; _told++)
            {
                Events[_told] = Events[_told] with { Cores = cores };
            }
        }
    }
}
