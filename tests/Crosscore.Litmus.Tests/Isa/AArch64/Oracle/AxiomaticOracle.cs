namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// The AArch64 memory model for data, as axioms (Deacon and Alglave; section B2.3 of the reference manual): an
/// execution is allowed when no location shows a thread its own accesses out of order, no write from outside splits a
/// read-modify-write, and ordered-before, what threads observe of each other and what the architecture orders within
/// them, has no cycle. It shares nothing with the operational machine: neither its idea of the model nor its code nor
/// its parser. Executions are enumerated, so tests must be small; there is no instruction fetch and no address
/// translation.
/// </summary>
internal sealed class AxiomaticOracle
{
    /// <summary>
    /// How often a path may pass an instruction. Loops that may go round more often are refused, not cut: a cut loop
    /// loses outcomes.
    /// </summary>
    public const int MostVisits = 6;

    /// <summary>How many executions a test may have; above, it is refused rather than waited for.</summary>
    public const int MostExecutions = 60_000;

    private readonly OracleTest _test;
    private readonly Clauses _clauses;
    private int _executions;
    private readonly HashSet<FinalState> _outcomes = [];

    private AxiomaticOracle(OracleTest test, Clauses clauses)
    {
        _test = test;
        _clauses = clauses;
    }

    /// <summary>All outcomes of a test.</summary>
    /// <exception cref="OracleRefusal">The test is not about data, or too large.</exception>
    public static HashSet<FinalState> Outcomes(OracleTest test, Clauses clauses = Clauses.All)
    {
        var oracle = new AxiomaticOracle(test, clauses);
        Executions.ForEach(test, MostVisits, oracle.Judge);
        return oracle._outcomes;
    }

    private void Judge(Execution execution)
    {
        if (++_executions > MostExecutions)
        {
            throw new OracleRefusal("it has too many executions");
        }

        // A store-exclusive to another address than was loaded has no defined success.
        if (
            execution.Paths.Any(path =>
                path.Steps.Any(step =>
                    step.Partner >= 0 && step.Accesses[0].Address != path.Steps[step.Partner].Accesses[0].Address
                )
            )
        )
        {
            return;
        }

        var events = new EventTable(execution);
        (int Read, int Write)[] atomics = [.. LocalOrder.ReadModifyWrites(execution, events)];
        List<List<Coherence>> coherences = [];
        foreach (List<int> location in Locations(events))
        {
            List<Coherence> orders = Coherence.Orders(events, location, atomics, _clauses);
            if (orders.Count == 0)
            {
                return;
            }

            coherences.Add(orders);
        }

        List<Relation> locals = [];
        Combine(execution, events, coherences, new Coherence[coherences.Count], 0, locals);
    }

    private void Combine(
        Execution execution,
        EventTable events,
        List<List<Coherence>> coherences,
        Coherence[] chosen,
        int at,
        List<Relation> locals
    )
    {
        if (at < coherences.Count)
        {
            foreach (Coherence coherence in coherences[at])
            {
                chosen[at] = coherence;
                Combine(execution, events, coherences, chosen, at + 1, locals);
            }

            return;
        }

        FinalState outcome = OutcomeOf(execution, events, chosen);
        if (_outcomes.Contains(outcome) || _test.Filter?.Invoke(outcome) == false)
        {
            return;
        }

        if (locals.Count == 0)
        {
            locals.AddRange(LocalOrders(execution, events));
        }

        var observed = new Relation(events.Count);
        if ((_clauses & Clauses.Observed) != 0)
        {
            Array.ForEach(chosen, coherence => observed.Add(coherence.External));
        }

        foreach (Relation local in locals)
        {
            Relation ordered = local.Copy();
            ordered.Add(observed);
            if (ordered.IsAcyclic())
            {
                RefuseStrays(events);
                _outcomes.Add(outcome);
                return;
            }
        }
    }

    private void RefuseStrays(EventTable events)
    {
        for (int index = 0; index < events.Count; index++)
        {
            ulong address = events[index].Address!.Value;
            int size = events[index].Size;
            if (
                address % (ulong)size != 0
                || _test.VariableAt(address) is null
                || _test.VariableAt(address + (ulong)size - 1) is null
            )
            {
                throw new OracleRefusal(
                    $"P{events[index].Id.Thread} makes an access that is not aligned, or outside all variables"
                );
            }
        }
    }

    // The result of a compare-and-swap that stored may come from memory or from the register that was compared: either
    // will do, and it is another order.
    private IEnumerable<Relation> LocalOrders(Execution execution, EventTable events)
    {
        int[] swaps =
        [
            .. Enumerable
                .Range(0, events.Count)
                .Where(index =>
                    !events[index].IsWrite
                    && execution.Paths[events[index].Id.Thread].Steps[events[index].Id.Step]
                        is { Instruction: CompareSwap { Compare: not Instruction.Zero }, TookFirst: true }
                ),
        ];
        for (int fromRegister = 0; fromRegister < 1 << swaps.Length; fromRegister++)
        {
            int set = fromRegister;
            var dependencies = Dependencies.Of(
                execution,
                events,
                read => (set >> Array.IndexOf(swaps, read) & 1) != 0 && Array.IndexOf(swaps, read) >= 0
            );
            yield return LocalOrder.Of(execution, events, dependencies, _clauses);
        }
    }

    private FinalState OutcomeOf(Execution execution, EventTable events, Coherence[] chosen) =>
        new([
            .. _test.Observables.Select(location =>
            {
                ulong value = 0;
                if (location.Variable is not OracleVariable variable)
                {
                    value =
                        location.Thread < execution.Paths.Count
                            ? execution.Paths[location.Thread].Register(location.Register)
                            : throw new OracleRefusal(
                                $"it looks at a register of P{location.Thread}, which it has not"
                            );
                }
                else
                {
                    for (int index = 0; index < variable.Width; index++)
                    {
                        ulong place = variable.Address + (ulong)((location.Element * variable.Width) + index);
                        int last = -1;
                        foreach (Coherence coherence in chosen)
                        {
                            last = Math.Max(last, coherence.LastWriteTo(events, place));
                        }

                        value |=
                            (ulong)(last < 0 ? _test.InitialByte(place) : events[last].ByteAt(place)) << (8 * index);
                    }
                }

                return location.Width == 8 ? value : value & ((1UL << (8 * location.Width)) - 1);
            }),
        ]);

    // Accesses that overlap, directly or through others: with one width, those to one address.
    private static List<List<int>> Locations(EventTable events)
    {
        var locations = new List<List<int>>();
        for (int index = 0; index < events.Count; index++)
        {
            List<List<int>> touched = locations.FindAll(location =>
                location.Exists(other => events.Overlap(index, other))
            );
            List<int> merged = [.. touched.SelectMany(location => location), index];
            locations.RemoveAll(touched.Contains);
            locations.Add(merged);
        }

        return locations;
    }
}
