namespace Crosscore.Litmus.Tests.Arm.Oracle;

/// <summary>What a step of a <see cref="TranslationProgram"/> is.</summary>
internal enum TranslationStep
{
#pragma warning disable CS1591 // the names say it
    StoreEntry, LoadEntry, Store, Load, StoreFlag, LoadFlag, Invalidate, InvalidateHere, FullBarrier, LoadBarrier, StoreBarrier, Completion, LoadCompletion, StoreCompletion, Context,
#pragma warning restore CS1591
}

/// <summary>A step with what it stores: of an entry the number of one of <see cref="TranslationProgram.Entries"/>.</summary>
internal readonly record struct TranslatedStep(TranslationStep Kind, int Value)
{
    public bool IsExplicit => Kind <= TranslationStep.LoadFlag;

    public bool IsTranslated => Kind is TranslationStep.Store or TranslationStep.Load;

    public bool IsWrite => Kind is TranslationStep.StoreEntry or TranslationStep.Store or TranslationStep.StoreFlag;

    public bool IsRead => Kind is TranslationStep.LoadEntry or TranslationStep.Load or TranslationStep.LoadFlag;
}

/// <summary>
/// Threads without branches that look at one page x through its entry, at the entry and at a flag. A faulting access ends its thread. Locations: 0 the entry, 1 the memory of x,
/// 2 that of y, 3 the flag; the values of memory are told apart by who stored them.
/// </summary>
/// <param name="Threads">The steps of each.</param>
/// <param name="Initial">The entry at the start.</param>
internal sealed record TranslationProgram(IReadOnlyList<IReadOnlyList<TranslatedStep>> Threads, int Initial)
{
    /// <summary>The entries: to x, to nowhere, to y.</summary>
    public static readonly string[] Entries = ["(oa:PA(x), valid:1)", "(oa:PA(x), valid:0)", "(oa:PA(y), valid:1)"];

    public const int Nowhere = 1;

    /// <summary>The location that an entry leads to.</summary>
    public static int LocationOf(int entry) => entry == 2 ? 2 : 1;
}

/// <summary>
/// The axioms about translation (herd's model of the architecture, without ETS2 and without hardware that writes entries), decided by trying every execution of a small program.
/// Nothing here is shared with the machine.
/// </summary>
internal sealed class TranslationOracle
{
    private readonly TranslationProgram _program;
    private readonly HashSet<string> _outcomes = [];
    private readonly List<Event> _events = [];

    private TranslationOracle(TranslationProgram program) => _program = program;

    // Thread -1 holds the initial writes. Location -1: none. Source: the event that a read reads.
    private sealed record Event(int Thread, int Step, char Kind, int Location, int Value, TranslatedStep Of)
    {
        public int Source { get; set; } = -1;

        public int Translation { get; init; } = -1;
    }

    /// <summary>The outcomes: of each thread what its loads read, and where it faulted.</summary>
    public static IReadOnlySet<string> OutcomesOf(TranslationProgram program)
    {
        var oracle = new TranslationOracle(program);
        for (int location = 0; location < 4; location++)
        {
            oracle._events.Add(new Event(-1, location, 'W', location, location == 0 ? program.Initial : location == 2 ? 100 : 0, default));
        }

        oracle.ChooseEntries(0, 0);
        return oracle._outcomes;
    }

    // First for each translated access the entry that it uses, by value; then the events are known, and sources and coherence follow.
    private void ChooseEntries(int thread, int step)
    {
        if (thread == _program.Threads.Count)
        {
            ChooseSources(4);
            return;
        }

        if (step == _program.Threads[thread].Count)
        {
            ChooseEntries(thread + 1, 0);
            return;
        }

        TranslatedStep now = _program.Threads[thread][step];
        int mark = _events.Count;
        int value = 10 * (thread + 1) + step;
        if (!now.IsTranslated)
        {
            char kind = now.IsWrite ? 'W' : now.IsRead ? 'R' : now.Kind <= TranslationStep.InvalidateHere ? 'I' : 'B';
            int location = now.Kind is TranslationStep.StoreEntry or TranslationStep.LoadEntry ? 0 : now.IsExplicit ? 3 : -1;
            _events.Add(new Event(thread, step, kind, location, now.Kind == TranslationStep.StoreEntry ? now.Value : value, now));
            ChooseEntries(thread, step + 1);
            _events.RemoveRange(mark, _events.Count - mark);
            return;
        }

        for (int entry = 0; entry < TranslationProgram.Entries.Length; entry++)
        {
            _events.Add(new Event(thread, step, 'T', 0, entry, now));
            bool faults = entry == TranslationProgram.Nowhere;
            _events.Add(new Event(thread, step, faults ? 'F' : now.IsWrite ? 'W' : 'R', faults ? -1 : TranslationProgram.LocationOf(entry), value, now) { Translation = mark });
            if (faults)
            {
                ChooseEntries(thread + 1, 0);
            }
            else
            {
                ChooseEntries(thread, step + 1);
            }

            _events.RemoveRange(mark, _events.Count - mark);
        }
    }

    private void ChooseSources(int at)
    {
        if (at == _events.Count)
        {
            ChooseCoherence(0, []);
            return;
        }

        Event read = _events[at];
        if (read.Kind is not ('R' or 'T'))
        {
            ChooseSources(at + 1);
            return;
        }

        for (int source = 0; source < _events.Count; source++)
        {
            Event write = _events[source];
            if (write.Kind == 'W' && write.Location == read.Location && (read.Kind == 'R' || write.Value == read.Value))
            {
                read.Source = source;
                ChooseSources(at + 1);
            }
        }
    }

    private void ChooseCoherence(int location, List<int[]> orders)
    {
        if (location == 4)
        {
            Judge(orders);
            return;
        }

        int[] writes = [.. Enumerable.Range(4, _events.Count - 4).Where(write => _events[write].Kind == 'W' && _events[write].Location == location)];
        foreach (int[] order in Permutations(writes))
        {
            orders.Add([location, .. order]);
            ChooseCoherence(location + 1, orders);
            orders.RemoveAt(orders.Count - 1);
        }
    }

    private static IEnumerable<int[]> Permutations(int[] items) => items.Length == 0
        ? [[]]
        : items.SelectMany((item, index) => Permutations([.. items[..index], .. items[(index + 1)..]]).Select(rest => (int[])[item, .. rest]));

    private void Judge(List<int[]> orders)
    {
        string outcome = Describe();
        if (_outcomes.Contains(outcome))
        {
            return;
        }

        int count = _events.Count;
        int[] rank = new int[count];
        foreach (int[] order in orders)
        {
            for (int index = 0; index < order.Length; index++)
            {
                rank[order[index]] = index;
            }
        }

        bool Before(int a, int b) => _events[a].Thread == _events[b].Thread && _events[a].Thread >= 0 && a < b;
        bool External(int a, int b) => _events[a].Thread != _events[b].Thread;
        bool After(int a, int b) => _events[b].Kind == 'W' && _events[a].Location == _events[b].Location && _events[a].Location >= 0 && a != b && _events[a].Kind switch
        {
            'W' => rank[a] < rank[b],
            'R' or 'T' => rank[_events[a].Source] < rank[b],
            _ => false,
        };
        bool Explicit(int a) => _events[a].Kind is 'R' or 'W' && _events[a].Thread >= 0;
        bool Memory(int a) => Explicit(a) || _events[a].Kind == 'T';
        bool Is(int a, params ReadOnlySpan<TranslationStep> kinds) => _events[a].Kind == 'B' && kinds.Contains(_events[a].Of.Kind);

        // Internal visibility of what is explicit.
        for (int a = 0; a < count; a++)
        {
            for (int b = 0; b < count; b++)
            {
                if (!Before(a, b) || !Explicit(a) || !Explicit(b) || _events[a].Location != _events[b].Location)
                {
                    continue;
                }

                bool wrong = (_events[a].Kind, _events[b].Kind) switch
                {
                    ('R', 'W') => rank[_events[a].Source] >= rank[b],
                    ('W', 'W') => rank[b] < rank[a],
                    ('W', 'R') => rank[_events[b].Source] < rank[a],
                    _ => false,
                };
                if (wrong)
                {
                    return;
                }
            }
        }

        bool[,] ob = new bool[count, count];
        bool[,] completed = new bool[count, count];
        for (int barrier = 0; barrier < count; barrier++)
        {
            for (int a = 0; a < count; a++)
            {
                for (int b = 0; b < count; b++)
                {
                    if (!Before(a, barrier) || !Before(barrier, b))
                    {
                        continue;
                    }

                    char first = _events[a].Kind;
                    char second = _events[b].Kind;
                    bool dsb = (Is(barrier, TranslationStep.Completion) && (Memory(a) || first == 'I')) || (Is(barrier, TranslationStep.LoadCompletion) && first == 'R')
                        || (Is(barrier, TranslationStep.StoreCompletion) && first == 'W');
                    completed[a, b] |= dsb && second != 'T';
                    bool ends = Explicit(b) || second == 'F';
                    ob[a, b] |= Explicit(a) && ends && (Is(barrier, TranslationStep.FullBarrier, TranslationStep.Completion)
                        || (Is(barrier, TranslationStep.LoadBarrier, TranslationStep.LoadCompletion) && first == 'R')
                        || (Is(barrier, TranslationStep.StoreBarrier, TranslationStep.StoreCompletion) && first == 'W' && second is 'W' or 'F'));
                }
            }
        }

        bool Context(int a) => Is(a, TranslationStep.Context);
        for (int a = 0; a < count; a++)
        {
            for (int b = 0; b < count; b++)
            {
                Event one = _events[a];
                Event two = _events[b];
                ob[a, b] |= completed[a, b];

                // Translation before its access, before later writes, before a later context synchronisation and what follows that.
                ob[a, b] |= two.Translation == a || (one.Kind == 'T' && Before(a, b) && ((two.Kind == 'W' && one.Step < two.Step) || Context(b)));
                ob[a, b] |= Context(a) && Before(a, b);

                // Local coherence of explicit accesses, and what faults at the place of an access.
                ob[a, b] |= Before(a, b) && Explicit(a) && Explicit(b) && one.Location == two.Location && two.Kind == 'W';
                ob[a, b] |= Before(a, b) && Explicit(a) && two.Kind == 'F' && one.Location >= 0;

                // Observed-by.
                ob[a, b] |= (two.Kind is 'R' && two.Source == a && External(a, b)) || (two.Kind == 'T' && two.Source == a);
                ob[a, b] |= (Explicit(a) || one.Thread < 0) && one.Kind is 'R' or 'W' && External(a, b) && After(a, b);
                ob[a, b] |= one.Kind == 'T' && one.Value == TranslationProgram.Nowhere && After(a, b);
            }
        }

        // [R]; po-loc; [R]; fre: reads of a location in program order.
        for (int a = 0; a < count; a++)
        {
            for (int b = 0; b < count; b++)
            {
                for (int c = 0; c < count && Before(a, b) && _events[a].Kind == 'R' && _events[b].Kind == 'R' && _events[a].Location == _events[b].Location; c++)
                {
                    ob[a, c] |= External(b, c) && After(b, c);
                }
            }
        }

        var invalidations = (from i in Enumerable.Range(0, count)
                             where _events[i].Kind == 'I' && Enumerable.Range(0, count).Any(dsb => Before(i, dsb) && Is(dsb, TranslationStep.Completion))
                             from t in Enumerable.Range(0, count)
                             where _events[t].Kind == 'T' && (_events[i].Of.Kind == TranslationStep.Invalidate || _events[i].Thread == _events[t].Thread)
                             select (Invalidation: i, Translation: t)).ToArray();
        if (TryOrders(ob, completed, invalidations, 0, Before, External, After))
        {
            _outcomes.Add(outcome);
        }
    }

    private bool TryOrders(bool[,] ob, bool[,] completed, (int Invalidation, int Translation)[] pairs, int at, Func<int, int, bool> before, Func<int, int, bool> external, Func<int, int, bool> after)
    {
        int count = _events.Count;
        if (IsCyclic(ob))
        {
            return false;
        }

        if (at == pairs.Length)
        {
            return true;
        }

        (int i, int t) = pairs[at];

        // The invalidation first: then it is before every write that the translation has not seen.
        bool[,] first = (bool[,])ob.Clone();
        for (int w = 0; w < count; w++)
        {
            first[i, w] |= after(t, w);
        }

        if (TryOrders(first, completed, pairs, at + 1, before, external, after))
        {
            return true;
        }

        // The translation first: then it, its access and earlier translations are before what the completed invalidation is before.
        bool[,] second = (bool[,])ob.Clone();
        for (int x = 0; x < count; x++)
        {
            if (!completed[i, x])
            {
                continue;
            }

            second[t, x] = true;
            for (int e = 0; e < count && external(t, x); e++)
            {
                bool earlier = _events[e].Kind == 'T' && before(e, t) && _events[e].Location == _events[t].Location;
                second[e, x] |= _events[e].Translation == t || earlier;
            }
        }

        return TryOrders(second, completed, pairs, at + 1, before, external, after);
    }

    private static bool IsCyclic(bool[,] relation)
    {
        int count = relation.GetLength(0);
        bool[,] closed = (bool[,])relation.Clone();
        for (int middle = 0; middle < count; middle++)
        {
            for (int a = 0; a < count; a++)
            {
                for (int b = 0; b < count && closed[a, middle]; b++)
                {
                    closed[a, b] |= closed[middle, b];
                }
            }
        }

        return Enumerable.Range(0, count).Any(item => closed[item, item]);
    }

    private string Describe()
    {
        IEnumerable<string> parts = _events.Where(happened => happened.Kind is 'R' or 'F').Select(happened => happened.Kind == 'F'
            ? $"{happened.Thread}.{happened.Step}:fault"
            : $"{happened.Thread}.{happened.Step}:{(happened.Location == 0 ? _events[happened.Source].Value : 1000 + _events[happened.Source].Value)}");
        return string.Join(" ", parts);
    }
}
