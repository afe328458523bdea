using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Isa.X86_64.Oracle;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>
/// Protocols with a fence here and there, and for each that holds the control that shows what the fence was for.
/// </summary>
public class ProtocolTests
{
    private const string Barrier = "membarrier private_expedited";

    [Theory]
    [InlineData("", "", true)]
    [InlineData("mfence", "", true)]
    [InlineData("", "mfence", true)]
    [InlineData("mfence", "mfence", false)]
    [InlineData("sfence", "sfence", true)]
    [InlineData("lfence", "lfence", true)]
    [InlineData("lock; addl $0,(z)", "mfence", false)]
    [InlineData("lock; addl $0,(z)", "", true)]
    [InlineData("addl $0,(z)", "mfence", true)]
    [InlineData("xchgl %ebx,(z)", "mfence", false)]
    [InlineData("xchgl %ebx,%ecx", "mfence", true)]
    [InlineData("lock; cmpxchgl %ebx,(z)", "mfence", false)]
    [InlineData("cmpxchgl %ebx,(z)", "mfence", true)]
    [InlineData("lock; xaddl %ebx,(z)", "mfence", false)]
    [InlineData(Barrier, "", false)]
    [InlineData("", Barrier, false)]
    [InlineData(Barrier, Barrier, false)]
    [InlineData("membarrier global", "", false)]
    [InlineData("membarrier global_expedited", "", false)]
    [InlineData("membarrier private_expedited_sync_core", "", false)]
    [InlineData("membarrier private_expedited_rseq", "", true)]
    [InlineData("membarrier private_expedited_rseq", "mfence", true)]
    public void Store_buffering_shows_unless_both_sides_are_ordered(string left, string right, bool shows)
    {
        string text = $$"""
            X86_64 SB
            { }
            P0 | P1 ;
            movl $1,(x) | movl $1,(y) ;
            {{left}} | {{right}} ;
            movl (y),%eax | movl (x),%eax ;
            exists (0:rax=0 /\ 1:rax=0)
            """;
        ModelVerdict weak = TestOutcomes.Explore(text);
        Assert.Equal(shows, weak.Holds);
        Assert.Equal(shows ? 4 : 3, weak.Allowed.Count);

        // Lamport's machine never shows it, fence or none; and x86 shows everything that his does.
        ModelVerdict strong = TestOutcomes.Explore(text, CoreKind.Sc);
        Assert.False(strong.Holds);
        Assert.Subset(weak.Allowed.ToHashSet(), strong.Allowed.ToHashSet());
    }

    [Theory]
    [InlineData("membarrier private_expedited | movl $1,(y) ; movl (y),%eax | movl (x),%eax", "0:rax=0 /\\ 1:rax=1")]
    [InlineData("membarrier private_expedited | ; movl (y),%eax | movl $1,(y)", "0:rax=0")]
    [InlineData("membarrier private_expedited | movl $1,(y) ; movl (y),%eax | movl $1,(y)", "0:rax=0")]
    public void A_store_may_come_after_the_whole_barrier_of_another_thread(string rows, string condition)
    {
        string text = $$"""
            X86_64 LateStore
            { }
            P0 | P1 ;
            movl $1,(x) | ;
            {{rows}} ;
            exists ({{condition}})
            """;
        Assert.True(TestOutcomes.Explore(text).Holds);
        Assert.True(TestOutcomes.Explore(text, CoreKind.Sc).Holds);
    }

    [Fact]
    public void The_late_store_test_of_the_project_shows_its_outcome_with_all_reductions_and_with_none()
    {
        string file = Path.Combine(
            Corpus.Repository,
            "litmus",
            "membarrier",
            "StoreBuffering.Membarrier.LateStore.litmus"
        );
        LitmusTest test = LitmusParser.Parse(File.ReadAllText(file), file);
        foreach (Reductions reductions in new[] { Reductions.All, Reductions.None })
        {
            ModelVerdict verdict = TestOutcomes.Explore(
                test,
                CoreKind.X86Tso,
                new ExplorationOptions { Reductions = reductions }
            );
            Assert.Equal(Frequency.Sometimes, verdict.Frequency);
            Assert.Equal(["0:rax=0; 1:rax=1;", "0:rax=1; 1:rax=0;", "0:rax=1; 1:rax=1;"], TestOutcomes.Of(verdict));
        }
    }

    [Theory]
    [InlineData("membarrier private_expedited", false)]
    [InlineData("", true)]
    public void A_barrier_makes_a_store_that_was_issued_before_it_reach_memory(string barrier, bool shows)
    {
        // P1 read z before P0's exchange, so P1's store was issued before P0's barrier began, and has reached memory
        // when it returns.
        ModelVerdict verdict = TestOutcomes.Explore(
            $$"""
            X86_64 TwoStores
            { 0:rcx=1; }
            P0 | P1 ;
            xchgl %ecx,(z) | movl $1,(x) ;
            {{barrier}} | movl (z),%ebx ;
            movl (x),%eax | ;
            exists (0:rax=0 /\ 1:rbx=0)
            """
        );
        Assert.Equal(shows, verdict.Holds);
    }

    [Fact]
    public void A_store_may_come_after_a_barrier_that_waits_for_two_earlier_ones()
    {
        // P1 has two stores waiting when P0's barrier begins (1:rbx=0), the first of which reaches memory only after P2
        // looked (2:rax=0), which did so after the barrier began (0:rax=0); P1's third store comes after the barrier
        // (0:rcx=0). It must not slip into the buffer while the barrier waits for the second.
        const string Text = """
            X86_64 TwoWaiting
            { 0:rdx=1; }
            P0 | P1 | P2 ;
            xchgl %edx,(w) | movl $1,(x) | movl $1,(b) ;
            membarrier private_expedited | movl $1,(z) | movl (x),%eax ;
            movl (b),%eax | movl (w),%ebx | ;
            movl (y),%ecx | movl $1,(y) | ;
            exists (1:rbx=0 /\ 2:rax=0 /\ 0:rax=0 /\ 0:rcx=0)
            """;
        Assert.True(TestOutcomes.Explore(Text).Holds);
        TestOutcomes.AssertEqual(
            TestOutcomes.Explore(Text),
            OracleSearch.Outcomes(TestOutcomes.Parse(Text), CoreKind.X86Tso)!
        );
    }

    [Theory]
    [InlineData("incl (x)", false)]
    [InlineData("addl $1,(x)", false)]
    [InlineData("xaddl %ebx,(x)", false)]
    [InlineData("cmpxchgl %ebx,(x)", false)]
    public void A_demanded_fence_does_not_fall_inside_of_an_instruction(string instruction, bool shows)
    {
        // To end with P0's store seen by P0 behind the barrier, P1 must have read x before that store and write it
        // after the barrier: one instruction would have been interrupted between its load and its store.
        string text = $$"""
            X86_64 Inside
            { x=0; 1:rbx=1; }
            P0 | P1 ;
            movl $5,(x) | {{instruction}} ;
            membarrier private_expedited | ;
            movl (x),%eax | ;
            exists (0:rax=5 /\ [x]=1)
            """;
        Assert.Equal(shows, TestOutcomes.Explore(text).Holds);
        Assert.Equal(shows, TestOutcomes.Explore(text, CoreKind.Sc).Holds);
        Assert.True(
            TestOutcomes.Explore(text.Replace("membarrier private_expedited", "mfence", StringComparison.Ordinal)).Holds
        );
    }

    [Theory]
    [InlineData("movl $1,(y)", "movl (y),%eax", true)]
    public void Message_passing_needs_no_fence(string publish, string observe, bool always)
    {
        ModelVerdict verdict = TestOutcomes.Explore(
            $$"""
            X86_64 MP
            { }
            P0 | P1 ;
            movl $1,(x) | {{observe}} ;
            {{publish}} | movl (x),%ebx ;
            forall (1:rax=1 => 1:rbx=1)
            """
        );
        Assert.Equal(always, verdict.Holds);
        Assert.Equal(3, verdict.Allowed.Count);
    }

    [Fact]
    public void Three_threads_with_two_barriers_at_once_pass_them_in_turn()
    {
        ModelVerdict verdict = TestOutcomes.Explore(
            """
            X86_64 Three
            { }
            P0 | P1 | P2 ;
            movl $1,(x) | movl $1,(y) | movl $1,(z) ;
            membarrier private_expedited | membarrier global | ;
            movl (y),%eax | movl (z),%eax | movl (x),%eax ;
            exists (0:rax=0 /\ 1:rax=0 /\ 2:rax=0)
            """
        );
        Assert.False(verdict.Holds);
        Assert.Equal(7, verdict.Allowed.Count);
    }
}
