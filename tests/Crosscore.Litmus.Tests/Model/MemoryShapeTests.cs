using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Isa.X86_64.Oracle;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>Large arrays, accesses that overlap in part, and accesses that no processor makes as one.</summary>
public class MemoryShapeTests
{
    [Theory]
    [InlineData("int t[80]", 316)]
    [InlineData("uint64_t t[10]; int8_t u[100]", 72)]
    [InlineData("uint64_t t[9]; int y", 64)]
    public void Store_buffering_shows_far_behind_the_sixty_third_cell(string declaration, int offset)
    {
        // The sets of cells of the reductions have 64 bits; those behind share the last one.
        int first = offset;
        int second = offset - 4;
        string extra = declaration.Contains("[9]", StringComparison.Ordinal) ? "movb $0,1(t)" : "nop";
        ModelVerdict verdict = TestOutcomes.Explore(
            $$"""
            X86_64 Far
            { {{declaration}}; }
            P0 | P1 ;
            {{extra}} | nop ;
            movl $1,{{first}}(t) | movl $1,{{second}}(t) ;
            movl {{second}}(t),%eax | movl {{first}}(t),%eax ;
            exists (0:rax=0 /\ 1:rax=0)
            """
        );
        Assert.True(verdict.Holds);
        Assert.Equal(4, verdict.Allowed.Count);
    }

    [Theory]
    [InlineData("movb $0xAA,1(x)", "movl (x),%eax", "0x0403AA01")]
    [InlineData("movw $0xBBAA,2(x)", "movq (x),%rax", "0x08070605BBAA0201")]
    [InlineData("movl $0x44332211,2(x)", "movw 4(x),%ax", "0x4433")]
    [InlineData("movl $0x44332211,2(x)", "movw 5(x),%ax", "0x0744")]
    [InlineData("movq %rbx,(x)", "movb 7(x),%al", "0x11")]
    public void A_load_takes_from_the_waiting_store_what_that_has_and_the_rest_from_memory(
        string store,
        string load,
        string value
    )
    {
        ModelVerdict verdict = TestOutcomes.Explore(
            $$"""
            X86_64 Partial
            { uint64_t x=0x0807060504030201; uint64_t 0:rax; 0:rbx=0x1122334455667788; }
            P0 ;
            {{store}} ;
            {{load}} ;
            forall (0:rax={{value}})
            """
        );
        Assert.True(verdict.Holds);
    }

    [Fact]
    public void The_newest_of_several_waiting_stores_gives_each_byte()
    {
        const string Text = """
            X86_64 Newest
            { uint64_t x; uint64_t 0:rax; uint64_t 0:rbx; }
            P0 | P1 ;
            movl $0x11111111,(x) | movq (x),%rax ;
            movw $0x2222,1(x) | ;
            movb $0x33,2(x) | ;
            movq (x),%rax | ;
            movw 2(x),%bx | ;
            locations [1:rax]
            forall (0:rax=0x11332211 /\ 0:rbx=0x1133)
            """;
        ModelVerdict verdict = TestOutcomes.Explore(Text);
        Assert.True(verdict.Holds);
        TestOutcomes.AssertEqual(verdict, OracleSearch.Outcomes(TestOutcomes.Parse(Text), CoreKind.X86Tso)!);

        // 0, the first store, the first two, all three: each store reaches memory as one.
        Assert.Equal(4, verdict.Allowed.Count);
    }

    [Theory]
    [InlineData("movl 5(t),%eax", "leaves its region or its 8 aligned bytes")]
    [InlineData("movq 4(t),%rax", "leaves its region or its 8 aligned bytes")]
    [InlineData("movl %eax,6(t)", "leaves its region or its 8 aligned bytes")]
    [InlineData("movl (%rsi),%eax", "outside of the memory of the program")]
    [InlineData("movl (%rdi),%eax", "outside of the memory of the program")]
    [InlineData("movl 64(%r8),%eax", "whose address the program never took")]
    public void An_access_that_is_not_one_access_or_hits_no_memory_is_refused_in_words(
        string instruction,
        string message
    )
    {
        string text = $$"""
            X86_64 Bad
            { uint64_t t[4]; y; 0:rdi=7; 0:r8=u; u; v; 1:rax=1; }
            P0 | P1 ;
            {{instruction}} | movl $1,(v) ;
            forall true
            """;
        LitmusException exception = Assert.Throws<LitmusException>(() => TestOutcomes.Explore(text));
        Assert.Contains(message, exception.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pointer_that_travels_through_memory_reaches_what_it_points_to()
    {
        ModelVerdict verdict = TestOutcomes.Explore(
            """
            X86_64 Publish
            { p=x; x=1; y=0; }
            P0 | P1 ;
            movl $2,(y) | movq (p),%rsi ;
            movq $y,%rax | movl (%rsi),%ebx ;
            movq %rax,(p) | ;
            exists (1:rsi=y /\ 1:rbx!=2)
            """
        );
        Assert.False(verdict.Holds);
        Assert.Equal(["1:rbx=1; 1:rsi=x;", "1:rbx=2; 1:rsi=y;"], TestOutcomes.Of(verdict));
    }

    [Fact]
    public void As_many_states_as_there_are_are_stored_although_their_hashes_meet()
    {
        // Three threads that only count for themselves: every combination of their places is a state, more than 2^18 of
        // them, so that some 32-bit hashes must be equal.
        string rows = string.Concat(Enumerable.Repeat("xorl $1,%eax | xorl $1,%eax | xorl $1,%eax ;\n", 30));
        ModelVerdict verdict = TestOutcomes.Explore(
            $"X86_64 Hash\n{{ }}\nP0 | P1 | P2 ;\n{rows}forall true",
            options: new ExplorationOptions { Reductions = Reductions.None }
        );
        long places = 1 + (30 * verdict.Test.Threads[0].InstructionsAs<X86_64Instruction>().Count / 30 * 4);
        Assert.Equal(places * places * places, verdict.Exploration.States);
    }
}
