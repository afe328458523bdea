namespace Crosscore.Litmus.Tests.Arm.Oracle;

/// <summary>The operational machine allows what the axioms allow, no more and no less.</summary>
public class MachineComparisonTests(ITestOutputHelper output)
{
    // Which random programs are made; a failure names its program's own seed and prints the program, shrunk. Another block of seeds looks at others.
    private static readonly int FirstSeed = Setting("CROSSCORE_ARM_SEED", 0);

    // How many times as many; by default as many as a run of all tests can bear.
    private static readonly int Factor = Setting("CROSSCORE_ARM_FACTOR", 1);

    [Theory]
    [InlineData("catalogue", 79)]
    [InlineData("cas", 31)]
    [InlineData("readers-guide", 44)]
    public void Every_public_test_about_data_has_the_outcomes_of_the_oracle(string folder, int count)
    {
        // OracleCorpusTests says which tests the oracle refuses, and why.
        IEnumerable<(string File, string Text)> texts = OracleCorpus.Files(folder).Select(test => (test.File, File.ReadAllText(test.File)));
        Assert.Equal(count, Judged([.. texts]));
    }

    [Fact]
    public void Every_classic_cycle_has_the_outcomes_of_the_oracle()
    {
        List<(string, string)> cycles = [.. ArmCycles.All(mostOfShape: 120)];
        Assert.True(cycles.Count > 1_500, $"Only {cycles.Count} cycles were made.");
        Assert.Equal(cycles.Count, Judged(cycles));
    }

    [Theory]
    [InlineData(ArmIngredients.Plain, 250)]
    [InlineData(ArmIngredients.Atomics, 250)]
    [InlineData(ArmIngredients.Exclusives, 60)]
    [InlineData(ArmIngredients.Picks, 250)]
    [InlineData(ArmIngredients.Picks | ArmIngredients.Atomics | ArmIngredients.Branches, 250)]
    [InlineData(ArmIngredients.Addressing, 150)]
    [InlineData(ArmIngredients.Loops | ArmIngredients.Branches, 100)]
    public void Every_random_program_has_the_outcomes_of_the_oracle(ArmIngredients ingredients, int count)
    {
        count *= Factor;
        int judged = JudgedRandom(ingredients, count);

        // Programs that are too large for one of the two are passed over; they must stay the exception.
        Assert.True(judged * 10 >= count * 8, $"Only {judged} of {count} programs were judged.");
    }

    [Fact]
    public void A_program_with_accesses_of_several_widths_is_refused_or_has_the_outcomes_of_the_oracle() => JudgedRandom(ArmIngredients.MixedSizes, 100);

    // LB: the failed compare-and-swap wrote nothing, so DMB ST has nothing to hold the store back for, and a read is not its business. The axioms allow it; a
    // promise of the store is certified in a memory where the comparison still succeeds, and there DMB ST does order two writes.
    [Fact]
    public void A_store_behind_DMB_ST_does_not_pass_a_compare_and_swap_that_will_fail_though_the_axioms_allow_it()
    {
        string text = ArmText.Write("LB+cas-fail-dmb.st+addr", ["int x", "int y"], [["X7=1", "X8=2", "X11=x", "X12=y"], ["X7=1", "X11=x", "X12=y"]],
            [["CAS W0,W8,[X11]", "DMB ST", "STR W7,[X12]"], ["LDR W0,[X12]", "EOR W1,W0,W0", "STR W7,[X11,W1,SXTW]"]], ["0:X0", "1:X0", "x", "y"]);
        ComparisonResult result = MachineComparison.Compare(text, "LB+cas-fail-dmb.st+addr");
        Assert.Equal("the machine lacks\n    0:X0=1; 1:X0=1; [x]=1; [y]=1;\nand adds\n\n", result.Difference);
        Assert.True(result.OnlyLacks);
    }

    private static bool HasKnownGap(RandomArmProgram program) => program.Columns.Any(column =>
        column.SkipWhile(line => !line.StartsWith("CAS", StringComparison.Ordinal)).Any(line => line is "DMB ST" or "DMB ISHST" or "DSB ST"));

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is string text ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : otherwise;

    private int Judged(List<(string Name, string Text)> tests)
    {
        var different = new List<string>();
        int judged = 0;
        foreach ((string name, string text) in tests)
        {
            ComparisonResult result = MachineComparison.Compare(text, name);
            judged += result.NotJudged is null ? 1 : 0;
            if (result.NotJudged is not null)
            {
                output.WriteLine($"{name}: {result.NotJudged}");
            }

            if (result.Difference is not null)
            {
                different.Add($"{name}: {result.Difference}{text}");
            }
        }

        Assert.True(different.Count == 0, $"{different.Count} of {tests.Count} differ.\n" + string.Join('\n', different.Take(20)));
        return judged;
    }

    private int JudgedRandom(ArmIngredients ingredients, int count)
    {
        var reasons = new List<string>();
        for (int seed = FirstSeed; seed < FirstSeed + count; seed++)
        {
            RandomArmProgram program = RandomArmProgram.Make(seed, ingredients);
            ComparisonResult result = Compare(program);
            if (result.NotJudged is string reason)
            {
                reasons.Add(reason);
            }
            else if (result.Difference is not null && result.OnlyLacks && HasKnownGap(program))
            {
                reasons.Add("a compare-and-swap before DMB ST");
            }
            else if (result.Difference is not null)
            {
                // The first smaller one that still differs, again and again.
                while (RandomArmProgram.Shrink(program).FirstOrDefault(smaller => Compare(smaller).Difference is not null) is RandomArmProgram smaller)
                {
                    program = smaller;
                }

                Assert.Fail($"{Compare(program).Difference}{program}");
            }
        }

        output.WriteLine($"{count - reasons.Count} of {count} judged. {string.Join(", ", reasons.GroupBy(reason => reason).Select(group => $"{group.Count()}: {group.Key}").Take(5))}");
        return count - reasons.Count;
    }

    private static ComparisonResult Compare(RandomArmProgram program) => MachineComparison.Compare(program.Text, $"seed-{program.Seed}.litmus", mostStates: 60_000);
}
