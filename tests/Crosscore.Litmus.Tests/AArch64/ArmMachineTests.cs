using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Model.Exploration;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Tests.AArch64;

/// <summary>The AArch64 machine on our own tests, and broken machines that they notice.</summary>
public class ArmMachineTests
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
        Outcomes.AssertEqual(verdict, [.. Explore("SpinLock.PlainUnlock").Allowed]);
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
        IReadOnlyList<TraceEvent> way = verdict.ShortestWayTo(verdict.Allowed.Single(verdict.IsWitness));
        Assert.Contains(way, happened => happened.Kind == TraceEventKind.Promise);
        Assert.Contains(way, happened => happened.Kind == TraceEventKind.Fulfil);
        Assert.Contains(way, happened => happened.Kind == TraceEventKind.LoadOld);
    }

    [Theory]
    [InlineData("MessagePassing.ReleaseAcquire", AccessOrder.Acquire)]
    [InlineData("MessagePassing.ReleaseAcquire", AccessOrder.Release)]
    [InlineData("SpinLock", AccessOrder.Acquire)]
    [InlineData("SpinLock", AccessOrder.Release)]
    [InlineData("SpinLock", AccessOrder.Exclusive)]
    public void An_access_that_loses_its_order_is_caught(string name, AccessOrder lost)
    {
        // A pair that is no longer exclusive still has its reservation asked for: only the load loses it, so nothing succeeds; so the store loses it too, and divides.
        LitmusTest test = Test(name);
        Assert.False(IsWrong(test, op => op));
        Assert.True(IsWrong(test, op => op.Kind == MicroOpKind.Store || lost != AccessOrder.Exclusive ? op with { Order = op.Order & ~lost } : op));
    }

    [Theory]
    [InlineData("ISH", Frequency.Never)]
    [InlineData("NSH", Frequency.Sometimes)]
    public void A_barrier_for_its_own_CPU_alone_orders_nothing_for_others(string domain, Frequency expected)
    {
        LitmusTest test = Tests.Syntax.Litmus.Parse($"AArch64 Domain\n{{ 0:X1=x; 0:X2=y; 1:X1=y; 1:X2=x; }}\nP0 | P1 ;\nMOV W0,#1 | MOV W0,#1 ;\nSTR W0,[X1] | STR W0,[X1] ;\nDMB {domain} | DMB {domain} ;\nLDR W3,[X2] | LDR W3,[X2] ;\nexists (0:X3=0 /\\ 1:X3=0)");
        Assert.Equal(expected, Outcomes.Explore(test, CoreKind.AArch64).Frequency);
    }

    [Fact]
    public void A_context_synchronisation_that_does_nothing_is_caught_by_fresh_code()
    {
        LitmusTest test = Test("FreshCode");
        Assert.False(IsWrong(test, op => op));
        Assert.True(IsWrong(test, op => op is { Kind: MicroOpKind.Fence, Fence: FenceKind.Context } ? op with { Fence = FenceKind.Store } : op));
    }

    [Theory]
    [InlineData(MicroOpKind.CleanCode)]
    [InlineData(MicroOpKind.InvalidateCode)]
    public void Maintenance_of_another_line_is_caught_by_fresh_code(MicroOpKind kind)
    {
        LitmusTest test = Test("FreshCode");
        Assert.True(IsWrong(test, op => op.Kind == kind ? MicroOp.Maintain(kind, Operand.Number(4)) with { Source = op.Source } : op));
    }

    // Whether the program, changed, has an outcome that the test says is impossible.
    private static bool IsWrong(LitmusTest test, Func<MicroOp, MicroOp> change)
    {
        LoweredTest lowered = LoweredTest.Of(test, null, CoreKind.AArch64);
        var program = new ModelProgram
        {
            Memory = lowered.Program.Memory,
            Observations = lowered.Program.Observations,
            Threads = [.. lowered.Program.Threads.Select(thread => new ThreadCode { Ops = [.. thread.Ops.Select(change)], InitialRegisters = thread.InitialRegisters })],
        };
        Exploration exploration = Explorer.Explore(program, CoreKind.AArch64, cancellation: TestContext.Current.CancellationToken);
        IEnumerable<bool> holds = exploration.FinalStates.Select(final => test.Condition.Holds(LoweredTest.OutcomeOf(test, final.Values), test, lowered.Layout));
        return test.Quantifier == Quantifier.ForAll ? holds.Any(held => !held) : holds.Any(held => held);
    }

    private static ModelVerdict Explore(string name, ExplorationOptions? options = null) => Outcomes.Explore(Test(name), CoreKind.AArch64, options);

    private static LitmusTest Test(string name)
    {
        string file = Path.Combine(Corpus.Repository, "litmus", "aarch64", name + ".litmus");
        return LitmusParser.Parse(File.ReadAllText(file), file);
    }
}
