using System.Numerics;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// The axioms about translation, decided by trying every execution of a small program. Nothing here is shared with the
/// machine: relations are matrices over the effects of one execution, named as in the published model.
/// </summary>
internal sealed class TranslationOracle
{
    private const int Locations = 8;

    private readonly TranslationProgram _program;
    private readonly TranslationRules _rules;
    private readonly HashSet<string> _outcomes = [];
    private readonly List<Effect> _effects = [];

    private TranslationOracle(TranslationProgram program, TranslationRules rules) =>
        (_program, _rules) = (program, rules);

    // What an instruction does. Thread -1 holds the initial writes. Location -1: none; -2: an entry that is never
    // written. Translation: the effect that translated it.
    private sealed record Effect(int Thread, int Step, char Kind, int Location, int Value, TranslatedStep Of)
    {
        public int Source { get; set; } = -1;

        public int Translation { get; init; } = -1;

        public bool IsExplicit => Kind is 'R' or 'W' && Thread >= 0;
    }

    /// <summary>The outcomes: of each thread what its loads read, and where it faulted.</summary>
    public static IReadOnlySet<string> OutcomesOf(
        TranslationProgram program,
        TranslationRules rules = TranslationRules.All
    )
    {
        var oracle = new TranslationOracle(program, rules);
        for (int location = 0; location < Locations; location++)
        {
            int value =
                location < 2 ? program.Initial[location]
                : location < 4 ? 0
                : (100 * ((location - 4) / 2)) + (location % 2);
            oracle._effects.Add(new Effect(-1, location, 'W', location, value, default));
        }

        oracle.ChooseEntries(0, 0);
        return oracle._outcomes;
    }

    private bool Has(TranslationRules rule) => (_rules & rule) != 0;

    // First for each translated access the entry that it uses, by value; then the effects are known, and sources and
    // coherence follow.
    private void ChooseEntries(int thread, int step)
    {
        if (thread == _program.Threads.Count)
        {
            Matrix local = LocallyOrdered();
            ChooseSources(Locations, local);
            return;
        }

        IReadOnlyList<TranslatedStep> steps = _program.StepsOf(thread);
        int mainSteps = _program.Threads[thread].Count;
        if (step == steps.Count || (step == mainSteps && !Faulted(thread)))
        {
            ChooseEntries(thread + 1, 0);
            return;
        }

        TranslatedStep now = steps[step];
        int mark = _effects.Count;
        if (!now.IsTranslated)
        {
            if (now.IsExplicit)
            {
                AddDirect(thread, step, now, mark);
            }
            else
            {
                _effects.Add(new Effect(thread, step, now.IsInvalidation ? 'I' : 'B', -1, 0, now));
            }

            ChooseEntries(thread, step + 1);
            _effects.RemoveRange(mark, _effects.Count - mark);
            return;
        }

        for (int entry = 0; entry < TranslationProgram.Entries.Length; entry++)
        {
            _effects.Add(new Effect(thread, step, 'T', now.Page, entry, now));
            bool faults = IsUncacheable(entry) || (entry == TranslationProgram.ReadOnly && now.IsWrite);
            int location = faults ? -1 : 4 + (entry == TranslationProgram.ToOther ? 2 : 0) + now.Place;
            _effects.Add(
                new Effect(
                    thread,
                    step,
                    faults ? 'F'
                        : now.IsWrite ? 'W'
                        : 'R',
                    location,
                    TranslationProgram.ValueOf(thread, step),
                    now
                )
                {
                    Translation = mark,
                }
            );
            ChooseEntries(thread, faults ? mainSteps : step + 1);
            _effects.RemoveRange(mark, _effects.Count - mark);
        }
    }

    private static bool IsUncacheable(int entry) =>
        entry is TranslationProgram.Nowhere or TranslationProgram.NotAccessed;

    private bool Faulted(int thread) => _effects.Exists(effect => effect.Thread == thread && effect.Kind == 'F');

    private void AddDirect(int thread, int step, TranslatedStep now, int mark)
    {
        int value = now.Kind == TranslationStep.StoreEntry ? now.Entry : TranslationProgram.ValueOf(thread, step);
        int location = now.IsFlag ? 2 + now.Page : now.Page;
        int translation = -1;
        if (now.IsFlag)
        {
            _effects.Add(new Effect(thread, step, 'T', -2, 0, now));
            translation = mark;
        }

        if (now.IsRead)
        {
            _effects.Add(new Effect(thread, step, 'R', location, value, now) { Translation = translation });
        }

        if (now.IsWrite)
        {
            _effects.Add(new Effect(thread, step, 'W', location, value, now) { Translation = translation });
        }
    }

    private void ChooseSources(int at, Matrix local)
    {
        if (at == _effects.Count)
        {
            ChooseCoherence(0, new int[_effects.Count], local);
            return;
        }

        Effect read = _effects[at];
        if (read.Kind is not ('R' or 'T') || read.Location == -2)
        {
            ChooseSources(at + 1, local);
            return;
        }

        for (int source = 0; source < _effects.Count; source++)
        {
            Effect write = _effects[source];
            bool later = write.Thread == read.Thread && write.Step >= read.Step;
            if (
                write.Kind == 'W'
                && write.Location == read.Location
                && !later
                && (read.Kind == 'R' || write.Value == read.Value)
            )
            {
                read.Source = source;
                ChooseSources(at + 1, local);
            }
        }
    }

    private void ChooseCoherence(int location, int[] rank, Matrix local)
    {
        if (location == Locations)
        {
            Judge(rank, local);
            return;
        }

        int[] writes =
        [
            .. Enumerable
                .Range(Locations, _effects.Count - Locations)
                .Where(write => _effects[write].Kind == 'W' && _effects[write].Location == location),
        ];
        Order(location, writes, 0, rank, local);
    }

    private void Order(int location, int[] writes, int placed, int[] rank, Matrix local)
    {
        if (placed == writes.Length)
        {
            ChooseCoherence(location + 1, rank, local);
            return;
        }

        foreach (int write in writes)
        {
            // Writes of one thread in their order: coWW. Those that are placed have a rank.
            bool ready =
                rank[write] == 0
                && writes.All(other =>
                    other >= write || rank[other] != 0 || _effects[other].Thread != _effects[write].Thread
                );
            if (ready)
            {
                rank[write] = placed + 1;
                Order(location, writes, placed + 1, rank, local);
                rank[write] = 0;
            }
        }
    }

    private bool Before(int a, int b) =>
        _effects[a].Thread == _effects[b].Thread && _effects[a].Thread >= 0 && _effects[a].Step < _effects[b].Step;

    private bool SameLocation(int a, int b) =>
        _effects[a].Location >= 0 && _effects[a].Location == _effects[b].Location;

    private bool Is(int a, params ReadOnlySpan<TranslationStep> kinds) =>
        _effects[a].Kind == 'B' && kinds.Contains(_effects[a].Of.Kind);

    private bool IsAcquire(int a) =>
        _effects[a].Kind == 'R' && (_effects[a].Of.Ordered || _effects[a].Of.Kind == TranslationStep.SwapFlag);

    private bool IsRelease(int a) =>
        _effects[a].Kind == 'W' && (_effects[a].Of.Ordered || _effects[a].Of.Kind == TranslationStep.SwapFlag);

    // local-hw-reqs: what each CPU keeps in order by itself.
    private Matrix LocallyOrdered()
    {
        int count = _effects.Count;
        var lob = new Matrix(count);
        var pick = new Matrix(count);
        for (int a = Locations; a < count; a++)
        {
            for (int b = Locations; b < count; b++)
            {
                Effect one = _effects[a];
                Effect two = _effects[b];

                // tr-ib, and the two halves of an atomic.
                if (
                    two.Translation == a
                    || (one.Thread == two.Thread && one.Step == two.Step && one.Kind == 'R' && two.Kind == 'W')
                )
                {
                    lob.Add(a, b);
                }

                if (!Before(a, b))
                {
                    continue;
                }

                // lmws
                if ((one.IsExplicit || one.Kind == 'T') && two.Kind == 'W' && SameLocation(a, b))
                {
                    lob.Add(a, b);
                }

                if (two.Kind == 'W' && one.Kind == 'T' && !FaultsAt(a) && Has(TranslationRules.TranslationBeforeStore))
                {
                    lob.Add(a, b);
                }

                AddOrdered(lob, a, b);
                AddMisread(lob, a, b);
            }
        }

        for (int barrier = Locations; barrier < count; barrier++)
        {
            for (int a = Locations; a < count; a++)
            {
                for (int b = Locations; b < count && Before(a, barrier); b++)
                {
                    if (Before(barrier, b))
                    {
                        AddFenced(lob, a, barrier, b);
                    }
                }
            }
        }

        for (int read = Locations; read < count; read++)
        {
            if (_effects[read].Kind == 'R')
            {
                AddDependencies(lob, pick, read);
            }
        }

        AddForwarded(lob);
        lob.Close();

        // pick-lob, whose parts compose with each other.
        Matrix local = lob.Copy();
        for (int a = 0; a < count; a++)
        {
            for (ulong dependents = pick.Row(a); dependents != 0; dependents &= dependents - 1)
            {
                for (ulong later = lob.Row(BitOperations.TrailingZeroCount(dependents)); later != 0; later &= later - 1)
                {
                    int b = BitOperations.TrailingZeroCount(later);
                    if (_effects[b].Kind == 'W')
                    {
                        local.Add(a, b);
                    }
                }
            }
        }

        local.Close();
        return local;
    }

    private bool FaultsAt(int translation) => _effects[translation + 1].Kind == 'F';

    // bob without fences.
    private void AddOrdered(Matrix lob, int a, int b)
    {
        Effect one = _effects[a];
        Effect two = _effects[b];
        bool swapped = one.Kind == 'W' && one.Of.Kind == TranslationStep.SwapFlag;
        if (
            (two.IsExplicit && (IsAcquire(a) || swapped))
            || (
                two.Kind == 'F'
                && (
                    (IsAcquire(a) && Has(TranslationRules.AcquireIntoFault))
                    || (swapped && Has(TranslationRules.SwapIntoFault))
                )
            )
            || (one.IsExplicit && IsRelease(b))
            || (IsRelease(a) && IsAcquire(b))
        )
        {
            lob.Add(a, b);
        }
    }

    private void AddMisread(Matrix lob, int a, int b)
    {
        Effect one = _effects[a];
        Effect two = _effects[b];
        if (
            (
                one.IsExplicit
                && two.Kind == 'F'
                && (
                    Has(TranslationRules.FaultFollowsAccesses)
                    || (Has(TranslationRules.FaultReleases) && two.Of is { Ordered: true, IsWrite: true })
                )
            )
            || (IsAcquire(a) && two.Kind == 'T' && Has(TranslationRules.AcquireBeforeTranslation))
            || (IsAcquire(a) && two.Kind == 'I' && Has(TranslationRules.AcquireBeforeInvalidation))
        )
        {
            lob.Add(a, b);
        }
    }

    // bob by DMB, DSB-ob, and of IFB-ob what needs no dependency.
    private void AddFenced(Matrix lob, int a, int barrier, int b)
    {
        Effect one = _effects[a];
        Effect two = _effects[b];
        bool full = Is(barrier, TranslationStep.FullBarrier) && one.IsExplicit;
        bool load = Is(barrier, TranslationStep.LoadBarrier) && one.Kind == 'R';
        bool store = Is(barrier, TranslationStep.StoreBarrier) && one.Kind == 'W';
        bool toFault =
            two.Kind == 'F'
            && (
                (full && Has(TranslationRules.FullBarrierIntoFault))
                || (load && Has(TranslationRules.LoadBarrierIntoFault))
                || (store && Has(TranslationRules.StoreBarrierIntoFault))
            );
        if (toFault || (two.IsExplicit && (full || load || (store && two.Kind == 'W'))))
        {
            lob.Add(a, b);
        }

        if (IsCompleted(a, barrier))
        {
            if (two.Kind != 'T' || Has(TranslationRules.CompletionBeforeTranslation))
            {
                lob.Add(a, b);
            }

            if (Synchronizes(b) && Has(TranslationRules.CompletionPastContext))
            {
                AddAllAfter(lob, a, b);
            }
        }

        // R-TTD; tr-ib; M; po; IFB; po
        if (Synchronizes(barrier) && one.Kind == 'T' && !FaultsAt(a) && Has(TranslationRules.TranslationPastContext))
        {
            lob.Add(a, b);
        }
    }

    private bool IsCompleted(int a, int barrier) =>
        _effects[a].Kind switch
        {
            'I' => Is(barrier, TranslationStep.Completion) && Has(TranslationRules.Completion),
            'T' => Is(barrier, TranslationStep.Completion),
            'R' => Is(barrier, TranslationStep.Completion, TranslationStep.LoadCompletion),
            'W' => Is(barrier, TranslationStep.Completion, TranslationStep.StoreCompletion),
            _ => false,
        };

    private bool Synchronizes(int a) =>
        Is(a, TranslationStep.Context) || (_effects[a].Kind == 'F' && Has(TranslationRules.FaultSynchronizes));

    private void AddAllAfter(Matrix relation, int a, int after)
    {
        for (int b = Locations; b < _effects.Count; b++)
        {
            if (Before(after, b))
            {
                relation.Add(a, b);
            }
        }
    }

    // dob, pob, and of IFB-ob what begins with a dependency.
    private void AddDependencies(Matrix lob, Matrix pick, int read)
    {
        for (int b = Locations; b < _effects.Count; b++)
        {
            Effect two = _effects[b];
            if (!Before(read, b) || _program.LoadBefore(two.Thread, two.Step) != _effects[read].Step)
            {
                continue;
            }

            if (two.Of.Kind is TranslationStep.Branch or TranslationStep.PickBranch)
            {
                AddControl(lob, pick, read, b);
                continue;
            }

            bool picked = two.Of.On == Dependency.PickedAddress;
            if (picked || two.Of.On == Dependency.Address)
            {
                AddAddress(lob, pick, read, b, picked);
            }
            else if (two.Of.On == Dependency.Data && two.Kind == 'W')
            {
                lob.Add(read, b);
                pick.Add(read, b);
            }
        }
    }

    private void AddControl(Matrix lob, Matrix pick, int read, int branch)
    {
        bool picked = _effects[branch].Of.Kind == TranslationStep.PickBranch;
        for (int b = Locations; b < _effects.Count; b++)
        {
            if (!Before(branch, b))
            {
                continue;
            }

            pick.Add(read, b);
            bool invalidation =
                _effects[b].Kind == 'I'
                && Has(picked ? TranslationRules.PickIntoInvalidation : TranslationRules.ControlIntoInvalidation);
            if (
                _effects[b].Kind == 'W'
                || invalidation
                || (_effects[b].Kind == 'F' && Has(TranslationRules.FaultFollowsControl))
            )
            {
                lob.Add(read, b);
            }

            if (Synchronizes(b) && Has(picked ? TranslationRules.PickPastContext : TranslationRules.ControlPastContext))
            {
                AddAllAfter(lob, read, b);
            }
        }
    }

    private void AddAddress(Matrix lob, Matrix pick, int read, int b, bool picked)
    {
        Effect two = _effects[b];
        if (two.Kind == 'F')
        {
            return;
        }

        pick.Add(read, b);
        bool follows = two.Kind switch
        {
            'R' => !picked,
            'W' => true,
            'T' => Has(
                picked ? TranslationRules.PickedAddressBeforeTranslation : TranslationRules.AddressBeforeTranslation
            ),
            'I' => two.Of.Kind != TranslationStep.InvalidateAll
                && Has(
                    picked ? TranslationRules.PickedAddressIntoInvalidation : TranslationRules.AddressIntoInvalidation
                ),
            _ => false,
        };
        if (follows)
        {
            lob.Add(read, b);
        }

        // R; pick-addr-dep; tr-ib; IFB; po
        if (
            two.Kind == 'T'
            && two.Location >= 0
            && FaultsAt(b)
            && Has(TranslationRules.FaultSynchronizes)
            && Has(TranslationRules.PickedAddressPastFault)
        )
        {
            AddAllAfter(lob, read, b);
        }

        for (int later = Locations; later < _effects.Count && two.IsExplicit; later++)
        {
            // addr; M; po; W, and addr; M; po; IFB; po, both by picks too.
            if (
                Before(b, later)
                && (
                    _effects[later].Kind == 'W'
                    || (_effects[later].Kind == 'I' && Has(TranslationRules.AddressOfEarlierIntoInvalidation))
                )
            )
            {
                lob.Add(read, later);
            }

            if (Before(b, later) && Synchronizes(later))
            {
                AddAllAfter(lob, read, later);
            }
        }
    }

    // addr | data; M; lmrs; R, and rmw; lmrs; A; also R-TTD; tr-ib; IFB; po, which has no dependency before it.
    private void AddForwarded(Matrix lob)
    {
        for (int b = Locations; b < _effects.Count; b++)
        {
            Effect now = _effects[b];
            if (
                now.Kind == 'F'
                && Has(TranslationRules.FaultSynchronizes)
                && Has(TranslationRules.TranslationPastFault)
            )
            {
                AddAllAfter(lob, now.Translation, b);
            }

            if (now.Kind != 'R')
            {
                continue;
            }

            int write = -1;
            for (int earlier = Locations; earlier < b; earlier++)
            {
                write =
                    _effects[earlier].Kind == 'W' && Before(earlier, b) && SameLocation(earlier, b) ? earlier : write;
            }

            if (write < 0)
            {
                continue;
            }

            int load = _program.LoadBefore(now.Thread, _effects[write].Step);
            for (int read = Locations; read < write; read++)
            {
                bool own = _effects[read].Kind == 'R' && _effects[read].Thread == now.Thread;
                bool dependent =
                    _effects[read].Step == load && _effects[write].Of.On is Dependency.Address or Dependency.Data;
                bool divided = _effects[read].Step == _effects[write].Step;
                if (own && ((dependent && !divided) || (divided && IsAcquire(b))))
                {
                    lob.Add(read, b);
                }
            }
        }
    }

    private void Judge(int[] rank, Matrix local)
    {
        string outcome = Describe();
        if (_outcomes.Contains(outcome) || !IsCoherent(rank))
        {
            return;
        }

        int count = _effects.Count;
        Matrix ob = local.Copy();
        for (int a = 0; a < count; a++)
        {
            Effect one = _effects[a];
            for (int b = Locations; b < count; b++)
            {
                Effect two = _effects[b];
                bool external = one.Thread != two.Thread;
                bool reads =
                    two.Source == a
                    && (
                        (two.Kind == 'R' && external)
                        || (two.Kind == 'T' && Has(TranslationRules.WriteBeforeTranslation))
                    );
                bool newer = IsAfter(rank, a, b);
                bool uncacheable =
                    one.Kind == 'T'
                    && IsUncacheable(one.Value)
                    && one.Location >= 0
                    && Has(TranslationRules.UncacheableBeforeNewer);
                if (reads || (newer && ((one.IsExplicit && external) || uncacheable)))
                {
                    ob.Add(a, b);
                }

                // Exp-haz-ob
                for (
                    int c = Locations;
                    c < count && one.Kind == 'R' && two.Kind == 'R' && Before(a, b) && SameLocation(a, b);
                    c++
                )
                {
                    if (_effects[c].Thread != two.Thread && IsAfter(rank, b, c))
                    {
                        ob.Add(a, c);
                    }
                }
            }
        }

        ob.Close();
        List<(int Invalidation, int Translation)> pairs = Pairs(rank);
        if (!ob.IsCyclic && TryOrders(ob, local, pairs, 0, rank))
        {
            _outcomes.Add(outcome);
        }
    }

    // ca, to writes of threads.
    private bool IsAfter(int[] rank, int a, int b) =>
        _effects[b].Kind == 'W'
        && b >= Locations
        && a != b
        && SameLocation(a, b)
        && _effects[a].Kind switch
        {
            'W' => rank[a] < rank[b],
            'R' or 'T' => rank[_effects[a].Source] < rank[b],
            _ => false,
        };

    // Internal visibility and atomicity. That a read does not read what comes later in its thread, and the order of a
    // thread's own writes, were seen to before.
    private bool IsCoherent(int[] rank)
    {
        for (int read = Locations; read < _effects.Count; read++)
        {
            if (_effects[read].Kind != 'R')
            {
                continue;
            }

            int source = rank[_effects[read].Source];
            for (int write = Locations; write < _effects.Count; write++)
            {
                if (
                    _effects[write].Kind == 'W'
                    && SameLocation(read, write)
                    && Before(write, read)
                    && source < rank[write]
                )
                {
                    return false;
                }
            }

            if (_effects[read].Of.Kind == TranslationStep.SwapFlag && rank[read + 1] != source + 1)
            {
                return false;
            }
        }

        return true;
    }

    // The pairs of invalidation and translation whose order makes a difference: the translation has not seen some
    // write.
    private List<(int Invalidation, int Translation)> Pairs(int[] rank)
    {
        var pairs = new List<(int, int)>();
        for (int i = Locations; i < _effects.Count; i++)
        {
            if (
                _effects[i].Kind != 'I'
                || !Enumerable
                    .Range(i, _effects.Count - i)
                    .Any(dsb => Before(i, dsb) && Is(dsb, TranslationStep.Completion))
            )
            {
                continue;
            }

            for (int t = Locations; t < _effects.Count; t++)
            {
                TranslationStep kind = _effects[i].Of.Kind;
                bool everywhere =
                    kind != TranslationStep.InvalidateHere
                    || _effects[i].Thread == _effects[t].Thread
                    || Has(TranslationRules.Broadcast);
                if (
                    _effects[t].Kind == 'T'
                    && _effects[t].Location >= 0
                    && everywhere
                    && (kind == TranslationStep.InvalidateAll || _effects[i].Of.Page == _effects[t].Location)
                    && Enumerable.Range(Locations, _effects.Count - Locations).Any(w => IsAfter(rank, t, w))
                )
                {
                    pairs.Add((i, t));
                }
            }
        }

        return pairs;
    }

    private bool TryOrders(Matrix ob, Matrix local, List<(int Invalidation, int Translation)> pairs, int at, int[] rank)
    {
        if (at == pairs.Count)
        {
            return true;
        }

        (int i, int t) = pairs[at];

        // The invalidation first, unless its CPU keeps them in the other order: then it is before every write that the
        // translation has not seen.
        if (!local.Has(t, i))
        {
            Matrix first = ob.Copy();
            for (int w = Locations; w < _effects.Count && Has(TranslationRules.InvalidationHides); w++)
            {
                if (IsAfter(rank, t, w))
                {
                    first.AddClosed(i, w);
                }
            }

            if (!first.IsCyclic && TryOrders(first, local, pairs, at + 1, rank))
            {
                return true;
            }
        }

        if (local.Has(i, t))
        {
            return false;
        }

        // The translation first: then it, its access and earlier translations are before what the completed
        // invalidation is before.
        Matrix second = ob.Copy();
        ulong completed = CompletedBefore(i);
        for (; completed != 0; completed &= completed - 1)
        {
            int x = BitOperations.TrailingZeroCount(completed);
            second.AddClosed(t, x);
            for (int e = Locations; e < _effects.Count; e++)
            {
                bool waits =
                    e == t + 1 ? Has(TranslationRules.AccessBeforeCompletion) : Before(e, t) && IsWaitedFor(e, t);
                if (
                    waits && (_effects[t].Thread != _effects[x].Thread || Has(TranslationRules.CompletionOfOwnAccesses))
                )
                {
                    second.AddClosed(e, x);
                }
            }
        }

        return !second.IsCyclic && TryOrders(second, local, pairs, at + 1, rank);
    }

    // Whether the translation e is one that an invalidation waits for along with t: their effects are of the same place
    // in a page.
    private bool IsWaitedFor(int e, int t)
    {
        if (_effects[e].Kind != 'T' || !Has(TranslationRules.EarlierTranslationBeforeCompletion))
        {
            return false;
        }

        bool effects =
            _effects[e + 1].Kind != 'F' && (_effects[t + 1].Kind != 'F' || Has(TranslationRules.EarlierWithFault));
        return effects
            && (
                Has(TranslationRules.EarlierByPage)
                    ? _effects[e].Location == _effects[t].Location
                    : _effects[e].Of.Place == _effects[t].Of.Place
            );
    }

    // DSB-ob of an invalidation, and DSB-ob; IFB; po.
    private ulong CompletedBefore(int invalidation)
    {
        ulong completed = 0;
        for (int dsb = Locations; dsb < _effects.Count; dsb++)
        {
            bool waits = Is(dsb, TranslationStep.Completion) && Before(invalidation, dsb);
            for (int x = Locations; x < _effects.Count && waits && Has(TranslationRules.Completion); x++)
            {
                bool synchronized = Enumerable
                    .Range(Locations, _effects.Count - Locations)
                    .Any(ifb => Synchronizes(ifb) && Before(dsb, ifb) && Before(ifb, x));
                completed |= Before(dsb, x) && (_effects[x].Kind != 'T' || synchronized) ? 1UL << x : 0;
            }
        }

        return completed;
    }

    private string Describe()
    {
        IEnumerable<string> parts = _effects
            .Where(effect => effect.Kind is 'R' or 'F')
            .Select(effect =>
                effect.Kind == 'F'
                    ? $"{effect.Thread}.{effect.Step}:fault"
                    : $"{effect.Thread}.{effect.Step}:{_effects[effect.Source].Value}"
            );
        return string.Join(" ", parts);
    }

    /// <summary>A relation over at most 64 effects.</summary>
    private sealed class Matrix
    {
        private readonly ulong[] _rows;

        public Matrix(int count) =>
            _rows =
                count <= 64
                    ? new ulong[count]
                    : throw new ArgumentOutOfRangeException(
                        nameof(count),
                        count,
                        "The program is too large for this oracle."
                    );

        private Matrix(ulong[] rows) => _rows = rows;

        public bool IsCyclic
        {
            get
            {
                for (int a = 0; a < _rows.Length; a++)
                {
                    if (Has(a, a))
                    {
                        return true;
                    }
                }

                return false;
            }
        }

        public Matrix Copy() => new([.. _rows]);

        public ulong Row(int a) => _rows[a];

        public bool Has(int a, int b) => (_rows[a] >> b & 1) != 0;

        public void Add(int a, int b) => _rows[a] |= 1UL << b;

        /// <summary>Adds a pair to a relation that is transitive, and what follows.</summary>
        public void AddClosed(int a, int b)
        {
            ulong after = _rows[b] | 1UL << b;
            for (int c = 0; c < _rows.Length; c++)
            {
                _rows[c] |= c == a || Has(c, a) ? after : 0;
            }
        }

        public void Close()
        {
            for (int middle = 0; middle < _rows.Length; middle++)
            {
                for (int a = 0; a < _rows.Length; a++)
                {
                    _rows[a] |= Has(a, middle) ? _rows[middle] : 0;
                }
            }
        }
    }
}
