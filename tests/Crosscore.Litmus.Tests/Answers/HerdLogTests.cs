using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Answers;

/// <summary>Our answers as herd's text.</summary>
public class HerdLogTests
{
    private const string Program =
        "X86_64 SB\n{ }\nP0 | P1 ;\nmovl $1,(x) | movl $1,(y) ;\nmovl (y),%eax | movl (x),%eax ;\n";

    [Theory]
    [InlineData("exists (0:rax=0 /\\ 1:rax=0)", "Allowed", "Ok", "Positive: 1 Negative: 3", "Sometimes 1 3")]
    [InlineData("~exists (0:rax=0 /\\ 1:rax=0)", "Forbidden", "No", "Positive: 3 Negative: 1", "Sometimes 1 3")]
    [InlineData("forall (0:rax=0 /\\ 1:rax=0)", "Required", "No", "Positive: 1 Negative: 3", "Sometimes 1 3")]
    [InlineData(
        "forall (0:rax=0 \\/ not (0:rax=0 /\\ 1:rax=2))",
        "Required",
        "Ok",
        "Positive: 4 Negative: 0",
        "Always 4 0"
    )]
    [InlineData("exists (0:rax=2 /\\ 1:rax=0)", "Allowed", "No", "Positive: 0 Negative: 4", "Never 0 4")]
    [InlineData("~exists (0:rax=2 /\\ 1:rax=0)", "Forbidden", "Ok", "Positive: 4 Negative: 0", "Never 0 4")]
    public void Each_way_to_ask_has_its_words(
        string condition,
        string kind,
        string answer,
        string witnesses,
        string observation
    )
    {
        ModelVerdict verdict = Verdict(Program + condition);
        string[] expected =
        [
            $"Test SB {kind}",
            "States 4",
            "0:rax=0; 1:rax=0;",
            "0:rax=0; 1:rax=1;",
            "0:rax=1; 1:rax=0;",
            "0:rax=1; 1:rax=1;",
            answer,
            "Witnesses",
            witnesses,
            $"Condition {condition}",
            $"Observation SB {observation}",
            "",
        ];
        Assert.Equal(expected, HerdLog.Format(verdict).ReplaceLineEndings("\n").Split('\n'));
    }

    [Fact]
    public void A_filter_takes_states_out_of_the_log()
    {
        ModelVerdict verdict = Verdict(Program + "filter (0:rax=0) forall (1:rax=1)");
        Assert.StartsWith(
            "Test SB Required\nStates 2\n0:rax=0; 1:rax=0;\n0:rax=0; 1:rax=1;\nNo\n",
            HerdLog.Format(verdict).ReplaceLineEndings("\n"),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void What_is_written_is_read_back()
    {
        ModelVerdict verdict = Verdict(
            "X86_64 Values\n{ int8_t x=-1; uint8_t y=255; p=&t[1]; int t[2]={3,-4}; 0:rsi=x; "
                + "}\nP0 ;\nleaq 1(t),%rdi ;\nlocations [x; y; p; t; 0:rsi; 0:rdi]\nforall true"
        );
        HerdState state = Assert.Single(HerdLog.ReadStates(HerdLog.Format(verdict))["Values"]);
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["0:rsi"] = "x",
                ["0:rdi"] = "t+1",
                ["[p]"] = "t+4",
                ["t[0]"] = "3",
                ["t[1]"] = "-4",
                ["[x]"] = "-1",
                ["[y]"] = "255",
            },
            state.Values.ToDictionary()
        );
    }

    [Fact]
    public void States_are_sorted_by_their_numbers_with_their_signs()
    {
        ModelVerdict verdict = Verdict(
            "X86_64 Order\n{ x=5; }\nP0 | P1 | P2 ;\nmovl $-3,(x) | movl "
                + "$10,(x) | movl (x),%eax ;\nlocations [2:rax]\nforall true"
        );
        Assert.Equal(
            ["-3", "5", "10"],
            HerdLog.ReadStates(HerdLog.Format(verdict))["Order"].Select(state => state.Values["2:rax"])
        );
    }

    private static ModelVerdict Verdict(string text) =>
        ModelVerdict.Of(
            LitmusParser.Parse(text, "t.litmus"),
            CoreKind.X86Tso,
            cancellation: TestContext.Current.CancellationToken
        );
}
