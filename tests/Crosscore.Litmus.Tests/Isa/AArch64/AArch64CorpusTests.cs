using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Isa.AArch64;

/// <summary>The AArch64 machine on the public tests whose answers others have published.</summary>
public class AArch64CorpusTests
{
    // Of the public folders, the file that is no test: a link that its archive kept as text.
    private const string NoTest = "MP+rel+CSEL-addr.litmus";

    [Fact]
    public void Every_public_AArch64_test_has_its_known_verdict()
    {
        var answers = new KnownAnswers();
        int known = 0;
        foreach (LitmusTest test in All())
        {
            KnownAnswers.Comparison comparison = answers.Compare(TestOutcomes.Explore(test, CoreKind.AArch64));
            Assert.True(comparison.Agrees, $"{test.File}: {string.Join("; ", comparison.Disagreements)}");
            known += comparison.Known;
        }

        Assert.Equal(KnownKinds, known);
    }

    [Fact]
    public void Promising_all_writes_first_finds_what_interleaving_finds_on_every_public_test()
    {
        int compared = 0;
        int tests = 0;
        foreach (LitmusTest test in All())
        {
            tests++;
            ModelVerdict first = TestOutcomes.Explore(test, CoreKind.AArch64);
            ModelVerdict interleaved = TestOutcomes.Explore(
                test,
                CoreKind.AArch64,
                new ExplorationOptions { Reductions = Reductions.All & ~Reductions.PromisesFirst, MaxStates = 20_000 }
            );
            if (interleaved.Exploration.Bounds == Bounds.None)
            {
                TestOutcomes.AssertEqual(interleaved, [.. first.Allowed]);
                compared++;
            }
        }

        Assert.Equal((277, 277), (compared, tests));
    }

    [Fact]
    public void Every_combination_of_reductions_finds_the_same_on_every_public_AArch64_test()
    {
        foreach (LitmusTest test in All())
        {
            ModelVerdict reference = TestOutcomes.Explore(test, CoreKind.AArch64);
            foreach (Reductions reductions in ReductionCheck.Combinations)
            {
                var options = new ExplorationOptions { Reductions = reductions | Reductions.PromisesFirst };
                TestOutcomes.AssertEqual(TestOutcomes.Explore(test, CoreKind.AArch64, options), [.. reference.Allowed]);
            }
        }
    }

    [Fact]
    public void Every_public_translation_test_that_is_understood_has_its_known_verdict()
    {
        var answers = new KnownAnswers();
        var refused = new List<string>();
        int known = 0;
        string folder = Path.Combine(Path.GetDirectoryName(Corpus.Folder())!, "aarch64-vmsa");
        foreach (string file in Directory.EnumerateFiles(folder, "*.litmus").Order(StringComparer.Ordinal))
        {
            try
            {
                KnownAnswers.Comparison comparison = answers.Compare(
                    TestOutcomes.Explore(LitmusParser.Parse(File.ReadAllText(file), file), CoreKind.AArch64)
                );
                Assert.True(comparison.Agrees, $"{file}: {string.Join("; ", comparison.Disagreements)}");
                known += comparison.Known;
            }
            catch (LitmusException error)
            {
                refused.Add(error.Message);
            }
        }

        Assert.True(known >= 199, $"Only {known} are understood.");
        Assert.Equal(
            172,
            refused.Count(reason =>
                reason.Contains("found TTHM= and an entry with af:0 or db:0", StringComparison.Ordinal)
            )
        );
        Assert.All(refused, reason => Assert.Matches("found TTHM=|found '\\('", reason));
    }

    [Fact]
    public void Our_cases_about_translation_and_changing_code_have_their_known_verdicts()
    {
        var answers = new KnownAnswers();
        int known = 0;
        string folder = Path.Combine(Path.GetDirectoryName(Corpus.Folder())!, "aarch64-cases");
        foreach (string file in Directory.EnumerateFiles(folder, "*.litmus").Order(StringComparer.Ordinal))
        {
            // The others are about single instructions.
            string text = File.ReadAllText(file);
            if (text.Contains("PTE(", StringComparison.Ordinal) || text.Contains("IC IVAU", StringComparison.Ordinal))
            {
                KnownAnswers.Comparison comparison = answers.Compare(
                    TestOutcomes.Explore(LitmusParser.Parse(text, file), CoreKind.AArch64)
                );
                Assert.True(comparison.Agrees, $"{file}: {string.Join("; ", comparison.Disagreements)}");
                known += comparison.Known;
            }
        }

        Assert.Equal(KnownCases, known);
    }

    private const int KnownCases = 51;

    private const int KnownKinds = 263;

    private static IEnumerable<LitmusTest> All()
    {
        string root = Path.GetDirectoryName(Corpus.Folder())!;
        return ((string[])["aarch64", "aarch64-ifetch"])
            .SelectMany(folder =>
                Directory.EnumerateFiles(Path.Combine(root, folder), "*.litmus", SearchOption.AllDirectories)
            )
            .Where(file => Path.GetFileName(file) != NoTest)
            .Order(StringComparer.Ordinal)
            .Select(file => LitmusParser.Parse(File.ReadAllText(file), file));
    }
}
