using Crosscore.Litmus.Syntax;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Model.Oracle;

/// <summary>Visits every state of the oracle.</summary>
internal static class OracleSearch
{
    /// <summary>The outcomes of a test, filtered or not as the test says; <see langword="null"/> when there are more states than allowed.</summary>
    public static HashSet<Outcome>? Outcomes(LitmusTest test, CoreKind core, int mostStates = 100_000)
    {
        var machine = new OracleMachine(test, core);
        var layout = new MemoryLayout(test.Variables);
        var outcomes = new HashSet<Outcome>();
        var visited = new HashSet<string>();
        var open = new Stack<OracleState>();
        open.Push(machine.InitialState());
        while (open.TryPop(out OracleState? state))
        {
            if (!visited.Add(state.Key()))
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
            }

            if (final)
            {
                Assert.All(Enumerable.Range(0, state.Threads.Length), thread => Assert.True(machine.IsHalted(state, thread)));
                Outcome outcome = machine.OutcomeOf(state);
                if (test.Filter?.Holds(outcome, test, layout) ?? true)
                {
                    outcomes.Add(outcome);
                }
            }
        }

        return outcomes;
    }
}
