namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>The operational machine allows what the axioms allow, no more and no less.</summary>
public class MachineComparisonTests(ITestOutputHelper output)
{
    // Which random programs are made; a failure names its program's own seed and prints the program, shrunk. Another
    // block of seeds looks at others.
    private static readonly int FirstSeed = Setting("CROSSCORE_ARM_SEED", 0);

    // How many times as many; by default as many as a run of all tests can bear.
    private static readonly int Factor = Setting("CROSSCORE_ARM_FACTOR", 1);

    [Theory]
    [InlineData("catalogue", 79, 79)]
    [InlineData("cas", 31, 31)]
    [InlineData("readers-guide", 44, 44)]
    public void Every_public_test_about_data_has_the_outcomes_of_the_oracle(string folder, int count, int interleaved)
    {
        // OracleCorpusTests says which tests the oracle refuses, and why.
        IEnumerable<(string File, string Text)> texts = OracleCorpus
            .Files(folder)
            .Select(test => (test.File, File.ReadAllText(test.File)));
        Assert.Equal((count, interleaved), Judged([.. texts]));
    }

    [Fact]
    public void Every_classic_cycle_has_the_outcomes_of_the_oracle()
    {
        List<(string, string)> cycles = [.. AArch64Cycles.All(mostOfShape: 120)];
        Assert.True(cycles.Count > 1_500, $"Only {cycles.Count} cycles were made.");
        (int first, int interleaved) = Judged(cycles);
        Assert.Equal(cycles.Count, first);

        // The larger ones of three threads are too large interleaved.
        Assert.True(interleaved >= 1_900, $"Only {interleaved} cycles were judged interleaved.");
    }

    [Theory]
    [InlineData(AArch64Ingredients.Plain, 250)]
    [InlineData(AArch64Ingredients.Atomics, 250)]
    [InlineData(AArch64Ingredients.Exclusives, 60)]
    [InlineData(AArch64Ingredients.Picks, 250)]
    [InlineData(AArch64Ingredients.Picks | AArch64Ingredients.Atomics | AArch64Ingredients.Branches, 250)]
    [InlineData(AArch64Ingredients.Addressing, 150)]
    [InlineData(AArch64Ingredients.Loops | AArch64Ingredients.Branches, 100)]
    public void Every_random_program_has_the_outcomes_of_the_oracle(AArch64Ingredients ingredients, int count)
    {
        count *= Factor;
        (int judged, int interleaved) = JudgedRandom(ingredients, count);

        // Programs that are too large for one of the two are passed over; they must stay the exception. Interleaved,
        // those with exclusives mostly are.
        Assert.True(judged * 10 >= count * 8, $"Only {judged} of {count} programs were judged.");
        Assert.True(interleaved * 10 >= count * 3, $"Only {interleaved} of {count} programs were judged interleaved.");
    }

    [Fact]
    public void A_program_with_accesses_of_several_widths_is_refused_or_has_the_outcomes_of_the_oracle() =>
        JudgedRandom(AArch64Ingredients.MixedSizes, 100);

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is string text
            ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture)
            : otherwise;

    private (int First, int Interleaved) Judged(List<(string Name, string Text)> tests)
    {
        var different = new List<string>();
        int judged = 0;
        int interleaved = 0;
        foreach ((string name, string text) in tests)
        {
            ComparisonResult result = MachineComparison.Compare(text, name);
            judged += result.NotJudged is null ? 1 : 0;
            interleaved += result.InterleavedNotJudged is null ? 1 : 0;
            if ((result.NotJudged ?? result.InterleavedNotJudged) is string reason)
            {
                output.WriteLine($"{name}: {reason}");
            }

            if (result.Difference is not null)
            {
                different.Add($"{name}: {result.Difference}{text}");
            }
        }

        output.WriteLine($"{judged} of {tests.Count} judged, {interleaved} interleaved.");
        Assert.True(
            different.Count == 0,
            $"{different.Count} of {tests.Count} differ.\n" + string.Join('\n', different.Take(20))
        );
        return (judged, interleaved);
    }

    private (int First, int Interleaved) JudgedRandom(AArch64Ingredients ingredients, int count)
    {
        var reasons = new List<string>();
        int judged = 0;
        int interleaved = 0;
        for (int seed = FirstSeed; seed < FirstSeed + count; seed++)
        {
            RandomAArch64Program program = RandomAArch64Program.Make(seed, ingredients);
            ComparisonResult result = Compare(program);
            judged += result.NotJudged is null ? 1 : 0;
            interleaved += result.InterleavedNotJudged is null ? 1 : 0;
            reasons.AddRange(new[] { result.NotJudged, result.InterleavedNotJudged }.OfType<string>());
            if (result.Difference is not null)
            {
                // The first smaller one that still differs, again and again.
                while (
                    RandomAArch64Program
                        .Shrink(program)
                        .FirstOrDefault(smaller => Compare(smaller).Difference is not null)
                        is RandomAArch64Program smaller
                )
                {
                    program = smaller;
                }

                Assert.Fail($"{Compare(program).Difference}{program}");
            }
        }

        IEnumerable<string> groups = reasons.GroupBy(reason => reason).Select(group => $"{group.Count()}: {group.Key}");
        output.WriteLine($"{judged} of {count} judged, {interleaved} interleaved. {string.Join(", ", groups.Take(5))}");
        return (judged, interleaved);
    }

    private static ComparisonResult Compare(RandomAArch64Program program) =>
        MachineComparison.Compare(program.Text, $"seed-{program.Seed}.litmus", mostStates: 60_000);
}
