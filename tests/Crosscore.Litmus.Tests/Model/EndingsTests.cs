using Crosscore.Litmus.Timelines;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>
/// Whether executions end: a state from which no end can be reached is found, with a shortest trace, with
/// reductions and without; a spin that a step of another thread ends is none. Every test that may hang has a twin that
/// cannot.
/// </summary>
public class EndingsTests
{
    // The flag is set and cleared again; the reader may look too late.
    private const string MissedFlag = """
        X86_64 MissedFlag
        { flag=0; }
         P0             | P1                ;
         movl $1,(flag) | l: movl (flag),%eax ;
         movl $0,(flag) | testl %eax,%eax   ;
                        | je l              ;
        exists (1:rax=1)
        """;

    // The waiter announces itself and looks for work; the waker leaves work and looks for a waiter. Each may miss the
    // other in the store buffers.
    private const string LostWakeUp = """
        X86_64 LostWakeUp
        { waits=0; work=0; woken=0; }
         P0               | P1                ;
         movl $1,(waits)  | movl $1,(work)    ;
         FENCE            | FENCE             ;
         movl (work),%eax | movl (waits),%eax ;
         testl %eax,%eax  | testl %eax,%eax   ;
         jne out          | je out            ;
         l: movl (woken),%ebx | movl $1,(woken) ;
         testl %ebx,%ebx  | out:              ;
         je l             |                   ;
         out:             |                   ;
        exists (0:rax=0 /\ 1:rax=0)
        """;

    // Two locks; the second thread takes them in the order given.
    private const string TwoLocks = """
        X86_64 TwoLocks
        { a=0; b=0; 0:rcx=1; 1:rcx=1; }
         P0                  | P1                  ;
         k: movl $1,%eax     | k: movl $1,%eax     ;
         xchgl %eax,(a)      | xchgl %eax,(FIRST)  ;
         testl %eax,%eax     | testl %eax,%eax     ;
         jne k               | jne k               ;
         l: movl $1,%eax     | l: movl $1,%eax     ;
         xchgl %eax,(b)      | xchgl %eax,(SECOND) ;
         testl %eax,%eax     | testl %eax,%eax     ;
         jne l               | jne l               ;
         movl $0,(b)         | movl $0,(SECOND)    ;
         movl $0,(a)         | movl $0,(FIRST)     ;
        exists (0:rax=0)
        """;

    private const string WeakLostWakeUp = """
        AArch64 LostWakeUp
        { 0:X0=waits; 0:X1=work; 0:X2=woken; 1:X0=waits; 1:X1=work; 1:X2=woken; }
         P0          | P1          ;
         MOV W9,#1   | MOV W9,#1   ;
         STR W9,[X0] | STR W9,[X1] ;
         FENCE       | FENCE       ;
         LDR W3,[X1] | LDR W3,[X0] ;
         CBNZ W3,out | CBZ W3,out  ;
         l:          | STR W9,[X2] ;
         LDR W4,[X2] | out:        ;
         CBZ W4,l    |             ;
         out:        |             ;
        exists (0:X3=0 /\ 1:X3=0)
        """;

    private const string WeakLock = """
        AArch64 WeakLock
        { 0:X0=a; 0:X1=b; 1:X0=FIRST; 1:X1=SECOND; }
         P0              | P1              ;
         MOV W9,#1       | MOV W9,#1       ;
         k:              | k:              ;
         LDAXR W2,[X0]   | LDAXR W2,[X0]   ;
         CBNZ W2,k       | CBNZ W2,k       ;
         STXR W3,W9,[X0] | STXR W3,W9,[X0] ;
         CBNZ W3,k       | CBNZ W3,k       ;
         l:              | l:              ;
         LDAXR W2,[X1]   | LDAXR W2,[X1]   ;
         CBNZ W2,l       | CBNZ W2,l       ;
         STXR W3,W9,[X1] | STXR W3,W9,[X1] ;
         CBNZ W3,l       | CBNZ W3,l       ;
         STLR WZR,[X1]   | STLR WZR,[X1]   ;
         STLR WZR,[X0]   | STLR WZR,[X0]   ;
        exists (0:X2=0)
        """;

    public static TheoryData<string, Endings> Programs =>
        new()
        {
            { Column("movl $1,(flag)"), Endings.Always },
            { Column("movl $1,(other)"), Endings.Never },
            { MissedFlag, Endings.MayHang },
            { MissedFlag.Replace("movl $0,(flag)", "movl $2,(flag)", StringComparison.Ordinal), Endings.Always },
            { LostWakeUp.Replace("FENCE", "nop", StringComparison.Ordinal), Endings.MayHang },
            { LostWakeUp.Replace("FENCE", "mfence", StringComparison.Ordinal), Endings.Always },
            { Order(TwoLocks, "b", "a"), Endings.MayHang },
            { Order(TwoLocks, "a", "b"), Endings.Always },
        };

    public static TheoryData<string, Endings> WeakPrograms =>
        new()
        {
            { WeakColumn("STR W9,[X0]"), Endings.Always },
            { WeakColumn("STR W9,[X1]"), Endings.Never },
            { WeakLostWakeUp.Replace("FENCE", "DMB ST", StringComparison.Ordinal), Endings.MayHang },
            { WeakLostWakeUp.Replace("FENCE", "DMB SY", StringComparison.Ordinal), Endings.Always },
            { Order(WeakLock, "b", "a"), Endings.MayHang },
            { Order(WeakLock, "a", "b"), Endings.Always },
        };

    [Theory]
    [MemberData(nameof(Programs))]
    public void A_program_that_may_hang_is_found_and_its_twin_is_not(string text, Endings expected)
    {
        foreach (Reductions reductions in ReductionCheck.Combinations)
        {
            Exploration exploration = Explore(text, new() { Reductions = reductions });
            Assert.Equal(Bounds.None, exploration.Bounds);
            Assert.Equal(expected, exploration.Endings);
        }
    }

    [Theory]
    [MemberData(nameof(WeakPrograms))]
    public void A_program_that_may_hang_on_a_weak_core_is_found_and_its_twin_is_not(string text, Endings expected)
    {
        foreach (Reductions reductions in (Reductions[])[Reductions.All, Reductions.All & ~Reductions.PromisesFirst])
        {
            Exploration exploration = Explore(text, new() { Reductions = reductions }, CoreKind.AArch64);
            Assert.Equal(Bounds.None, exploration.Bounds);
            Assert.Equal(expected, exploration.Endings);
        }
    }

    [Fact]
    public void A_lost_wake_up_needs_the_store_buffers()
    {
        string text = LostWakeUp.Replace("FENCE", "nop", StringComparison.Ordinal);
        Assert.Equal(Endings.MayHang, TestOutcomes.Explore(text).Exploration.Endings);
        Assert.Equal(Endings.Always, TestOutcomes.Explore(text, CoreKind.Sc).Exploration.Endings);
    }

    [Fact]
    public void The_trace_to_a_hang_is_a_shortest_one()
    {
        // Each thread takes its first lock: two indivisible steps, and no state before is without an end.
        string text = Order(TwoLocks, "b", "a");
        foreach (Reductions reductions in (Reductions[])[Reductions.All, Reductions.LocalFusion])
        {
            Exploration exploration = Explore(text, new() { Reductions = reductions });
            IReadOnlyList<TraceEvent> trace = exploration.ShortestTraceToHang();
            Assert.Equal(2, trace.Max(happened => happened.Step));
            TraceEvent[] taken = [.. trace.Where(happened => happened.Kind == TraceEventKind.AtomicStore)];
            Assert.Equal([0, 1], taken.Select(happened => happened.Cpu).Order());
        }
    }

    [Theory]
    [InlineData("movl $1,(other)", CoreKind.X86Tso)]
    [InlineData("movl $1,(other)", CoreKind.Sc)]
    [InlineData("STR W9,[X1]", CoreKind.AArch64)]
    public void The_trace_to_a_spin_is_no_longer_than_its_loop_and_ends_where_it_spins(string store, CoreKind core)
    {
        string text = core == CoreKind.AArch64 ? WeakColumn(store) : Column(store);
        foreach (Reductions reductions in (Reductions[])[Reductions.All, Reductions.All & ~Reductions.LocalFusion])
        {
            Timeline trace = Timeline.OfHang(TestOutcomes.Explore(text, core, new() { Reductions = reductions }))!;
            Assert.InRange(trace.Rows.Count, 1, 3);
            TimelineRow last = trace.Rows[^1];
            Assert.Equal((1, 1), (last.Lane, last.Task));
            Assert.StartsWith(
                core == CoreKind.AArch64 ? "l: LDR W2,[X0]" : "l: movl (flag),%eax",
                last.Code,
                StringComparison.Ordinal
            );
            Assert.StartsWith("P1 waits at this instruction forever (line ", last.Effect, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_trace_to_a_deadlock_names_what_each_thread_waits_at()
    {
        Timeline trace = Timeline.OfHang(TestOutcomes.Explore(Order(TwoLocks, "b", "a")))!;
        Assert.Equal(
            ["P0 waits at this instruction forever (line 9)", "P1 waits at this instruction forever (line 9)"],
            trace.Rows.TakeLast(2).Select(row => row.Effect)
        );
        Assert.Equal(["xchgl %eax,(b)", "xchgl %eax,(a)"], trace.Rows.TakeLast(2).Select(row => row.Code));
    }

    [Fact]
    public void A_program_without_a_hang_has_no_trace_to_one()
    {
        Exploration exploration = TestOutcomes.Explore(Column("movl $1,(flag)")).Exploration;
        Assert.Throws<InvalidOperationException>(exploration.ShortestTraceToHang);
    }

    [Fact]
    public void Where_the_states_need_the_memory_hangs_are_not_looked_for()
    {
        Exploration whole = TestOutcomes.Explore(MissedFlag).Exploration;
        Exploration bounded = Explore(MissedFlag, new() { MaxBytes = whole.Bytes });
        Assert.Equal(Bounds.None, bounded.Bounds);
        Assert.Equal(Endings.NotLookedFor, bounded.Endings);
        Assert.Equal(whole.States, bounded.States);
    }

    [Fact]
    public void Behind_a_bound_hangs_are_not_looked_for()
    {
        Exploration exploration = Explore(MissedFlag, new() { MaxStates = 3 });
        Assert.Equal(Bounds.States, exploration.Bounds);
        Assert.Equal(Endings.NotLookedFor, exploration.Endings);
        Assert.Equal(Endings.NotLookedFor, Explore(MissedFlag, new() { Endings = false }).Endings);
    }

    [Fact]
    public void Threads_at_work_together_find_the_same_hang()
    {
        string text = Order(TwoLocks, "b", "a");
        Exploration alone = Explore(text, new() { Workers = 1 });
        Exploration together = Explore(text, new() { Workers = 4, LeastShared = 1 });
        Assert.Equal(Endings.MayHang, together.Endings);
        Assert.Equal(alone.ShortestTraceToHang().Select(Plain), together.ShortestTraceToHang().Select(Plain));

        static TraceEvent Plain(TraceEvent happened) => happened with { Cores = [] };
    }

    private static Exploration Explore(string text, ExplorationOptions options, CoreKind core = CoreKind.X86Tso) =>
        TestOutcomes.Explore(text, core, options).Exploration;

    private static string Order(string text, string first, string second) =>
        text.Replace("FIRST", first, StringComparison.Ordinal).Replace("SECOND", second, StringComparison.Ordinal);

    private static string Column(string store) =>
        $"""
            X86_64 Flag
            {"{ flag=0; other=0; }"}
             P0        | P1                  ;
             {store}   | l: movl (flag),%eax ;
                       | testl %eax,%eax     ;
                       | je l                ;
            exists (1:rax=1)
            """;

    private static string WeakColumn(string store) =>
        $"""
            AArch64 Flag
            {"{ 0:X0=flag; 0:X1=other; 1:X0=flag; }"}
             P0        | P1          ;
             MOV W9,#1 | l:          ;
             {store}   | LDR W2,[X0] ;
                       | CBZ W2,l    ;
            exists (1:X2=1)
            """;
}
