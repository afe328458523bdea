using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Isa.X86_64.Oracle;

/// <summary>Visits every state of the oracle.</summary>
internal static class OracleSearch
{
    /// <summary>
    /// The outcomes of a test, filtered or not as the test says; <see langword="null"/> when there are more states than
    /// allowed.
    /// </summary>
    public static HashSet<Outcome>? Outcomes(LitmusTest test, CoreKind core, int mostStates = 100_000) =>
        Explore(test, core, mostStates)?.Outcomes;

    /// <summary>The same, and whether some state leads to no end.</summary>
    public static (HashSet<Outcome> Outcomes, bool MayHang)? Explore(
        LitmusTest test,
        CoreKind core,
        int mostStates = 100_000
    )
    {
        var machine = new OracleMachine(test, core);
        var layout = new MemoryLayout(test.Variables);
        var outcomes = new HashSet<Outcome>();
        var visited = new HashSet<string>();
        var ending = new HashSet<string>();
        var comeFrom = new Dictionary<string, List<string>>();
        var open = new Stack<OracleState>();
        open.Push(machine.InitialState());
        while (open.TryPop(out OracleState? state))
        {
            string key = state.Key();
            if (!visited.Add(key))
            {
                continue;
            }

            if (visited.Count > mostStates)
            {
                return null;
            }

            bool final = true;
            foreach (OracleState next in machine.Successors(state))
            {
                final = false;
                open.Push(next);
                string nextKey = next.Key();
                if (!comeFrom.TryGetValue(nextKey, out List<string>? origins))
                {
                    comeFrom.Add(nextKey, origins = []);
                }

                origins.Add(key);
            }

            if (final)
            {
                Assert.All(
                    Enumerable.Range(0, state.Threads.Length),
                    thread => Assert.True(machine.IsHalted(state, thread))
                );
                ending.Add(key);
                Outcome outcome = machine.OutcomeOf(state);
                if (test.Filter?.Holds(outcome, test, layout) ?? true)
                {
                    outcomes.Add(outcome);
                }
            }
        }

        // Backwards from the ends.
        var found = new Queue<string>(ending);
        while (found.TryDequeue(out string? state))
        {
            foreach (string origin in comeFrom.GetValueOrDefault(state) ?? [])
            {
                if (ending.Add(origin))
                {
                    found.Enqueue(origin);
                }
            }
        }

        return (outcomes, ending.Count < visited.Count);
    }
}
