using System.Globalization;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// The machine's translation of addresses against the axioms: on the shapes that the rules are about, and on random
/// programs (<see cref="TranslationPrograms"/>). CROSSCORE_ARM_SEED chooses other programs,
/// CROSSCORE_ARM_FACTOR more of them: 50 for 20,000.
/// </summary>
public class TranslationComparisonTests
{
    private static int Seed =>
        int.Parse(Environment.GetEnvironmentVariable("CROSSCORE_ARM_SEED") ?? "1", CultureInfo.InvariantCulture);

    private static int Factor =>
        int.Parse(Environment.GetEnvironmentVariable("CROSSCORE_ARM_FACTOR") ?? "1", CultureInfo.InvariantCulture);

    private static readonly Lazy<(TranslationProgram Program, HashSet<string> Machine)[]> Pool = new(() =>
    {
        var random = new Random(7);
        IEnumerable<TranslationProgram> programs = TranslationPrograms
            .Shapes()
            .Concat(Enumerable.Range(0, 200).Select(_ => TranslationPrograms.Random(random)));
        return [.. programs.Select(program => (program, TranslationText.OutcomesOfMachine(program)))];
    });

    public static TheoryData<string> Rules => [.. Named(TranslationRules.All)];

    public static TheoryData<string> Misreadings => [.. Named(~TranslationRules.All)];

    [Fact]
    public void The_oracle_knows_what_an_invalidation_needs()
    {
        TranslatedStep[] reader =
        [
            new(TranslationStep.LoadFlag),
            new(TranslationStep.LoadBarrier),
            new(TranslationStep.LoadMemory),
        ];
        TranslatedStep[] unmap =
        [
            new(TranslationStep.StoreEntry, Entry: TranslationProgram.Nowhere),
            new(TranslationStep.Completion),
            new(TranslationStep.Invalidate),
            new(TranslationStep.Completion),
            new(TranslationStep.StoreFlag),
        ];
        string stale = $"1.0:{TranslationProgram.ValueOf(0, 4)} 1.2:0";
        Assert.DoesNotContain(stale, TranslationOracle.OutcomesOf(TranslationProgram.Of(0, unmap, reader)));
        for (int left = 1; left < 4; left++)
        {
            TranslatedStep[] without = [.. unmap];
            without[left] = new TranslatedStep(TranslationStep.StoreBarrier);
            Assert.Contains(stale, TranslationOracle.OutcomesOf(TranslationProgram.Of(0, without, reader)));
        }
    }

    [Fact]
    public void The_machine_finds_what_the_axioms_allow_on_every_shape()
    {
        foreach (TranslationProgram shape in TranslationPrograms.Shapes())
        {
            AssertSame(shape, TranslationText.OutcomesOfMachine(shape));
        }
    }

    [Fact]
    public void The_machine_finds_what_the_axioms_allow_on_random_programs_about_translation()
    {
        var random = new Random(Seed);
        int several = 0;
        int faults = 0;
        for (int number = 0; number < 400 * Factor; number++)
        {
            TranslationProgram program = TranslationPrograms.Random(random);
            IReadOnlySet<string> expected = AssertSame(program, TranslationText.OutcomesOfMachine(program));
            several += expected.Count > 1 ? 1 : 0;
            faults += expected.Any(outcome => outcome.Contains("fault", StringComparison.Ordinal)) ? 1 : 0;
        }

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{400 * Factor} programs of seed {Seed}, {faults} of them with faults, {several} with several outcomes"
        );
        Assert.True(several > 200 * Factor, "Most of the programs have one outcome: they show nothing.");
        Assert.True(faults > 100 * Factor, "Few of the programs fault.");
    }

    [Fact]
    public void Interleaving_every_step_finds_what_the_axioms_allow_on_random_programs_about_translation()
    {
        var random = new Random(Seed + 1);
        var options = new ExplorationOptions { Reductions = Reductions.All & ~Reductions.PromisesFirst };
        for (int number = 0; number < 40 * Factor; number++)
        {
            TranslationProgram program = TranslationPrograms.Random(random);
            AssertSame(program, TranslationText.OutcomesOfMachine(program, options));
        }
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public void Without_a_rule_of_translation_some_program_allows_more(string name)
    {
        TranslationRules rules = TranslationRules.All & ~Enum.Parse<TranslationRules>(name);
        Assert.True(
            Array.Exists(
                Pool.Value,
                known => TranslationOracle.OutcomesOf(known.Program, rules).IsProperSupersetOf(known.Machine)
            ),
            $"No program hangs on {name}."
        );
    }

    [Theory]
    [MemberData(nameof(Misreadings))]
    public void With_a_misreading_of_translation_some_program_has_other_outcomes(string name)
    {
        TranslationRules rules = TranslationRules.All | Enum.Parse<TranslationRules>(name);
        Assert.True(
            Array.Exists(
                Pool.Value,
                known => !TranslationOracle.OutcomesOf(known.Program, rules).SetEquals(known.Machine)
            ),
            $"No program tells {name} from the rules."
        );
    }

    private static IEnumerable<string> Named(TranslationRules among) =>
        Enum.GetValues<TranslationRules>()
            .Where(rule => rule is not (TranslationRules.None or TranslationRules.All) && (rule & among) != 0)
            .Select(rule => rule.ToString());

    private static IReadOnlySet<string> AssertSame(TranslationProgram program, HashSet<string> machine)
    {
        IReadOnlySet<string> expected = TranslationOracle.OutcomesOf(program);
        Assert.True(
            machine.SetEquals(expected),
            $"{TranslationText.Of(program)}\nthe axioms alone: {string.Join(" | ", expected.Except(machine))}\nthe "
                + $"machine alone: {string.Join(" | ", machine.Except(expected))}"
        );
        return expected;
    }
}
