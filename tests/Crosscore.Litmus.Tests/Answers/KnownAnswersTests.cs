using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Answers;

/// <summary>Tables of known answers beside a test.</summary>
public sealed class KnownAnswersTests : IDisposable
{
    private const string Fenced =
        "X86_64 SB\n{ }\nP0 | P1 ;\nmovl $1,(x) | movl $1,(y) ;\nmfence | mfence "
        + ";\nmovl (y),%eax | movl (x),%eax ;\nexists (0:rax=0 /\\ 1:rax=0)";
    private const string States = "States 3\n0:rax=0; 1:rax=1;\n0:rax=1; 1:rax=0;\n0:rax=1; 1:rax=1;\nNo\n";
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("crosscore-answers-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Nothing_known_agrees_with_everything()
    {
        KnownAnswers.Comparison comparison = Compare();
        Assert.Equal(0, comparison.Known);
        Assert.True(comparison.Agrees);
    }

    [Theory]
    [InlineData("Forbid", null)]
    [InlineData("Allow", "kinds.tsv says Allow, the model Never")]
    [InlineData("Require", "kinds.tsv says Require, the model Never")]
    public void A_table_of_kinds_is_compared(string kind, string? disagreement)
    {
        Write("kinds.tsv", $"file\ttest\tkind\nother.litmus\tO\tAllow\n\nsub/SB.litmus\tSB\t{kind}\n");
        AssertOne(disagreement);
    }

    [Theory]
    [InlineData("", "Forbid", "kinds.tsv says Forbid, the model Sometimes")]
    [InlineData("", "Allow", null)]
    [InlineData("", "Require", "kinds.tsv says Require, the model Sometimes")]
    [InlineData("xchgl %ebx,%ebx", "Allow", null)]
    public void Allow_is_a_witness_and_require_is_nothing_else(string fence, string kind, string? disagreement)
    {
        Write("kinds.tsv", $"file\ttest\tkind\nsub/SB.litmus\tSB\t{kind}\n");
        AssertOne(disagreement, Fenced.Replace("mfence", fence, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Never", null)]
    [InlineData("Sometimes", "verdicts.tsv says Sometimes, the model Never")]
    [InlineData("Always", "verdicts.tsv says Always, the model Never")]
    public void A_table_of_verdicts_is_compared(string verdict, string? disagreement)
    {
        Write("sub/verdicts.tsv", $"file\ttest\tverdict\nSB.litmus\tSB\t{verdict}\n");
        AssertOne(disagreement);
    }

    [Theory]
    [InlineData(States, null)]
    [InlineData(
        "States 2\n0:rax=0; 1:rax=1;\n0:rax=1; 1:rax=0;\nNo\n",
        "expected.txt has other final states: added 0:rax=1; 1:rax=1;"
    )]
    [InlineData(
        "States 4\n0:rax=0; 1:rax=0;\n0:rax=0; 1:rax=1;\n0:rax=1; 1:rax=0;\n0:rax=1; 1:rax=1;\nOk\n",
        "expected.txt has other final states: lacking 0:rax=0; 1:rax=0;"
    )]
    [InlineData("States 1\n0:rax=1;\nNo\n", "expected.txt does not tell the final values of 0:rax, 1:rax")]
    [InlineData(
        "States 4\n1:rax=1; 0:rax=0; [x]=1;\n1:rax=0; 0:rax=1; "
            + "[x]=1;\n1:rax=1; 0:rax=1; [x]=1;\n1:rax=1; 0:rax=1; [x]=2;\nNo\n",
        null
    )]
    public void A_log_of_herd_is_compared_state_by_state_on_what_the_test_looks_at(string entry, string? disagreement)
    {
        Write("sub/expected.txt", "Test Other Allowed\nStates 1\n0:rax=7;\nOk\n\nTest SB Allowed\n" + entry);
        AssertOne(disagreement);
    }

    [Fact]
    public void A_log_in_the_folder_above_is_of_other_tests()
    {
        Write("expected.txt", "Test SB Allowed\nStates 1\n0:rax=7; 1:rax=7;\nOk\n");
        Assert.Equal(0, Compare().Known);
    }

    [Fact]
    public void Every_answer_that_is_known_counts_and_every_disagreement_is_told()
    {
        Write("kinds.tsv", "file\ttest\tkind\nsub/SB.litmus\tSB\tAllow\n");
        Write("sub/verdicts.tsv", "file\ttest\tverdict\nSB.litmus\tSB\tNever\n");
        Write("sub/expected.txt", "Test SB Allowed\n" + States);
        KnownAnswers.Comparison comparison = Compare(
            Fenced.Replace("SB\n", "SB\nExpect=x86-tso:Always sc:Never\n", StringComparison.Ordinal)
        );
        Assert.Equal(4, comparison.Known);
        Assert.Equal(
            ["the test expects Always, the model says Never", "kinds.tsv says Allow, the model Never"],
            comparison.Disagreements
        );
    }

    [Fact]
    public void Tables_speak_of_x86_and_not_of_sequential_consistency()
    {
        Write("kinds.tsv", "file\ttest\tkind\nsub/SB.litmus\tSB\tAllow\n");
        KnownAnswers.Comparison comparison = Compare(
            Fenced.Replace("SB\n", "SB\nExpect=sc:Never\n", StringComparison.Ordinal),
            CoreKind.Sc
        );
        Assert.Equal(1, comparison.Known);
        Assert.True(comparison.Agrees);
    }

    [Theory]
    [InlineData(
        "kinds.tsv",
        "file\ttest\tkind\nsub/SB.litmus\tSB\tMaybe\n",
        "kinds.tsv:2: found 'sub/SB.litmus\tSB\tMaybe', expected a file, a test and an answer"
    )]
    [InlineData("kinds.tsv", "file\ttest\tkind\n\nsub/SB.litmus Allow\n", "kinds.tsv:3: found")]
    [InlineData("sub/verdicts.tsv", "file\ttest\tverdict\nSB.litmus\tSB\t1\n", "verdicts.tsv:2: found")]
    [InlineData("sub/verdicts.tsv", "file\ttest\tverdict\nSB.litmus\tSB\tNever\textra\n", "verdicts.tsv:2: found")]
    [InlineData(
        "sub/expected.txt",
        "Test SB Allowed\nStates 3\n0:rax=0; 1:rax=1;",
        "expected.txt: line 3: found the end of the log"
    )]
    [InlineData(
        "sub/expected.txt",
        "Test SB Allowed\nStates 2\n0:rax=0; 1:rax=1;\nNo\n",
        "expected.txt: line 4: found 'No', expected a final state"
    )]
    [InlineData(
        "sub/expected.txt",
        "Test SB Allowed\nStates 1\n0:rax=0; 0:rax=1;\n",
        "expected.txt: line 3: found '0:rax=0; 0:rax=1;'"
    )]
    public void A_table_that_cannot_be_read_is_an_error_with_its_line(string file, string content, string message)
    {
        Write(file, content);
        InvalidDataException exception = Assert.Throws<InvalidDataException>(() => Compare());
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    private void AssertOne(string? disagreement, string text = Fenced)
    {
        KnownAnswers.Comparison comparison = Compare(text);
        Assert.Equal(1, comparison.Known);
        Assert.Equal(disagreement is null ? [] : [disagreement], comparison.Disagreements);
        Assert.Equal(disagreement is null, comparison.Agrees);
    }

    private KnownAnswers.Comparison Compare(string text = Fenced, CoreKind core = CoreKind.X86Tso)
    {
        string file = Write("sub/SB.litmus", text);
        return new KnownAnswers().Compare(
            ModelVerdict.Of(LitmusParser.Parse(text, file), core, cancellation: TestContext.Current.CancellationToken)
        );
    }

    private string Write(string name, string content)
    {
        string file = Path.Combine(_folder.FullName, name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, content);
        return file;
    }
}
