using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>What an exploration says when it cannot see everything, and what ends although it loops.</summary>
public class BoundsTests
{
    // Enough states for every bound to be met on the way.
    private const string Large = """
        X86_64 Large
        { }
        P0 | P1 | P2 ;
        movl $1,(x) | movl $1,(y) | movl $1,(z) ;
        movl (y),%eax | movl (z),%eax | movl (x),%eax ;
        movl $2,(x) | movl $2,(y) | movl $2,(z) ;
        movl (y),%ebx | movl (z),%ebx | movl (x),%ebx ;
        movl $3,(x) | movl $3,(y) | movl $3,(z) ;
        movl (y),%ecx | movl (z),%ecx | movl (x),%ecx ;
        exists (0:rax=0 /\ 1:rax=0 /\ 2:rax=0 /\ 0:rbx=0 /\ 1:rbx=0 /\ 2:rbx=0 /\ 0:rcx=0 /\ 1:rcx=0 /\ 2:rcx=0)
        """;

    [Theory]
    [InlineData("", Bounds.Buffer)]
    [InlineData("mfence", Bounds.None)]
    [InlineData("lock; incl (z)", Bounds.None)]
    [InlineData("sfence", Bounds.Buffer)]
    [InlineData("incl (z)", Bounds.Buffer)]
    public void A_loop_that_stores_reports_the_bound_on_waiting_stores_unless_it_passes_a_fence(
        string fence,
        Bounds expected
    )
    {
        string text = $$"""
            X86_64 Loop
            { z=0; y=0; }
            P0 | P1 ;
            L: movl $1,(x) | movl (x),%eax ;
            {{fence.Replace("incl", "xorl $1,", StringComparison.Ordinal).Replace(
                ", (",
                ",(",
                StringComparison.Ordinal
            )}} | movl $1,(y) ;
            cmpl $0,(y) | ;
            je L | ;
            exists (1:rax=1)
            """;
        ModelVerdict verdict = TestOutcomes.Explore(text, options: new ExplorationOptions { BufferBound = 3 });
        Assert.Equal(expected, verdict.Exploration.Bounds);
        Assert.True(verdict.Holds);
        Assert.Equal(expected == Bounds.None, verdict.IsComplete);
        Assert.True(verdict.IsFinal);
    }

    [Theory]
    [InlineData("mfence")]
    [InlineData("xchgl %eax,(z)")]
    public void A_loop_with_a_fence_has_room_for_the_stores_of_one_round_and_no_more(string fence)
    {
        string text =
            $"X86_64 Loop\n{{ }}\nP0 ;\nL: movl $1,(x) ;\nmovl $2,(x) "
            + $";\n{fence} ;\ncmpl $0,(y) ;\njne L ;\nforall true";
        int Bits(int bound) =>
            TestOutcomes.Explore(text, options: new ExplorationOptions { BufferBound = bound }).Exploration.StateBits;
        Assert.Equal(Bits(1), Bits(60));
    }

    [Fact]
    public void More_stores_than_the_bound_are_no_bound_where_the_program_itself_ends()
    {
        string stores = string.Join('\n', Enumerable.Range(1, 12).Select(value => $"movl ${value},(x) | ;"));
        ModelVerdict verdict = TestOutcomes.Explore(
            $"X86_64 Many\n{{ }}\nP0 | P1 ;\n{stores}\n | movl (x),%eax ;\nforall true",
            options: new ExplorationOptions { BufferBound = 1 }
        );
        Assert.True(verdict.IsComplete);
        Assert.Equal(
            13,
            TestOutcomes
                .Explore($"X86_64 Many\n{{ }}\nP0 | P1 ;\n{stores}\n | movl (x),%eax ;\nlocations [1:rax]\nforall true")
                .Allowed.Count
        );
    }

    [Fact]
    public void More_stores_than_states_have_room_for_are_a_bound()
    {
        string stores = string.Join('\n', Enumerable.Range(1, 70).Select(_ => "movl $1,(x) | ;"));
        ModelVerdict verdict = TestOutcomes.Explore(
            $"X86_64 Many\n{{ }}\nP0 | P1 ;\n{stores}\n | movl (x),%eax ;\nexists (1:rax=1)"
        );
        Assert.Equal(Bounds.Buffer, verdict.Exploration.Bounds);
        Assert.Equal(
            Frequency.Sometimes,
            TestOutcomes
                .Explore(
                    $"X86_64 Many\n{{ }}\nP0 | P1 ;\n{stores}\n | movl (x),%eax ;\nlocations [1:rax]\nexists (1:rax=1)"
                )
                .Frequency
        );
    }

    [Fact]
    public void A_bound_on_states_ends_the_exploration_and_keeps_what_was_found()
    {
        ModelVerdict whole = TestOutcomes.Explore(Large);
        Assert.True(whole.IsComplete);
        var options = new ExplorationOptions { MaxStates = (int)whole.Exploration.States - (whole.Allowed.Count / 2) };
        ModelVerdict part = TestOutcomes.Explore(Large, options: options);
        Assert.Equal(Bounds.States, part.Exploration.Bounds);
        Assert.Equal(options.MaxStates, part.Exploration.States);
        Assert.NotEmpty(part.Allowed);
        Assert.ProperSubset(whole.Allowed.ToHashSet(), part.Allowed.ToHashSet());
        Assert.Equal(part.Holds, part.IsFinal);
        foreach (Outcome outcome in part.Allowed.Take(3))
        {
            TraceReplay.AssertLegal(part, outcome);
        }
    }

    [Fact]
    public void As_many_states_as_the_program_has_are_no_bound()
    {
        ModelVerdict whole = TestOutcomes.Explore(Large);
        ModelVerdict exact = TestOutcomes.Explore(
            Large,
            options: new ExplorationOptions { MaxStates = (int)whole.Exploration.States }
        );
        Assert.Equal(Bounds.None, exact.Exploration.Bounds);
        Assert.Equal(TestOutcomes.Of(whole), TestOutcomes.Of(exact));
    }

    [Fact]
    public void A_bound_on_memory_is_kept_and_reported()
    {
        ModelVerdict whole = TestOutcomes.Explore(Large);
        var options = new ExplorationOptions { MaxBytes = whole.Exploration.Bytes / 2 };
        ModelVerdict part = TestOutcomes.Explore(Large, options: options);
        Assert.Equal(Bounds.Memory, part.Exploration.Bounds);
        Assert.True(part.Exploration.Bytes <= options.MaxBytes);
        Assert.Subset(whole.Allowed.ToHashSet(), part.Allowed.ToHashSet());
    }

    [Fact]
    public void Canceling_ends_the_exploration_with_an_answer_and_progress_was_told()
    {
        using var source = new CancellationTokenSource();
        var reports = new List<ExplorationProgress>();
        var progress = new Immediate(report =>
        {
            reports.Add(report);
            source.Cancel();
        });
        var options = new ExplorationOptions { Reductions = Reductions.None };
        ModelVerdict verdict = ModelVerdict.Of(
            TestOutcomes.Parse(Large),
            CoreKind.X86Tso,
            options,
            null,
            progress,
            source.Token
        );
        Assert.Equal(Bounds.Canceled, verdict.Exploration.Bounds);
        ExplorationProgress first = Assert.Single(reports);
        Assert.True(first.States >= first.Frontier && first.Frontier > 0 && first.Depth > 0);
    }

    [Theory]
    [InlineData("L: jmp L | movl $1,(x)")]
    [InlineData("L: xorl $1,%eax ; jmp L | movl $1,(x)")]
    [InlineData("L: movl (x),%eax ; cmpl $7,%eax ; jne L | movl $1,(x)")]
    [InlineData("L: mfence ; jmp L | movl $1,(x)")]
    public void A_program_that_never_ends_has_no_final_states_and_is_still_explored_to_the_end(string rows)
    {
        string text = "X86_64 Endless\n{ }\nP0 | P1 ;\n" + string.Join('\n', Rows(rows)) + "\nexists (x=1)";
        foreach (Reductions reductions in ReductionCheck.Combinations)
        {
            ModelVerdict verdict = TestOutcomes.Explore(
                text,
                options: new ExplorationOptions { Reductions = reductions }
            );
            Assert.True(verdict.IsComplete);
            Assert.Empty(verdict.Allowed);
            Assert.Equal(Frequency.Never, verdict.Frequency);
        }
    }

    [Fact]
    public void A_long_computation_of_one_thread_alone_ends_with_its_result()
    {
        // 5,000 rounds are many more operations than one step takes in.
        ModelVerdict verdict = TestOutcomes.Explore(
            """
            X86_64 Count
            { 0:rcx=5000; }
            P0 ;
            L: addl $3,%eax ;
            decl %ecx ;
            jne L ;
            movl %eax,(x) ;
            forall (x=15000 /\ 0:rax=15000 /\ 0:rcx=0)
            """
        );
        Assert.True(verdict.IsComplete);
        Assert.True(verdict.Holds);
        Assert.Single(verdict.Allowed);
    }

    [Fact]
    public void Two_counters_meet_every_sum_although_states_had_to_be_widened_on_the_way()
    {
        const string Text = """
            X86_64 Counters
            { 0:rcx=24; 1:rcx=24; }
            P0 | P1 ;
            L: incl (x) | L: incl (x) ;
            mfence | mfence ;
            decl %ecx | decl %ecx ;
            jne L | jne L ;
            locations [x]
            forall true
            """;
        ModelVerdict verdict = TestOutcomes.Explore(Text);
        Assert.True(verdict.IsComplete);

        // The classic: lost updates leave anything from 2 to 48.
        Assert.Equal(
            Enumerable.Range(2, 47).Select(sum => $"[x]={sum};").Order(StringComparer.Ordinal),
            TestOutcomes.Of(verdict)
        );
    }

    [Fact]
    public void A_loop_that_counts_forever_is_refused_in_words()
    {
        LitmusException exception = Assert.Throws<LitmusException>(() =>
            TestOutcomes.Explore(
                """
                X86_64 Forever
                { }
                P0 ;
                L: incq %rax ;
                jmp L ;
                forall true
                """
            )
        );
        Assert.Contains("different values", exception.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    public void A_program_without_threads_or_with_too_many_is_refused_in_words(int threads)
    {
        var program = new ModelProgram
        {
            Memory = [],
            Observations = [],
            Threads = [.. Enumerable.Range(0, threads).Select(_ => new ThreadCode { Ops = [], InitialRegisters = [] })],
        };
        ModelException exception = Assert.Throws<ModelException>(() =>
            Explorer.Explore(program, cancellation: TestContext.Current.CancellationToken)
        );
        Assert.Contains($"{threads} threads", exception.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Rows(string rows)
    {
        string[] columns = rows.Split('|');
        string[] left = columns[0].Split(';');
        for (int row = 0; row < left.Length; row++)
        {
            yield return $"{left[row]} | {(row == 0 ? columns[1] : "")} ;";
        }
    }

    private sealed class Immediate(Action<ExplorationProgress> report) : IProgress<ExplorationProgress>
    {
        public void Report(ExplorationProgress value) => report(value);
    }
}
