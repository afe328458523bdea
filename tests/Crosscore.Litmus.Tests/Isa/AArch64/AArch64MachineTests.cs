using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Designs;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Tests.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Programs;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Tests.Isa.AArch64;

/// <summary>The AArch64 machine on our own tests, and broken machines that they notice.</summary>
public class AArch64MachineTests
{
    [Fact]
    public void A_spin_lock_without_unrolling_loses_no_count_and_one_with_a_plain_unlock_does()
    {
        ModelVerdict sound = Explore("SpinLock");
        Assert.Equal(Frequency.Always, sound.Frequency);
        Assert.Equal(Bounds.None, sound.Exploration.Bounds);
        Assert.Equal(Frequency.Sometimes, Explore("SpinLock.PlainUnlock").Frequency);
    }

    [Fact]
    public void Interleaved_a_spin_lock_is_finite_and_has_the_same_outcomes()
    {
        var options = new ExplorationOptions { Reductions = Reductions.All & ~Reductions.PromisesFirst };
        ModelVerdict verdict = Explore("SpinLock.PlainUnlock", options);
        Assert.Equal(Bounds.None, verdict.Exploration.Bounds);
        TestOutcomes.AssertEqual(verdict, [.. Explore("SpinLock.PlainUnlock").Allowed]);
    }

    [Fact]
    public void Without_promises_load_buffering_is_out_of_reach_and_the_result_says_so()
    {
        ModelVerdict verdict = Explore("LoadBuffering", new ExplorationOptions { Promises = false });
        Assert.Equal(Frequency.Never, verdict.Frequency);
        Assert.Equal(Bounds.Promises, verdict.Exploration.Bounds);
        Assert.False(verdict.IsFinal);
        Assert.Equal(Frequency.Sometimes, Explore("LoadBuffering").Frequency);
    }

    [Fact]
    public void A_trace_tells_what_was_promised_and_what_was_read_late()
    {
        ModelVerdict verdict = Explore("MessagePassing");
        IReadOnlyList<TraceEvent> way = verdict.ShortestTraceTo(verdict.Allowed.Single(verdict.IsWitness));
        Assert.Contains(way, happened => happened.Kind == TraceEventKind.Promise);
        Assert.Contains(way, happened => happened.Kind == TraceEventKind.Fulfil);
        Assert.Contains(way, happened => happened.Kind == TraceEventKind.LoadOld);
    }

    // A store may overtake a load that reserves, whether the store that goes with it happens later or never, and a
    // comparison fails or succeeds. DMB ST orders nothing behind one that fails.
    [Theory]
    [InlineData("LDXR W3,[X0]", "", "0:X3=1")]
    [InlineData("CAS W4,W5,[X0]", "", "0:X4=1")]
    [InlineData("CAS W10,W5,[X0]", "", "x=2")]
    [InlineData("CAS W4,W5,[X0]", "DMB ST", "0:X4=1")]
    [InlineData("CAS W6,W5,[X0]", "DMB ST", "0:X6=1")]
    public void A_store_overtakes_a_load_that_reserves(string load, string fence, string seen)
    {
        Assert.Equal(Frequency.Sometimes, ExploreBuffering(load, fence, seen, Reductions.All));
        Assert.Equal(Frequency.Sometimes, ExploreBuffering(load, fence, seen, Interleaved));
    }

    [Theory]
    [InlineData("LDXR W3,[X0]", "DMB LD", "0:X3=1")]
    [InlineData("LDAXR W3,[X0]", "", "0:X3=1")]
    [InlineData("CASA W4,W5,[X0]", "", "0:X4=1")]
    [InlineData("CAS W10,W5,[X0]", "DMB ST", "x=2")]
    public void A_store_does_not_overtake_a_load_that_reserves_and_is_kept_in_order(
        string load,
        string fence,
        string seen
    )
    {
        Assert.Equal(Frequency.Never, ExploreBuffering(load, fence, seen, Reductions.All));
        Assert.Equal(Frequency.Never, ExploreBuffering(load, fence, seen, Interleaved));
    }

    [Fact]
    public void A_store_overtakes_a_load_that_reserves_on_a_kernel_design_too()
    {
        LitmusTest test = TestOutcomes.Parse(
            Buffering("LDXR W3,[X0]", "", "0:X3=1", "Cpus=2\nP0=cpu 0 pinned\nP1=cpu 1 pinned\nSchedule=no\n")
        );
        Assert.Equal(
            Frequency.Sometimes,
            ModelVerdict
                .Of(
                    test,
                    CoreKind.AArch64,
                    kernel: KernelTests.Design("linux-5.12"),
                    cancellation: TestContext.Current.CancellationToken
                )
                .Frequency
        );
    }

    // Seven loads behind the store that follows six alternating writes distinguish those; there is no seventh to see.
    [Theory]
    [InlineData("1:X3=1 /\\ 1:X4=0 /\\ 1:X5=1 /\\ 1:X6=0 /\\ 1:X7=1 /\\ 1:X8=0 /\\ 1:X9=0", Frequency.Sometimes)]
    [InlineData("1:X3=1 /\\ 1:X4=0 /\\ 1:X5=1 /\\ 1:X6=0 /\\ 1:X7=1 /\\ 1:X8=0 /\\ 1:X9=1", Frequency.Never)]
    public void A_thread_that_looks_often_enough_distinguishes_alternating_writes(string seen, Frequency expected)
    {
        string[] stores =
        [
            .. Enumerable.Range(0, 6).Select(index => index % 2 == 0 ? "STR W9,[X0]" : "STR WZR,[X0]"),
            "DMB ST",
        ];
        string[] loads = [.. Enumerable.Range(3, 7).Select(index => $"LDR W{index},[X0]")];
        string text =
            "AArch64 ToAndFro\n{ 0:X0=x; 0:X1=y; 0:X9=1; 1:X0=x; 1:X1=y; }\n P0 | P1 ;\n | LDR W2,[X1] ;\n"
            + string.Concat(stores.Zip(loads, (store, load) => $" {store} | {load} ;\n"))
            + $" STR W9,[X1] | ;\nexists (1:X2=1 /\\ {seen})\n";
        foreach (Reductions reductions in new[] { Reductions.All, Interleaved })
        {
            ModelVerdict verdict = TestOutcomes.Explore(
                text,
                CoreKind.AArch64,
                new ExplorationOptions { Reductions = reductions }
            );
            Assert.Equal((expected, Bounds.None), (verdict.Frequency, verdict.Exploration.Bounds));
        }
    }

    [Fact]
    public void Nothing_is_forgotten_under_a_loop_that_watches_writes_to_and_fro()
    {
        const string Text = """
            AArch64 Watch
            { 0:X0=x; 0:X1=y; 0:X9=1; 1:X0=x; 1:X1=y; }
             P0           | P1          ;
             STR W9,[X0]  | more:       ;
             STR WZR,[X0] | LDR W3,[X0] ;
             STR W9,[X0]  | CBZ W3,more ;
             STR WZR,[X0] | LDR W4,[X0] ;
             STR W9,[X0]  |             ;
             STR WZR,[X0] |             ;
             STR W9,[X0]  |             ;
             STR WZR,[X0] |             ;
            exists (1:X3=1 /\ 1:X4=2)
            """;
        ModelVerdict first = TestOutcomes.Explore(Text, CoreKind.AArch64);
        ModelVerdict interleaved = TestOutcomes.Explore(
            Text,
            CoreKind.AArch64,
            new ExplorationOptions { Reductions = Interleaved }
        );
        Assert.Equal((Bounds.None, Bounds.None), (first.Exploration.Bounds, interleaved.Exploration.Bounds));
        TestOutcomes.AssertEqual(interleaved, [.. first.Allowed]);
    }

    // The list has room for three writes, the loop makes six before the store that is promised.
    [Fact]
    public void A_store_behind_more_writes_than_are_distinguished_is_nevertheless_promised()
    {
        const string Text = """
            AArch64 Counting
            { 0:X0=x; 0:X1=y; 0:X2=z; 0:X9=1; 0:X8=0; 1:X0=x; 1:X1=y; }
             P0           | P1          ;
             LDR W3,[X0]  | LDR W2,[X1] ;
             again:       | STR W2,[X0] ;
             STR W8,[X2]  |             ;
             ADD W8,W8,#1 |             ;
             CMP W8,#6    |             ;
             B.NE again   |             ;
             STR W9,[X1]  |             ;
            exists (0:X3=1 /\ 1:X2=1)
            """;
        ModelVerdict verdict = TestOutcomes.Explore(
            Text,
            CoreKind.AArch64,
            new ExplorationOptions { Reductions = Interleaved, WriteBound = 3 }
        );
        Assert.Equal(Frequency.Sometimes, verdict.Frequency);
    }

    [Theory]
    [InlineData("MessagePassing.ReleaseAcquire", AccessOrder.Acquire)]
    [InlineData("MessagePassing.ReleaseAcquire", AccessOrder.Release)]
    [InlineData("SpinLock", AccessOrder.Acquire)]
    [InlineData("SpinLock", AccessOrder.Release)]
    [InlineData("SpinLock", AccessOrder.Exclusive)]
    public void An_access_that_loses_its_order_is_caught(string name, AccessOrder lost)
    {
        // A pair that is no longer exclusive still has its reservation asked for: only the load loses it, so nothing
        // succeeds; so the store loses it too, and divides.
        LitmusTest test = Test(name);
        Assert.False(IsWrong(test, op => op));
        Assert.True(
            IsWrong(
                test,
                op =>
                    op.Kind == MicroOpKind.Store || lost != AccessOrder.Exclusive
                        ? op with
                        {
                            Order = op.Order & ~lost,
                        }
                        : op
            )
        );
    }

    [Theory]
    [InlineData("ISH", Frequency.Never)]
    [InlineData("NSH", Frequency.Sometimes)]
    public void A_barrier_for_its_own_CPU_alone_orders_nothing_for_others(string domain, Frequency expected)
    {
        LitmusTest test = LitmusText.Parse(
            $"AArch64 Domain\n{{ 0:X1=x; 0:X2=y; 1:X1=y; 1:X2=x; }}\nP0 | P1 ;\nMOV W0,#1 | MOV W0,#1 ;\nSTR "
                + $"W0,[X1] | STR W0,[X1] ;\nDMB {domain} | DMB {domain} ;\nLDR "
                + "W3,[X2] | LDR W3,[X2] ;\nexists (0:X3=0 /\\ 1:X3=0)"
        );
        Assert.Equal(expected, TestOutcomes.Explore(test, CoreKind.AArch64).Frequency);
    }

    [Fact]
    public void A_context_synchronization_that_does_nothing_is_caught_by_fresh_code()
    {
        LitmusTest test = Test("FreshCode");
        Assert.False(IsWrong(test, op => op));
        Assert.True(
            IsWrong(
                test,
                op =>
                    op is { Kind: MicroOpKind.Fence, Fence: FenceKind.Context }
                        ? op with
                        {
                            Fence = FenceKind.Store,
                        }
                        : op
            )
        );
    }

    [Theory]
    [InlineData(nameof(MicroOpKind.CleanCode))]
    [InlineData(nameof(MicroOpKind.InvalidateCode))]
    public void Maintenance_of_another_line_is_caught_by_fresh_code(string name)
    {
        MicroOpKind kind = Enum.Parse<MicroOpKind>(name);
        LitmusTest test = Test("FreshCode");
        Assert.True(
            IsWrong(
                test,
                op => op.Kind == kind ? MicroOp.Maintain(kind, Operand.Number(4)) with { Source = op.Source } : op
            )
        );
    }

    // Whether the program, changed, has an outcome that the test says is impossible.
    private static bool IsWrong(LitmusTest test, Func<MicroOp, MicroOp> change)
    {
        LoweredTest lowered = LoweredTest.Of(test, null, CoreKind.AArch64);
        var program = new ModelProgram
        {
            Memory = lowered.Program.Memory,
            Observations = lowered.Program.Observations,
            Threads =
            [
                .. lowered.Program.Threads.Select(thread => new ThreadCode
                {
                    Ops = [.. thread.Ops.Select(change)],
                    InitialRegisters = thread.InitialRegisters,
                }),
            ],
        };
        Exploration exploration = Explorer.Explore(
            program,
            CoreKind.AArch64,
            cancellation: TestContext.Current.CancellationToken
        );
        IEnumerable<bool> holds = exploration.FinalStates.Select(final =>
            test.Condition.Holds(LoweredTest.OutcomeOf(test, final.Values), test, lowered.Layout)
        );
        return test.Quantifier == Quantifier.ForAll ? holds.Any(held => !held) : holds.Any(held => held);
    }

    private const Reductions Interleaved = Reductions.All & ~Reductions.PromisesFirst;

    private static Frequency ExploreBuffering(string load, string fence, string seen, Reductions reductions)
    {
        ModelVerdict verdict = TestOutcomes.Explore(
            Buffering(load, fence, seen),
            CoreKind.AArch64,
            new ExplorationOptions { Reductions = reductions }
        );
        Assert.Equal(Bounds.None, verdict.Exploration.Bounds);
        return verdict.Frequency;
    }

    // Load buffering: one side has the load and the fence that are asked about, the other a dependency. X4 is what
    // memory never holds, X6 what it held at first.
    private static string Buffering(string load, string fence, string seen, string header = "") =>
        $$"""
            AArch64 Buffering
            {{header}}{ 0:X0=x; 0:X1=y; 0:X9=1; 0:X4=7; 0:X5=2; 0:X6=0; 0:X10=1; 1:X0=x; 1:X1=y; }
             P0 | P1 ;
             {{load}} | LDR W2,[X1] ;
             {{fence}} | STR W2,[X0] ;
             STR W9,[X1] | ;
            exists ({{seen}} /\ 1:X2=1)
            """;

    private static ModelVerdict Explore(string name, ExplorationOptions? options = null) =>
        TestOutcomes.Explore(Test(name), CoreKind.AArch64, options);

    private static LitmusTest Test(string name)
    {
        string file = Path.Combine(Corpus.Repository, "litmus", "aarch64", name + ".litmus");
        return LitmusParser.Parse(File.ReadAllText(file), file);
    }
}
