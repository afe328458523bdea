using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Isa.AArch64;

/// <summary>
/// Where steps are interleaved, writes are forgotten and promises are looked for by running a CPU alone; neither may
/// lose an outcome.
/// </summary>
public class FoldingTests
{
    [Theory]
    [InlineData(3)]
    public void A_thread_that_looks_often_enough_distinguishes_alternating_writes(int looks)
    {
        string[] writer =
        [
            "MOV W2,#1",
            "MOV W3,#2",
            .. Enumerable.Range(0, looks + 1).Select(index => index % 2 == 0 ? "STR W2,[X0]" : "STR W3,[X0]"),
            "DMB ST",
            "STR W2,[X1]",
        ];
        string[] reader = [.. Enumerable.Range(0, looks).Select(index => $"LDR W{2 + index},[X0]")];
        string rows = string.Join(
            '\n',
            Enumerable
                .Range(0, writer.Length)
                .Select(row => $" {writer[row]} | {(row < reader.Length ? reader[row] : "")} ;")
        );
        string sees = string.Join(
            " /\\ ",
            Enumerable.Range(0, looks).Select(index => $"1:X{2 + index}={1 + (index % 2)}")
        );
        AgreesInterleaved(
            $"AArch64 ToAndFro\n{{ 0:X0=x; 0:X1=y; 1:X0=x; x=0; y=0; }}\n P0 | P1 ;\n{rows}\nexists ({sees})"
        );
    }

    [Theory]
    [InlineData("LDXR W3,[X0]", "0:X3=1")]
    [InlineData("CAS W5,W2,[X0]", "0:X5=1")]
    public void A_store_may_overtake_the_load_of_a_pair_that_does_not_store(string load, string seen) =>
        AgreesInterleaved(
            $$"""
            AArch64 Overtakes
            { 0:X0=x; 0:X1=y; 0:X5=7; 1:X0=x; 1:X1=y; x=0; y=0; }
             P0          | P1          ;
             MOV W2,#1   | LDR W2,[X1] ;
             {{load}}    | STR W2,[X0] ;
             STR W2,[X1] |             ;
            exists ({{seen}} /\ 1:X2=1)
            """
        );

    private static void AgreesInterleaved(string text)
    {
        LitmusTest test = LitmusParser.Parse(text, "test.litmus");
        ModelVerdict first = TestOutcomes.Explore(test, CoreKind.AArch64, new ExplorationOptions());
        ModelVerdict interleaved = TestOutcomes.Explore(
            test,
            CoreKind.AArch64,
            new ExplorationOptions { Reductions = Reductions.All & ~Reductions.PromisesFirst }
        );
        Assert.Equal(Frequency.Sometimes, first.Frequency);
        Assert.True(interleaved.IsComplete);
        TestOutcomes.AssertEqual(interleaved, [.. first.Allowed]);
    }
}
