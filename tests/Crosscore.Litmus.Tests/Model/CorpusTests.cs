using System.Text.RegularExpressions;
using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Isa.X86_64.Oracle;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>The model on a thousand public tests whose answers others have published.</summary>
public partial class CorpusTests
{
    [Fact]
    public void Every_public_test_has_its_known_verdict_and_its_known_set_of_final_states()
    {
        var answers = new KnownAnswers();
        int known = 0;
        foreach (LitmusTest test in Corpus.All())
        {
            KnownAnswers.Comparison comparison = answers.Compare(TestOutcomes.Explore(test, CoreKind.X86Tso));
            Assert.True(comparison.Agrees, $"{test.File}: {string.Join("; ", comparison.Disagreements)}");
            Assert.True(comparison.Known > 0, $"Nothing is known of {test.File}.");
            known += comparison.Known;
        }

        // 28 of the catalogue with one answer; 976 shapes with a verdict and a set of final states.
        Assert.Equal(28 + (2 * 976), known);
    }

    [Theory]
    [InlineData(CoreKind.X86Tso)]
    [InlineData(CoreKind.Sc)]
    public void Every_public_test_has_the_final_states_of_the_oracle(CoreKind core)
    {
        foreach (LitmusTest test in Corpus.All())
        {
            HashSet<Outcome>? expected = OracleSearch.Outcomes(test, core);
            Assert.True(expected is not null, $"{test.File} has too many states for the oracle.");
            TestOutcomes.AssertEqual(TestOutcomes.Explore(test, core), expected);
        }
    }

    [Fact]
    public void Every_combination_of_reductions_finds_the_same_on_every_public_test()
    {
        foreach (LitmusTest test in Corpus.All())
        {
            ReductionCheck.AllAgree(test, mostStates: int.MaxValue - 1);
        }
    }

    [Fact]
    public void Every_shortest_way_is_an_execution_of_the_oracle_on_every_public_test()
    {
        foreach (LitmusTest test in Corpus.All())
        {
            ModelVerdict verdict = TestOutcomes.Explore(test, CoreKind.X86Tso);
            foreach (Outcome outcome in verdict.Allowed)
            {
                TraceReplay.AssertLegal(verdict, outcome);
            }
        }
    }

    [Fact]
    public void Herds_log_and_ours_are_the_same_text()
    {
        int compared = 0;
        int othersOfTheName = 0;
        int otherCounts = 0;
        foreach (
            IGrouping<string, LitmusTest> folder in Corpus.All().GroupBy(test => Path.GetDirectoryName(test.File)!)
        )
        {
            string file = Path.Combine(folder.Key, "expected.txt");
            if (!File.Exists(file))
            {
                continue;
            }

            Dictionary<string, string> theirs = Entries(File.ReadAllText(file));
            foreach (LitmusTest test in folder)
            {
                string their = theirs[test.Name];
                string our = HerdLog.Format(TestOutcomes.Explore(test, CoreKind.X86Tso)).TrimEnd();
                compared++;
                if (Question(their) != Question(our))
                {
                    othersOfTheName++;
                }
                else if (their != our)
                {
                    otherCounts++;
                    Assert.Equal(WithoutCounts(their), WithoutCounts(our));
                }
            }
        }

        Assert.Equal(976, compared);

        // Tests of one name of which the log has another (10 look at other locations, 2 ask another condition), and
        // tests where several executions end alike.
        Assert.Equal((12, 7), (othersOfTheName, otherCounts));
    }

    private static Dictionary<string, string> Entries(string log)
    {
        var entries = new Dictionary<string, string>();
        foreach (string entry in log.Split("Test ", StringSplitOptions.RemoveEmptyEntries))
        {
            string[] lines =
            [
                .. entry
                    .Split('\n')
                    .Select(line => line.TrimEnd())
                    .Where(line =>
                        line.Length > 0
                        && !line.StartsWith("Time ", StringComparison.Ordinal)
                        && !line.StartsWith("Hash", StringComparison.Ordinal)
                    ),
            ];
            entries[lines[0].Split(' ')[0]] = "Test " + string.Join('\n', lines);
        }

        return entries;
    }

    // What the test looks at and what it asks: the parts of a final state, and the condition.
    private static string Question(string entry) =>
        string.Join(';', entry.Split('\n')[2].Split(';').Select(part => part.Split('=')[0]))
        + entry.Split('\n').Single(line => line.StartsWith("Condition ", StringComparison.Ordinal));

    private static string WithoutCounts(string entry) => Counts().Replace(entry, "");

    [GeneratedRegex(@"^(Positive: .*|Observation .*)$", RegexOptions.Multiline)]
    private static partial Regex Counts();
}
