using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Tests.Isa.X86_64.Oracle;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>
/// Takes the steps of a trace on the oracle: each must be possible there, touch the same memory and see the same value.
/// </summary>
internal static class TraceReplay
{
    // Instructions without an event between two that have one; a trace that needs more is no execution.
    private const int MostSilentSteps = 10_000;

    public static void AssertLegal(ModelVerdict verdict, Outcome outcome)
    {
        var events = new Queue<OracleEvent>();
        var oracle = new OracleMachine(verdict.Test, verdict.Core) { Recorder = events.Enqueue };
        OracleState state = oracle.InitialState();
        foreach (TraceEvent expected in verdict.ShortestTraceTo(outcome))
        {
            if (
                expected.Kind == TraceEventKind.Fence
                && verdict.Test.Threads[expected.Task].InstructionsAs<X86_64Instruction>()[expected.Source].Opcode
                    == X86_64Opcode.Membarrier
            )
            {
                // The caller's own fence: the oracle makes it and the demand one step, at the moment of the demand.
                Assert.Empty(state.Threads[expected.Task].Buffer);
                continue;
            }

            for (int silent = 0; events.Count == 0; silent++)
            {
                Assert.True(silent < MostSilentSteps, $"The oracle never comes to {expected}.");
                bool moved =
                    expected.Kind == TraceEventKind.ReachMemory
                        ? oracle.Drain(state, expected.Task)
                        : oracle.Step(state, expected.Task);
                Assert.True(moved, $"The oracle cannot do {expected}.");
                PassFences(state);
            }

            OracleEvent happened = events.Dequeue();
            Assert.Equal(
                new OracleEvent(expected.Task, expected.Kind, expected.Address, expected.Width, expected.Value),
                happened
            );
        }

        Finish(oracle, state);
        Assert.Empty(events);
        Assert.Equal(
            outcome.Describe(verdict.Test, verdict.Layout),
            oracle.OutcomeOf(state).Describe(verdict.Test, verdict.Layout)
        );
    }

    // A fence that is demanded is passed as soon as it can be: waiting longer never makes an execution possible that
    // was not.
    private static void PassFences(OracleState state)
    {
        for (int demanding = 0; demanding < state.Threads.Length; demanding++)
        {
            foreach (int owing in state.Threads[demanding].Owed?.ToArray() ?? [])
            {
                OracleMachine.PassFence(state, demanding, owing);
            }
        }
    }

    private static void Finish(OracleMachine oracle, OracleState state)
    {
        for (int thread = 0; thread < state.Threads.Length; thread++)
        {
            for (int silent = 0; !oracle.IsHalted(state, thread); silent++)
            {
                Assert.True(
                    silent < MostSilentSteps && oracle.Step(state, thread),
                    $"The trace ends before thread {thread} does."
                );
            }

            Assert.Empty(state.Threads[thread].Buffer);
        }
    }
}
