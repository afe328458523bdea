using System.Text;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Isa.X86_64;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model;
using Crosscore.Model.Exploration;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Tests.Explorations;

/// <summary>
/// The result of an exploration does not depend on the number of threads: not the outcomes, their order, the counts,
/// the bounds or the ways.
/// </summary>
public class WorkersTests
{
    [Fact]
    public void Public_tests_give_the_same_result_with_two_threads()
    {
        foreach (LitmusTest test in Corpus.All())
        {
            AssertSame(test, new ExplorationOptions { LeastShared = 8 }, 2);
        }
    }

    // Some of those with pointers fail, and have to fail in the same way.
    [Theory]
    [InlineData(Ingredients.Plain)]
    [InlineData(Ingredients.MixedSizes)]
    [InlineData(Ingredients.Loops)]
    [InlineData(Ingredients.Membarrier)]
    [InlineData(Ingredients.Pointers)]
    public void Random_programs_give_the_same_result_with_three_threads(Ingredients ingredients)
    {
        for (int seed = 0; seed < 30; seed++)
        {
            AssertSame(
                RandomProgram.Make(seed, ingredients).Parse(),
                new ExplorationOptions { LeastShared = 32, Reductions = Reductions.None },
                3
            );
        }
    }

    // States of one, two, three and more words; with the ordinary threshold and layers above it.
    [Theory]
    [InlineData(2, 3)]
    [InlineData(3, 3)]
    [InlineData(2, 5)]
    [InlineData(4, 2)]
    [InlineData(5, 2)]
    public void Store_buffering_of_any_width_gives_the_same_result_with_any_number_of_threads(
        int threads,
        int rounds
    ) => AssertSame(StoreBuffering(threads, rounds), new ExplorationOptions { MaxStates = 300_000 }, 2, 3);

    [Fact]
    public void A_bound_on_states_cuts_at_the_same_state()
    {
        LitmusTest test = StoreBuffering(3, 3);
        for (int most = 1; most < 60_000; most = (most * 3) + 1)
        {
            Exploration exploration = AssertSame(
                test,
                new ExplorationOptions { MaxStates = most, LeastShared = 64 },
                2,
                3
            )!;
            Assert.Equal(Bounds.States, exploration.Bounds);
            Assert.Equal(most, exploration.States);
        }
    }

    [Fact]
    public void A_bound_on_bytes_is_kept_and_cuts_at_the_same_state()
    {
        foreach (LitmusTest test in (LitmusTest[])[StoreBuffering(3, 3), StoreBuffering(5, 2)])
        {
            for (long most = 50_000; most < 2_000_000; most = most * 3 / 2)
            {
                Exploration exploration = AssertSame(
                    test,
                    new ExplorationOptions { MaxBytes = most, LeastShared = 64 },
                    2,
                    3
                )!;
                Assert.Equal(Bounds.Memory, exploration.Bounds);
                Assert.InRange(exploration.Bytes, 0, most);
            }
        }
    }

    [Fact]
    public void Values_that_only_turn_up_on_the_way_are_numbered_in_the_same_order()
    {
        // Every interleaving of the additions computes different sums.
        LitmusTest test = TestOutcomes.Parse(
            """
            X86_64 Sums
            { }
             P0                | P1                | P2                 ;
             lock addl $1,(x)  | lock addl $16,(x) | lock addl $256,(x) ;
             lock addl $2,(x)  | lock addl $32,(x) | lock addl $512,(x) ;
             lock addl $4,(x)  | lock addl $64,(x) | lock addl $777,(x) ;
             movl (x),%eax     | movl (x),%eax     | movl (x),%eax      ;
            exists (0:rax=0)
            """
        );
        Exploration exploration = AssertSame(test, new ExplorationOptions { LeastShared = 2 }, 2, 3)!;
        Assert.InRange(exploration.FinalStates.Count, 10, int.MaxValue);
    }

    [Fact]
    public void Cancellation_ends_all_threads()
    {
        using var cancellation = new CancellationTokenSource();
        var reports = new List<ExplorationProgress>();
        Exploration exploration = Explorer.Explore(
            LoweredTest.Of(StoreBuffering(3, 4)).Program,
            options: new ExplorationOptions { Workers = 3 },
            progress: new Watcher(report =>
            {
                reports.Add(report);
                cancellation.Cancel();
            }),
            cancellation: cancellation.Token
        );
        Assert.Equal(Bounds.Canceled, exploration.Bounds & Bounds.Canceled);
        Assert.Single(reports);
        Assert.InRange(reports[0].Frontier, 1, reports[0].States - 1);
    }

    // The exploration by one thread; null when it failed, as it did then with the others.
    private static Exploration? AssertSame(LitmusTest test, ExplorationOptions options, params int[] numbersOfWorkers)
    {
        (Exploration? alone, string expected) = Explore(test, options with { Workers = 1 });
        foreach (int workers in numbersOfWorkers)
        {
            (_, string result) = Explore(test, options with { Workers = workers });
            if (result != expected)
            {
                Assert.Fail($"{test.File}: with {workers} threads\n{result}\nand with one\n{expected}");
            }
        }

        return alone;
    }

    private static (Exploration? Exploration, string Text) Explore(LitmusTest test, ExplorationOptions options)
    {
        try
        {
            Exploration exploration = Explorer.Explore(
                LoweredTest.Of(test).Program,
                options: options,
                cancellation: TestContext.Current.CancellationToken
            );
            return (exploration, Tell(exploration));
        }
        catch (ModelException failure)
        {
            return (null, failure.Message);
        }
    }

    private static string Tell(Exploration exploration)
    {
        var text = new StringBuilder();
        text.AppendLine(
            $"{exploration.States} states, {exploration.Transitions} steps, "
                + $"depth {exploration.Depth}, {exploration.StuckStates} stuck"
        );
        text.AppendLine(
            $"{exploration.Bounds}, {exploration.StateBits} bits, {exploration.FinalStates.Count} outcomes"
        );
        foreach (FinalState final in exploration.FinalStates)
        {
            text.AppendLine($"{final.IsUndefined} {string.Join(' ', final.Values)}");
        }

        // A way is found by searching layers again: two of them, the nearest and the farthest.
        foreach (FinalState final in exploration.FinalStates.Take(1).Concat(exploration.FinalStates.TakeLast(1)))
        {
            foreach (TraceEvent happened in exploration.ShortestTraceTo(final))
            {
                text.AppendLine(
                    $"{happened.Step} {happened.Cpu} {happened.Kind} "
                        + $"{happened.Source} {happened.Address} {happened.Value}"
                );
            }
        }

        return text.ToString();
    }

    private static LitmusTest StoreBuffering(int threads, int rounds)
    {
        string[] registers = ["eax", "ebx", "ecx", "edx", "esi"];
        string[] observed = ["rax", "rbx", "rcx", "rdx", "rsi"];
        string[] locations = ["x", "y", "z", "w", "v"];
        var text = new StringBuilder($"X86_64 SB{threads}x{rounds}\n{{ }}\n");
        text.Append(string.Join('|', Enumerable.Range(0, threads).Select(thread => $" P{thread} "))).AppendLine(";");
        for (int round = 0; round < rounds; round++)
        {
            text.Append(
                    string.Join(
                        '|',
                        Enumerable.Range(0, threads).Select(thread => $" movl ${round + 1},({locations[thread]}) ")
                    )
                )
                .AppendLine(";");
            text.Append(
                    string.Join(
                        '|',
                        Enumerable
                            .Range(0, threads)
                            .Select(thread => $" movl ({locations[(thread + 1) % threads]}),%{registers[round]} ")
                    )
                )
                .AppendLine(";");
        }

        IEnumerable<string> all = Enumerable
            .Range(0, threads)
            .SelectMany(thread => observed.Take(rounds).Select(register => $"{thread}:{register};"));
        text.AppendLine($"locations [{string.Concat(all)}]").AppendLine("exists (0:rax=0)");
        return TestOutcomes.Parse(text.ToString());
    }

    private sealed class Watcher(Action<ExplorationProgress> report) : IProgress<ExplorationProgress>
    {
        public void Report(ExplorationProgress value) => report(value);
    }
}
