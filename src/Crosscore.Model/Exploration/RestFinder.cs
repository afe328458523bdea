using Crosscore.Model.Compilation;
using Crosscore.Model.Cores;
using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Finds where an execution stays that cannot end: states each of which leads to each other one, and to no further one.
/// They are the first strongly connected component that a depth-first search completes (Tarjan 1972), so none but the
/// states on the way there are looked at.
/// </summary>
internal sealed class RestFinder<TCore>(Expander<TCore> expander)
    where TCore : struct, ICore
{
    // A trace is for people, who wait for it; states of the search are not asked, for many of these are not stored.
    private const int MostStates = 20_000;

    // As many operations as are fused at most: a thread that reads nothing within them never does.
    private const int MostOpsAhead = 1000;

    private readonly List<ulong[]> _states = [];
    private readonly List<int> _lowest = [];
    private readonly Dictionary<ulong[], int> _numbers = new(new SameWords());

    /// <summary>
    /// A state in which everything stays or repeats forever; the given state where no such state was found.
    /// </summary>
    /// <param name="hang">A state from which no end can be reached.</param>
    /// <param name="search">Whether to look for it at all.</param>
    public (ulong[] State, bool Stays) From(ReadOnlySpan<ulong> hang, bool search)
    {
        ulong[] start = hang.ToArray();
        int first = search ? FirstOfRest(start) : -1;
        return first < 0
            ? (start, false)
            : (
                _states
                    .Skip(first)
                    .MinBy(state => expander.Machine.Unfinished(state).Count(waiting => waiting.Task < 0))!,
                true
            );
    }

    /// <summary>
    /// What has not ended in a state. Of a thread that computes by itself the next operation that reads memory is told.
    /// </summary>
    /// <param name="state">The state.</param>
    public IEnumerable<(int Cpu, int Task, CompiledOp Op)> Unfinished(ulong[] state) =>
        expander.Machine.Unfinished(state).Select(waiting => waiting with { Op = NextReadOf(state, waiting) });

    private CompiledOp NextReadOf(ulong[] state, (int Cpu, int Task, CompiledOp Op) waiting)
    {
        ulong[] ahead = [.. state];
        CompiledOp op = waiting.Op;
        for (int ops = 0; ops < MostOpsAhead && op.Kind is not (MicroOpKind.Load or MicroOpKind.AtomicBegin); ops++)
        {
            if (waiting.Cpu < 0 || expander.Machine.NextStep(ahead, waiting.Cpu) != StepKind.Local)
            {
                return op.Source >= 0 || op.KernelLine > 0 ? op : waiting.Op;
            }

            expander.Machine.Apply(ahead, new Move(MoveKind.Step, waiting.Cpu, -1));
            CompiledOp[] next =
            [
                .. expander
                    .Machine.Unfinished(ahead)
                    .Where(other => (other.Cpu, other.Task) == (waiting.Cpu, waiting.Task))
                    .Select(other => other.Op),
            ];
            if (next.Length == 0)
            {
                return waiting.Op;
            }

            op = next[0];
        }

        return op.Kind is MicroOpKind.Load or MicroOpKind.AtomicBegin ? op : waiting.Op;
    }

    // The number of the first state of the component that is completed first; all after it belong to it. -1 for none.
    private int FirstOfRest(ulong[] start)
    {
        var path = new Stack<(int Number, List<ulong[]> Next)>();
        path.Push((Enter(start), expander.SuccessorsOf(start)));
        while (_states.Count < MostStates)
        {
            (int number, List<ulong[]> next) = path.Peek();
            if (next.Count > 0)
            {
                ulong[] state = next[^1];
                next.RemoveAt(next.Count - 1);
                if (_numbers.TryGetValue(state, out int known))
                {
                    // No component is complete, so each known state is one from which the path may be reached.
                    _lowest[number] = Math.Min(_lowest[number], known);
                }
                else
                {
                    path.Push((Enter(state), expander.SuccessorsOf(state)));
                }

                continue;
            }

            if (_lowest[number] == number)
            {
                return number;
            }

            path.Pop();
            int before = path.Peek().Number;
            _lowest[before] = Math.Min(_lowest[before], _lowest[number]);
        }

        return -1;
    }

    private int Enter(ulong[] state)
    {
        int number = _states.Count;
        _states.Add(state);
        _lowest.Add(number);
        _numbers.Add(state, number);
        return number;
    }

    private sealed class SameWords : IEqualityComparer<ulong[]>
    {
        public bool Equals(ulong[]? x, ulong[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(ulong[] obj) => (int)StateHash.Of(obj);
    }
}
