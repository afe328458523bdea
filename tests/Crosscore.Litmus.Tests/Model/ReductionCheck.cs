using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>Explores a test with every combination of reductions and compares what must not depend on them.</summary>
internal static class ReductionCheck
{
    // Without the one that concerns AArch64 cores alone.
    public static IEnumerable<Reductions> Combinations =>
        Enumerable.Range(0, (int)Reductions.PromisesFirst).Select(flags => (Reductions)flags);

    public static void AllAgree(LitmusTest test, int mostStates)
    {
        foreach (CoreKind core in new[] { CoreKind.X86Tso, CoreKind.Sc })
        {
            ModelVerdict reference = TestOutcomes.Explore(
                test,
                core,
                new ExplorationOptions { Reductions = Reductions.None, MaxStates = mostStates }
            );
            if (!reference.IsComplete)
            {
                continue;
            }

            var lengths = new Dictionary<Reductions, Dictionary<Outcome, int>>();
            foreach (Reductions reductions in Combinations)
            {
                ModelVerdict verdict = TestOutcomes.Explore(
                    test,
                    core,
                    new ExplorationOptions { Reductions = reductions }
                );
                Assert.Equal(Bounds.None, verdict.Exploration.Bounds);
                TestOutcomes.AssertEqual(verdict, [.. reference.Allowed]);
                Assert.Equal(reference.Exploration.Endings, verdict.Exploration.Endings);
                Assert.True(
                    verdict.Exploration.States <= reference.Exploration.States,
                    $"{reductions} stores {verdict.Exploration.States} states "
                        + $"where no reduction stores {reference.Exploration.States}."
                );
                lengths.Add(
                    reductions,
                    verdict.Allowed.ToDictionary(outcome => outcome, outcome => Steps(verdict, outcome))
                );
            }

            // Where fences are demanded, whether a store into the thread's buffer is a separate step depends on which
            // threads may still demand one.
            if (
                test.Threads.Any(thread =>
                    thread
                        .InstructionsAs<X86_64Instruction>()
                        .Any(instruction => instruction.Opcode == X86_64Opcode.Membarrier)
                )
            )
            {
                continue;
            }

            // Only where local steps are fused is a step one of memory; elsewhere the search counts them all, and its
            // way may take more of memory.
            foreach (Outcome outcome in reference.Allowed)
            {
                int shortest = lengths[Reductions.LocalFusion][outcome];
                foreach (Reductions reductions in Combinations)
                {
                    int length = lengths[reductions][outcome];
                    bool right = reductions.HasFlag(Reductions.LocalFusion) ? length == shortest : length >= shortest;
                    Assert.True(
                        right,
                        $"{core}: {reductions} takes {length} steps of memory to "
                            + $"{outcome.Describe(test, reference.Layout)}, fusion alone {shortest}."
                    );
                }
            }
        }
    }

    // Fused, every step has an event; otherwise only those that touch memory do, so that this may be less than the
    // whole way.
    private static int Steps(ModelVerdict verdict, Outcome outcome) =>
        verdict.ShortestTraceTo(outcome).Select(happened => happened.Step).Where(step => step > 0).Distinct().Count();
}
