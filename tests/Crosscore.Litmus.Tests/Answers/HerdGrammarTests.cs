using System.Text.RegularExpressions;
using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Answers;

/// <summary>
/// Our logs are read by the field's tool for comparing logs, mcompare: each line of states is one that its lexer knows.
/// The grammar below is a restatement of the tokens that it documents for a line of states.
/// </summary>
public partial class HerdGrammarTests
{
    private const string Faulting =
        "AArch64 Faulting\nVariant=vmsa,fatal\n{ [PTE(x)]=(oa:PA(x),valid:0); 0:X1=x; 1:X1=x; "
        + "1:X2=PTE(x); 1:X3=(oa:PA(x)); }\nP0 | P1 ;\nL0: LDR W0,[X1] | STR X3,[X2] ;\n";
    private const string Code =
        "AArch64 Code\n{ 0:X1=P1:L0; 0:X2=NOP; 0:X4=instr:\"B .+8\"; int t[2]={1,2}; "
        + "0:X5=t; }\nP0 | P1 ;\nLDR W3,[X1] | L0: ADD W4,W4,#1 ;\nADD X5,X5,#4 | ;\n";

    [Theory]
    [InlineData(Faulting + "exists (fault(P0:L0))", "  ~Fault(P0:L0);", " Fault(P0:L0,x,D-MMU:Translation);")]
    [InlineData(
        Faulting + "exists (fault(P0:L0,x) /\\ 0:X0=0)",
        "0:X0=0;  ~Fault(P0:L0,x);",
        "0:X0=0; Fault(P0:L0,x,D-MMU:Translation);"
    )]
    [InlineData(
        Faulting + "exists (fault(P0,x,MMU:Translation))",
        "  ~Fault(P0,x,MMU:Translation);",
        " Fault(P0:L0,x,MMU:Translation);"
    )]
    [InlineData(
        Faulting + "exists (fault(P0,D-MMU:Translation))",
        "  ~Fault(P0,MMU:Translation);",
        " Fault(P0:L0,x,MMU:Translation);"
    )]
    [InlineData(Code + "exists (0:X1=P1:L0 /\\ 0:X2=NOP)", "0:X1=label:\"P1:L0\"; 0:X2=NOP;")]
    [InlineData(
        Code + "locations [0:X3; 0:X4; 0:X5; t;] exists (t[1]=2)",
        "0:X3=instr:\"ADD W4,W4,#1\"; 0:X4=instr:\"B .+8\"; 0:X5=t+4; t={1,2}; t[1]=2;"
    )]
    [InlineData(
        "AArch64 Svc\nVariant=vmsa,handled\n{ }\nP0 ;\nL0: SVC #0 ;\nforall (fault(P0))",
        " Fault(P0:L0,SupervisorCall);"
    )]
    public void Faults_labels_opcodes_and_arrays_are_written_as_herd_writes_them(string text, params string[] states)
    {
        string[] lines = Lines(Explore(text));
        Assert.Equal(states, lines[2..(2 + states.Length)]);
        Assert.All(lines[2..(2 + states.Length)], AssertReadable);
    }

    [Fact]
    public void The_conditions_of_such_tests_are_written_as_they_are_read()
    {
        ModelVerdict verdict = Explore(Code + "exists (0:X1=P1:L0 /\\ 0:X4=instr:\"B .+8\" /\\ 0:X2=NOP)");
        Assert.Equal(
            "exists (0:X1=label:\"P1:L0\" /\\ 0:X4=instr:\"B .+8\" /\\ 0:X2=NOP)",
            HerdLog.FormatCondition(verdict.Test)
        );
        Assert.Equal(1, verdict.Witnesses);
    }

    [Fact]
    public void Two_places_of_a_fault_are_two_final_states()
    {
        ModelVerdict verdict = Explore(
            "AArch64 Two\nVariant=vmsa,fatal\n{ [PTE(x)]=(oa:PA(x),valid:0); 0:X1=x; 0:X2=y; }\nP0 "
                + ";\nLDR W3,[X2] ;\nCBNZ W3,L1 ;\nL0: LDR W0,[X1] ;\nL1: LDR W0,[X1] ;\nexists (fault(P0))"
        );
        Assert.Equal([" Fault(P0:L0,x,D-MMU:Translation);"], Lines(verdict)[2..3]);
    }

    [Fact]
    public void Every_final_state_of_the_projects_own_tests_can_be_read()
    {
        int states = 0;
        foreach (
            string file in Directory.GetFiles(
                Path.Combine(Corpus.Repository, "litmus"),
                "*.litmus",
                SearchOption.AllDirectories
            )
        )
        {
            LitmusTest test = LitmusParser.Parse(File.ReadAllText(file), file);
            if (Expectation.IsAboutKernels(test))
            {
                continue;
            }

            string[] lines = Lines(
                ModelVerdict.Of(test, test.HomeCore(), cancellation: TestContext.Current.CancellationToken)
            );
            int count = int.Parse(lines[1]["States ".Length..], System.Globalization.CultureInfo.InvariantCulture);
            Assert.Matches(TestLine(), lines[0]);
            Assert.All(lines[2..(2 + count)], AssertReadable);
            states += count;
        }

        Assert.True(states > 500, $"Only {states} states were read.");
    }

    [Fact]
    public void An_opcode_that_the_test_writes_is_executed_where_it_is_stored()
    {
        ModelVerdict verdict = Explore(
            "AArch64 Stored\n{ 0:X0=instr:\"ADD W1,W1,#1\"; 0:X2=P0:L0; }\nP0 ;\nSTR W0,[X2] ;\nDC CVAU,X2 "
                + ";\nDSB ISH ;\nIC IVAU,X2 ;\nDSB ISH ;\nISB ;\nL0: NOP ;\nlocations [0:X0;] forall (0:X1=1)"
        );
        Assert.Equal(Frequency.Always, verdict.Frequency);
        Assert.Equal("0:X0=instr:\"ADD W1,W1,#1\"; 0:X1=1;", Lines(verdict)[2]);
    }

    [Theory]
    [InlineData("Fault(P0:L0,x,D-MMU:Translation);", true)]
    [InlineData("Fault(P0:{L0,L1},x,MMU:Translation);", true)]
    [InlineData("Fault(P0:L1,x,MMU:Translation); ~Fault(P0:L0);", false)]
    [InlineData("~Fault(P0:L0);", false)]
    [InlineData("Fault(P1:L0,x);", false)]
    public void Faults_of_a_log_answer_the_questions_of_a_test(string line, bool answer)
    {
        HerdState state = Assert.Single(HerdLog.ReadStates($"Test T Allowed\nStates 1\n0:X0=1; {line}\nOk\n")["T"]);
        Assert.Equal(answer, state.Answers(new FaultQuestion(0, "L0", null, null)));
        Assert.Equal("1", state.Values["0:X0"]);
    }

    [Fact]
    public void A_log_with_arrays_and_faults_is_compared_with_what_is_explored()
    {
        using var folder = new Folder();
        string file = folder.Write("Faulting.litmus", Faulting + "locations [0:X0;] exists (fault(P0:L0,x))");
        folder.Write(
            "expected.txt",
            "Test Faulting Allowed\nStates 2\n0:X0=0; Fault(P0:L0,x,MMU:Translation);\n0:X0=0;  ~Fault(P0:L0,x);\nOk\n"
        );
        KnownAnswers.Comparison comparison = new KnownAnswers().Compare(
            TestOutcomes.Explore(LitmusParser.Parse(File.ReadAllText(file), file), CoreKind.AArch64)
        );
        Assert.Equal(1, comparison.Known);
        Assert.Empty(comparison.Disagreements);
    }

    private static ModelVerdict Explore(string text) =>
        ModelVerdict.Of(
            LitmusParser.Parse(text, "t.litmus"),
            CoreKind.AArch64,
            cancellation: TestContext.Current.CancellationToken
        );

    private static string[] Lines(ModelVerdict verdict) => HerdLog.Format(verdict).ReplaceLineEndings("\n").Split('\n');

    private static void AssertReadable(string line) => Assert.Matches(StateLine(), line);

    private sealed class Folder : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("crosscore-log-");

        public string Write(string name, string content)
        {
            string file = Path.Combine(_folder.FullName, name);
            File.WriteAllText(file, content);
            return file;
        }

        public void Dispose() => _folder.Delete(recursive: true);
    }

    [GeneratedRegex("""^Test [A-Za-z0-9_/.\-+\[\]:]+( [A-Za-z]+)?$""")]
    private static partial Regex TestLine();

    [GeneratedRegex(
        """
            ^(\s*
              ( ( \d+:[A-Za-z_.$][\w.]*
                  | \[?( (PTE|TTD|PA)\([A-Za-z_.$][\w.]*\) | [A-Za-z_.$][\w.]* )\]?
                  | [A-Za-z_.$][\w.]*\[\d+\] )
                \s*=\s*
                ( -?(0x[0-9a-fA-F]+|\d+)
                  | [A-Za-z_.$][\w.]*[-+](0x[0-9a-fA-F]+|\d+)
                  | [A-Za-z_.$][\w.]*(:[A-Za-z_.$][\w.]*)?
                  | (PTE|TTD|PA)\([A-Za-z_.$][\w.]*\)
                  | \{[ ,\-0-9a-fx]*\} | \([ _,:()A-Za-z0-9]+\) | label:"P?\d+:L[A-Za-z0-9]+" | instr:"[^'"]*" )
              | ~?[fF]ault\(P?\d+(:[A-Za-z_.$][\w.]*)?
                  (,([A-Za-z_.$][\w.]*|(PTE|TTD|PA)\([A-Za-z_.$][\w.]*\)))?
                  (,?[A-Za-z]+-?[A-Za-z]+:?[A-Za-z]+)?\)
              )\s*;)*\s*$
            """,
        RegexOptions.IgnorePatternWhitespace
    )]
    private static partial Regex StateLine();
}
