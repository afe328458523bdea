using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>Arrays of bytes that are accessed four at a time: a waiting store must keep all of its bytes.</summary>
public class ByteArrayTests
{
    private const string WideStores = """
        X86_64 WideStores
        { uint8_t t[8]; uint32_t y; }
         P0                   | P1            ;
         movl $0x01010101,(t) | movl $1,(y)   ;
         movl (y),%eax        | movl (t),%eax ;
        exists (0:rax=0 /\ 1:rax=0)
        """;

    [Theory]
    [InlineData(Reductions.All)]
    [InlineData(Reductions.None)]
    public void A_wide_store_to_bytes_is_seen_whole_or_not_at_all(Reductions reductions)
    {
        ModelVerdict verdict = ModelVerdict.Of(
            TestOutcomes.Parse(WideStores),
            CoreKind.X86Tso,
            new ExplorationOptions { Reductions = reductions },
            cancellation: TestContext.Current.CancellationToken
        );

        Assert.Equal(
            ["0:rax=0; 1:rax=0;", "0:rax=0; 1:rax=16843009;", "0:rax=1; 1:rax=0;", "0:rax=1; 1:rax=16843009;"],
            verdict.Allowed.Select(outcome => outcome.Describe(verdict.Test, verdict.Layout))
        );
    }
}
