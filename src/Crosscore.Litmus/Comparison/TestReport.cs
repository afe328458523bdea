using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Comparison;

/// <summary>How an examination of a test came out; the worst that applies.</summary>
public enum TestVerdict
{
    /// <summary>Nothing contradicts anything.</summary>
    Agrees,

    /// <summary>A bound was hit, and what was not explored could change the answer.</summary>
    Undecided,

    /// <summary>No execution comes to an end, so there is no final state of which the condition could be true or false.</summary>
    NeverEnds,

    /// <summary>The test could not be run here; <see cref="TestReport.NotRunBecause"/> says why.</summary>
    NotRun,

    /// <summary>A control: its outcome must be seen here, or its neighbours prove nothing, and it was not.</summary>
    ControlNotSeen,

    /// <summary>The model contradicts a known answer or the test's own expectation.</summary>
    Disagrees,

    /// <summary>This machine showed an outcome that the model forbids. Either the model is wrong, or the machine is, or the runner.</summary>
    ForbiddenSeen,
}

/// <summary>An outcome, and what is known of it.</summary>
/// <param name="Outcome">The outcome.</param>
/// <param name="IsAllowed">Whether the model allows it; <see langword="null"/> when the model was not asked.</param>
/// <param name="IsWeak">Whether no interleaving explains it: sequential consistency forbids it.</param>
/// <param name="IsWitness">Whether the condition's proposition is true of it.</param>
/// <param name="Seen">How often it was seen; <see langword="null"/> when the test was not run.</param>
public sealed record GradedOutcome(Outcome Outcome, bool? IsAllowed, bool IsWeak, bool IsWitness, long? Seen);

/// <summary>Everything found out about one test.</summary>
public sealed class TestReport
{
    /// <summary>The test.</summary>
    public required LitmusTest Test { get; init; }

    /// <summary>The model's verdict, when it was asked for.</summary>
    public ModelVerdict? Model { get; init; }

    /// <summary>The verdict under sequential consistency, the measure of what is weak; none of a test that is about kernel designs.</summary>
    public ModelVerdict? Sequential { get; init; }

    /// <summary>The verdicts on kernel designs, when the test is about them or that was asked for.</summary>
    public IReadOnlyList<DesignReport> Designs { get; init; } = [];

    /// <summary>The test's memory.</summary>
    public MemoryLayout Layout => field ??= new MemoryLayout(Test.Variables);

    /// <summary>What was known before, compared with <see cref="Model"/>.</summary>
    public KnownAnswers.Comparison? Known { get; init; }

    /// <summary>What was seen on this machine, when it was run.</summary>
    public MachineRun? Run { get; init; }

    /// <summary>Why it was not run although that was asked for.</summary>
    public string? NotRunBecause { get; init; }

    /// <summary>The allowed and the seen outcomes, sorted.</summary>
    public IReadOnlyList<GradedOutcome> Outcomes => field ??= Grade();

    /// <summary>How it came out.</summary>
    public TestVerdict Verdict => Judge();

    /// <summary>What was seen and the test's filter lets through.</summary>
    public IReadOnlyDictionary<Outcome, long> Seen => field ??= new SortedDictionary<Outcome, long>(
        (Run?.Histogram ?? new Dictionary<Outcome, long>()).Where(entry => Test.PassesFilter(entry.Key)).ToDictionary(), Outcome.Order(Test));

    /// <summary>How often an outcome was seen for which the condition's proposition is true.</summary>
    public long WitnessesSeen => Outcomes.Sum(outcome => outcome.IsWitness ? outcome.Seen ?? 0 : 0);

    /// <summary>
    /// Whether the examination failed. An expectation that could not be decided is not met; nor is a wish to run a test, and nothing else, that could not be run.
    /// </summary>
    public bool IsFailure => Verdict switch
    {
        TestVerdict.Agrees => false,
        TestVerdict.Undecided => Known is { Known: > 0 } || Designs.Any(design => design.Expected is not null),
        TestVerdict.NotRun => Model is null && Designs.Count == 0,
        _ => true,
    };

    private TestVerdict Judge()
    {
        // Seen but not found is a contradiction only where everything was looked at.
        if (Model is { IsComplete: true } && Outcomes.Any(outcome => outcome is { IsAllowed: false, Seen: > 0 }))
        {
            return TestVerdict.ForbiddenSeen;
        }

        if (Designs.Any(design => design.Disagrees))
        {
            return TestVerdict.Disagrees;
        }

        if (Known is { Agrees: false })
        {
            return Model is { IsComplete: false } ? TestVerdict.Undecided : TestVerdict.Disagrees;
        }

        if (Run is not null && Expectation.MustBeSeen(Test) && WitnessesSeen == 0)
        {
            return TestVerdict.ControlNotSeen;
        }

        return Model is { IsComplete: true, Exploration.FinalStates.Count: 0 } ? TestVerdict.NeverEnds
            : NotRunBecause is not null ? TestVerdict.NotRun
            : Model is { IsFinal: false } || Designs.Any(design => design.Verdict is { IsFinal: false }) ? TestVerdict.Undecided
            : TestVerdict.Agrees;
    }

    private List<GradedOutcome> Grade()
    {
        IEnumerable<Outcome> all = (Model?.Allowed ?? []).Concat(Seen.Keys).Distinct();
        return [.. all.Order(Outcome.Order(Test)).Select(outcome => new GradedOutcome(
            outcome,
            Model?.Allows(outcome),
            Sequential is { IsComplete: true } && !Sequential.Allows(outcome),
            (Model ?? Sequential)!.IsWitness(outcome),
            Run is null ? null : Seen.GetValueOrDefault(outcome)))];
    }
}
