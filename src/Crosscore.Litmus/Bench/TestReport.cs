using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Bench;

/// <summary>How an examination of a test came out; the worst that applies.</summary>
public enum TestVerdict
{
    /// <summary>Everything that was expected of the test came out so.</summary>
    AsExpected,

    /// <summary>Nothing was expected of the test, and its question is not violated.</summary>
    NoExpectation,

    /// <summary>
    /// This machine showed an outcome that the model forbids, and a defect of its kernel that is known explains it.
    /// </summary>
    KnownDefect,

    /// <summary>A bound was hit, and what was not explored could change the answer.</summary>
    Undecided,

    /// <summary>The test could not be run here; <see cref="TestReport.NotRunBecause"/> says why.</summary>
    NotRun,

    /// <summary>
    /// Nothing was expected of the test, and a kernel design makes possible what the one that it extends forbids.
    /// </summary>
    Worse,

    /// <summary>
    /// Nothing was expected of the test, and its own question is violated: <c>~exists</c> or <c>forall</c> is false.
    /// </summary>
    Violated,

    /// <summary>
    /// No execution terminates, so there is no final state of which the condition could be true or false.
    /// </summary>
    NeverEnds,

    /// <summary>A control: its outcome must be seen here, or its neighbors prove nothing, and it was not.</summary>
    ControlNotSeen,

    /// <summary>The model contradicts a known answer or the test's own expectation.</summary>
    NotAsExpected,

    /// <summary>
    /// This machine showed an outcome that the model forbids. Either the model is wrong, or the machine is, or the
    /// runner.
    /// </summary>
    ForbiddenSeen,
}

/// <summary>An outcome, and what is known of it.</summary>
/// <param name="Outcome">The outcome.</param>
/// <param name="IsAllowed">Whether the model allows it; <see langword="null"/> when the model was not asked.</param>
/// <param name="IsWeak">Whether no interleaving explains it: sequential consistency forbids it.</param>
/// <param name="IsWitness">Whether the condition's proposition is true of it.</param>
/// <param name="Seen">How often it was seen; <see langword="null"/> when the test was not run.</param>
internal sealed record GradedOutcome(Outcome Outcome, bool? IsAllowed, bool IsWeak, bool IsWitness, long? Seen);

/// <summary>Everything found out about one test.</summary>
internal sealed class TestReport
{
    private TestVerdict? _verdict;

    /// <summary>Gets the test.</summary>
    public required LitmusTest Test { get; init; }

    /// <summary>Gets the model's verdict, when it was asked for.</summary>
    public ModelVerdict? Model { get; init; }

    /// <summary>
    /// Gets the verdict under sequential consistency, the measure of what is weak; none of a test that is about kernel
    /// designs.
    /// </summary>
    public ModelVerdict? Sequential { get; init; }

    /// <summary>Gets the verdicts on kernel designs, when the test is about them or that was asked for.</summary>
    public IReadOnlyList<DesignReport> Designs { get; init; } = [];

    /// <summary>Gets the test's memory.</summary>
    public MemoryLayout Layout => field ??= new MemoryLayout(Test.Variables);

    /// <summary>Gets what was known before, compared with <see cref="Model"/>.</summary>
    public KnownAnswers.Comparison? Known { get; init; }

    /// <summary>Gets what was seen on this machine, when it was run.</summary>
    public MachineRun? Run { get; init; }

    /// <summary>Gets why it was not run although that was asked for.</summary>
    public string? NotRunBecause { get; init; }

    /// <summary>Gets the allowed and the seen outcomes, sorted.</summary>
    public IReadOnlyList<GradedOutcome> Outcomes => field ??= Grade();

    /// <summary>Gets how it came out.</summary>
    public TestVerdict Verdict => _verdict ??= Judge();

    /// <summary>Gets what was seen and the test's filter lets through.</summary>
    public IReadOnlyDictionary<Outcome, long> Seen =>
        field ??= new SortedDictionary<Outcome, long>(
            (Run?.Histogram ?? new Dictionary<Outcome, long>())
                .Where(entry => Test.PassesFilter(entry.Key))
                .ToDictionary(),
            Outcome.Order(Test)
        );

    /// <summary>Gets how often an outcome was seen for which the condition's proposition is true.</summary>
    public long WitnessesSeen => Outcomes.Sum(outcome => outcome.IsWitness ? outcome.Seen ?? 0 : 0);

    /// <summary>
    /// Gets the defect of this kernel that explains the forbidden outcomes that were seen; <see langword="null"/> when
    /// none does.
    /// </summary>
    public KnownDefect? Defect { get; private init; }

    /// <summary>Gets the same with what explains its forbidden outcomes.</summary>
    internal TestReport With(KnownDefect? defect) =>
        new()
        {
            Test = Test,
            Model = Model,
            Sequential = Sequential,
            Known = Known,
            Run = Run,
            NotRunBecause = NotRunBecause,
            Designs = Designs,
            Defect = defect,
        };

    /// <summary>Gets the outcomes that were seen although the fully explored model forbids them.</summary>
    public IEnumerable<GradedOutcome> Forbidden =>
        Model is { IsComplete: true } ? Outcomes.Where(outcome => outcome is { IsAllowed: false, Seen: > 0 }) : [];

    /// <summary>Gets what a reader should know of how the question was read.</summary>
    public IEnumerable<string> Notes =>
        new[] { Model }
            .Concat(Designs.Select(design => design.Verdict))
            .Select(verdict => verdict?.Note)
            .OfType<string>()
            .Distinct();

    /// <summary>Whether something was expected: of the model, of a design, or of this machine.</summary>
    public bool HasExpectation =>
        Known is { Known: > 0 }
        || Designs.Any(design => design is { Expected: not null, Verdict: not null })
        || ExpectedOfRun is not null
        || (Run is not null && Expectation.MustBeSeen(Test));

    /// <summary>Whether, by the model or on one of the designs, some execution may hang.</summary>
    public bool MayHang => Model is { MayHang: true } || Designs.Any(design => design.Verdict is { MayHang: true });

    /// <summary>
    /// Whether, by the model or on one of the designs, it is not known whether executions terminate.
    /// </summary>
    public bool HangsNotLookedFor =>
        Model is { Exploration.Endings: Endings.NotLookedFor }
        || Designs.Any(design => design.Verdict is { Exploration.Endings: Endings.NotLookedFor });

    /// <summary>Whether it did not run although something is expected of it, or nothing else was asked.</summary>
    public bool IsMissed =>
        NotRunBecause is not null
        && ((Model is null && Designs.Count == 0) || Designs.Any(design => design.Expected is not null));

    /// <summary>Gets the designs on which no execution ends.</summary>
    public IEnumerable<DesignReport> Endless =>
        Designs.Where(design => design.Verdict is { Answer: TestAnswer.NeverEnds });

    /// <summary>
    /// Gets what the test expects, where it only ran: a number of trials can contradict <see cref="Frequency.Never"/>
    /// and <see cref="Frequency.Always"/>.
    /// </summary>
    public Frequency? ExpectedOfRun => Run is not null && Model is null ? Expectation.Of(Test, CoreKind.X86Tso) : null;

    /// <summary>Whether what was seen contradicts <see cref="ExpectedOfRun"/>.</summary>
    public bool RunContradicts =>
        ExpectedOfRun switch
        {
            Frequency.Never => WitnessesSeen > 0,
            Frequency.Always => Seen.Values.Sum() > WitnessesSeen,
            _ => false,
        };

    /// <summary>
    /// Whether this machine showed what violates the question: an outcome that <c>~exists</c> denies, or one that
    /// <c>forall</c> is false of.
    /// </summary>
    public bool IsViolatedHere =>
        Run is not null
        && Test.Quantifier switch
        {
            Quantifier.NotExists => WitnessesSeen > 0,
            Quantifier.ForAll => Seen.Values.Sum() > WitnessesSeen,
            _ => false,
        };

    private TestVerdict Judge()
    {
        // Seen but not found is a contradiction only where everything was looked at.
        bool forbidden = Forbidden.Any();
        if (forbidden && Defect is null)
        {
            return TestVerdict.ForbiddenSeen;
        }

        if (Designs.Any(design => design.Disagrees) || RunContradicts)
        {
            return TestVerdict.NotAsExpected;
        }

        if (Known is { Agrees: false })
        {
            return Model is { IsComplete: false } ? TestVerdict.Undecided : TestVerdict.NotAsExpected;
        }

        if (Run is not null && Expectation.MustBeSeen(Test) && WitnessesSeen == 0)
        {
            return TestVerdict.ControlNotSeen;
        }

        if (Model is { Answer: TestAnswer.NeverEnds } || Endless.Any())
        {
            return TestVerdict.NeverEnds;
        }

        return JudgeQuestion()
            ?? (
                forbidden ? TestVerdict.KnownDefect
                : NotRunBecause is not null ? TestVerdict.NotRun
                : Model is { IsFinal: false } || Designs.Any(design => design.Verdict is { IsFinal: false })
                    ? TestVerdict.Undecided
                : HasExpectation ? TestVerdict.AsExpected
                : TestVerdict.NoExpectation
            );
    }

    // The question itself, where nothing says that its answer is as it should be. What a known defect shows here is no
    // answer of the model.
    private TestVerdict? JudgeQuestion()
    {
        bool violated = Known is not { Known: > 0 } && Model is { Answer: TestAnswer.Violated };
        violated |= Designs.Any(design => design is { Expected: null, Verdict.Answer: TestAnswer.Violated });
        violated |= Model is null && ExpectedOfRun is null && IsViolatedHere;
        return violated ? TestVerdict.Violated
            : Designs.Any(design => design is { Expected: null, IsWorseThanBase: true }) ? TestVerdict.Worse
            : null;
    }

    private List<GradedOutcome> Grade()
    {
        IEnumerable<Outcome> all = (Model?.Allowed ?? []).Concat(Seen.Keys).Distinct();
        return
        [
            .. all.Order(Outcome.Order(Test))
                .Select(outcome => new GradedOutcome(
                    outcome,
                    Model?.Allows(outcome),
                    Sequential is { IsComplete: true } && !Sequential.Allows(outcome),
                    (Model ?? Sequential)!.IsWitness(outcome),
                    Run is null ? null : Seen.GetValueOrDefault(outcome)
                )),
        ];
    }
}
