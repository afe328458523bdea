namespace Crosscore.Litmus.Tests.Arm.Oracle;

/// <summary>The operational machine allows what the axioms allow, no more and no less.</summary>
public class MachineComparisonTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("catalogue", 79)]
    [InlineData("cas", 31)]
    [InlineData("readers-guide", 44)]
    public void Every_public_test_about_data_has_the_outcomes_of_the_oracle(string folder, int count)
    {
        var texts = new List<(string, string)>();
        foreach ((string file, _) in OracleCorpus.Files(folder))
        {
            string text = File.ReadAllText(file);
            try
            {
                OracleReader.Read(text);
                texts.Add((System.IO.Path.GetFileName(file), text));
            }
            catch (OracleRefusal)
            {
                // OracleCorpusTests says which and why.
            }
        }

        Assert.Equal(count, texts.Count);
        AssertSame(texts);
    }

    [Fact]
    public void Every_classic_cycle_has_the_outcomes_of_the_oracle() => AssertSame([.. ArmCycles.All(mostOfShape: 150)]);

    private void AssertSame(List<(string Name, string Text)> tests)
    {
        var different = new List<string>();
        foreach ((string name, string text) in tests)
        {
            if (MachineComparison.Difference(text, name) is string difference)
            {
                different.Add($"{name}: {difference}{text}");
            }
        }

        output.WriteLine($"{tests.Count} tests compared.");
        output.WriteLine(string.Join('\n', different.GroupBy(text => text.Split('\n')[0].Split(": ", 2)[1]).Select(group => $"{group.Count()} of {group.Key}")));
        Assert.True(different.Count == 0, $"{different.Count} of {tests.Count} differ.\n" + string.Join('\n', different.Take(40)));
    }
}
