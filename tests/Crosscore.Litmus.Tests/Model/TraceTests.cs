using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Exploration;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>Ways to outcomes, event by event.</summary>
public class TraceTests
{
    [Theory]
    [InlineData(Reductions.LocalFusion)]
    [InlineData(Reductions.All)]
    public void Store_bufferings_weak_outcome_takes_four_steps_and_each_load_before_the_others_store(
        Reductions reductions
    )
    {
        ModelVerdict verdict = TestOutcomes.Explore(
            """
            X86_64 SB
            { }
            P0 | P1 ;
            movl $1,(x) | movl $1,(y) ;
            movl (y),%eax | movl (x),%eax ;
            exists (0:rax=0 /\ 1:rax=0)
            """,
            options: new ExplorationOptions { Reductions = reductions }
        );
        IReadOnlyList<TraceEvent> way = verdict.ShortestTraceTo(verdict.Allowed.Single(verdict.IsWitness));
        TraceEvent[] ofMemory = [.. way.Where(happened => happened.Kind != TraceEventKind.Store)];
        Assert.Equal([1, 2, 3, 4], ofMemory.Select(happened => happened.Step));
        for (int thread = 0; thread < 2; thread++)
        {
            TraceEvent load = ofMemory.Single(happened =>
                happened.Kind == TraceEventKind.Load && happened.Task == thread
            );
            TraceEvent reach = ofMemory.Single(happened =>
                happened.Kind == TraceEventKind.ReachMemory && happened.Task == 1 - thread
            );
            TraceEvent store = way.Single(happened => happened.Kind == TraceEventKind.Store && happened.Task == thread);
            Assert.Equal((1, 0UL, -1, 1UL, 0), (load.Source, load.Value, reach.Source, reach.Value, store.Source));
            Assert.Equal((load.Address, load.Width), (reach.Address, reach.Width));
            Assert.True(load.Step < reach.Step);
        }
    }

    [Fact]
    public void Every_kind_of_event_is_told_with_its_instruction_address_width_and_value()
    {
        ModelVerdict verdict = TestOutcomes.Explore(
            """
            X86_64 Kinds
            { uint64_t x=0x0102030405060708; }
            P0 | P1 ;
            movw $7,2(x) | membarrier private_expedited ;
            movq (x),%rax | lock; incb 1(x) ;
            mfence | ;
            forall true
            """
        );
        ulong x = verdict.Layout.ModelAddressOf("x");
        IReadOnlyList<TraceEvent> way = verdict.ShortestTraceTo(verdict.Allowed[0]);
        Assert.Equal(
            Enum.GetValues<TraceEventKind>().Where(kind => kind <= TraceEventKind.AwaitFences),
            way.Select(happened => happened.Kind).Distinct().Order()
        );
        Assert.Contains(
            way,
            happened =>
                happened is { Kind: TraceEventKind.Store, Task: 0, Source: 0, Width: 2, Value: 7 }
                && happened.Address == x + 2
        );
        Assert.Contains(
            way,
            happened =>
                happened is { Kind: TraceEventKind.ReachMemory, Task: 0, Source: -1, Width: 2, Value: 7 }
                && happened.Address == x + 2
        );
        Assert.Contains(
            way,
            happened => happened is { Kind: TraceEventKind.Load, Task: 0, Source: 1, Width: 8 } && happened.Address == x
        );
        Assert.Contains(
            way,
            happened =>
                happened is { Kind: TraceEventKind.AtomicLoad, Task: 1, Source: 1, Width: 1, Value: 7 }
                && happened.Address == x + 1
        );
        Assert.Contains(
            way,
            happened =>
                happened is { Kind: TraceEventKind.AtomicStore, Task: 1, Source: 1, Width: 1, Value: 8 }
                && happened.Address == x + 1
        );
        Assert.Equal(
            way.Single(happened => happened.Kind == TraceEventKind.AtomicLoad).Step,
            way.Single(happened => happened.Kind == TraceEventKind.AtomicStore).Step
        );
    }

    [Fact]
    public void Final_states_come_shortest_way_first()
    {
        ModelVerdict verdict = TestOutcomes.Explore(
            """
            X86_64 Lengths
            { }
            P0 | P1 ;
            movl (x),%eax | movl $1,(x) ;
            cmpl $1,%eax | ;
            jne L | ;
            lock; incl (y) | ;
            movl (y),%ebx | ;
            L: | ;
            locations [y]
            forall true
            """
        );
        int[] lengths =
        [
            .. verdict.Exploration.FinalStates.Select(final => verdict.Exploration.ShortestTraceTo(final)[^1].Step),
        ];
        Assert.Equal(2, lengths.Length);
        Assert.Equal(lengths.Order(), lengths);
    }
}
