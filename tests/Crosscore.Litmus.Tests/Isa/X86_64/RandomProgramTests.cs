using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Isa.X86_64.Oracle;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using FsCheck;
using FsCheck.Fluent;
using Outcome = Crosscore.Litmus.Outcomes.Outcome;

namespace Crosscore.Litmus.Tests.Isa.X86_64;

/// <summary>
/// The model against the oracle, and against itself with its reductions switched off, on random programs.
/// </summary>
public class RandomProgramTests
{
    // Fixed, so that every run checks the same programs; a failure names its program's own seed and prints the program,
    // shrunk.
    private const ulong Seed = 20_241;
    private const ulong Gamma = 7;

    [Theory]
    [InlineData(Ingredients.Plain, 300)]
    [InlineData(Ingredients.MixedSizes, 300)]
    [InlineData(Ingredients.Loops, 150)]
    [InlineData(Ingredients.Pointers, 200)]
    [InlineData(Ingredients.Membarrier, 800)]
    [InlineData(Ingredients.Membarrier | Ingredients.Loops, 300)]
    [InlineData(Ingredients.Membarrier | Ingredients.MixedSizes, 300)]
    public void Final_states_are_those_of_the_oracle(Ingredients ingredients, int count)
    {
        int compared = 0;
        int hanging = 0;
        ForAll(
            ingredients,
            count,
            program =>
            {
                LitmusTest test = program.Parse();
                foreach (CoreKind core in new[] { CoreKind.X86Tso, CoreKind.Sc })
                {
                    if (OracleSearch.Explore(test, core, mostStates: 30_000) is not var (expected, mayHang))
                    {
                        continue;
                    }

                    compared++;
                    ModelVerdict verdict = TestOutcomes.Explore(test, core);
                    Assert.Equal(Bounds.None, verdict.Exploration.Bounds);
                    TestOutcomes.AssertEqual(verdict, expected);
                    hanging += mayHang ? 1 : 0;
                    Assert.Equal(
                        !mayHang ? Endings.Always
                            : expected.Count == 0 ? Endings.Never
                            : Endings.MayHang,
                        verdict.Exploration.Endings
                    );
                }
            }
        );

        // Programs with too many states for the oracle are passed over; they must stay the exception.
        Assert.True(compared > count, $"Only {compared} comparisons were made.");
        Assert.Equal(ingredients.HasFlag(Ingredients.Loops), hanging > 0);
    }

    [Theory]
    [InlineData(Ingredients.Plain, 150)]
    [InlineData(Ingredients.MixedSizes, 100)]
    [InlineData(Ingredients.Loops | Ingredients.Pointers, 150)]
    [InlineData(Ingredients.Membarrier, 500)]
    public void Every_combination_of_reductions_finds_the_same(Ingredients ingredients, int count) =>
        ForAll(ingredients, count, program => ReductionCheck.AllAgree(program.Parse(), mostStates: 60_000));

    [Theory]
    [InlineData(Ingredients.Plain, 150)]
    [InlineData(Ingredients.MixedSizes, 80)]
    [InlineData(Ingredients.Membarrier | Ingredients.Loops, 120)]
    public void The_shortest_way_to_each_outcome_is_an_execution_of_the_oracle(Ingredients ingredients, int count) =>
        ForAll(
            ingredients,
            count,
            program =>
            {
                LitmusTest test = program.Parse();
                foreach (CoreKind core in new[] { CoreKind.X86Tso, CoreKind.Sc })
                {
                    ModelVerdict verdict = TestOutcomes.Explore(test, core);
                    foreach (Outcome outcome in verdict.Allowed.Take(20))
                    {
                        TraceReplay.AssertLegal(verdict, outcome);
                    }
                }
            }
        );

    private static void ForAll(Ingredients ingredients, int count, Action<RandomProgram> check) =>
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(count).WithReplay(Seed, Gamma).WithQuietOnSuccess(true),
            Prop.ForAll(RandomProgram.Arbitrary(ingredients), check)
        );
}
