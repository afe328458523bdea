namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>The oracle on public tests whose answers others have published: only then may it judge anything.</summary>
public class OracleCorpusTests(ITestOutputHelper output)
{
    // All that is not about data alone, by the property that says so.
    private static readonly string[] BeyondData = ["vmsa", "ifetch", "no AArch64 litmus test"];

    [Theory]
    [InlineData("catalogue", 70, 1)]
    [InlineData("cas", 31, 0)]
    [InlineData("readers-guide", 44, 6)]
    public void Every_public_test_about_data_has_its_known_kind(string folder, int known, int refused)
    {
        int compared = 0;
        var refusals = new List<string>();
        var wrong = new List<string>();
        foreach ((string file, string? kind) in OracleCorpus.Files(folder))
        {
            OracleTest test;
            try
            {
                test = OracleReader.Read(File.ReadAllText(file));
            }
            catch (OracleRefusal refusal)
            {
                Assert.True(
                    Array.Exists(
                        BeyondData,
                        property => refusal.Message.Contains(property, StringComparison.OrdinalIgnoreCase)
                    ),
                    $"{file}: {refusal.Message}"
                );
                refusals.Add($"{System.IO.Path.GetFileName(file)}: {refusal.Message}");
                continue;
            }

            HashSet<FinalState> outcomes = AxiomaticOracle.Outcomes(test);
            Assert.NotEmpty(outcomes);
            string answer = test.Kind(outcomes);
            if (kind is null)
            {
                output.WriteLine($"{test.Name}: {answer}, no known kind");
                continue;
            }

            compared++;
            if (kind != answer)
            {
                wrong.Add(
                    $"{test.Name}: {answer}, but known as {kind}\n"
                        + string.Join('\n', outcomes.Select(outcome => "    " + outcome.Describe(test)))
                );
            }
        }

        output.WriteLine(string.Join('\n', refusals));
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.Equal((known, refused), (compared, refusals.Count));
    }
}
