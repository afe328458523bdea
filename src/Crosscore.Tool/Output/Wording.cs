using System.Globalization;
using System.Text.Json;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Exploration;

namespace Crosscore.Tool.Output;

/// <summary>Sentences that several formats share.</summary>
internal static class Wording
{
    /// <summary>
    /// Gets the result of a test in one sentence: the answer to its question, then the comparison with expectations.
    /// </summary>
    public static string Verdict(TestReport report)
    {
        string answer = Answer(report);
        string judgement = Judgement(report);
        return answer.Length == 0 ? judgement
            : judgement.Length == 0 ? answer
            : $"{answer}; {judgement}";
    }

    /// <summary>
    /// Gets the answer to the question of a test: of the model, otherwise of this machine. Several designs have one
    /// each, in a table.
    /// </summary>
    public static string Answer(TestReport report) =>
        report switch
        {
            { Model: ModelVerdict model } => Answer(model),
            { Run: MachineRun run } when report.IsViolatedHere && report.Test.Quantifier == Quantifier.ForAll =>
                $"violated: false of {Counted(report.Seen.Values.Sum() - report.WitnessesSeen, "outcome")} seen",
            { Run: MachineRun run } => (report.IsViolatedHere ? "violated: " : "")
                + (
                    report.Test.Quantifier == Quantifier.ForAll
                        ? $"true of all outcomes seen in {Counted(run.RelevantTrials, "trial")}"
                    : report.WitnessesSeen > 0
                        ? $"seen {Counted(report.WitnessesSeen, "time")} in {Number(run.RelevantTrials)}"
                    : $"not seen in {Counted(run.RelevantTrials, "trial")}"
                ),
            { Designs: [{ Verdict: ModelVerdict only }] } => Answer(only),
            _ => "",
        };

    /// <summary>Gets the model's answer to the question of a test.</summary>
    public static string Answer(ModelVerdict verdict) =>
        verdict.Answer switch
        {
            TestAnswer.Holds => "holds" + EndingAfterComma(verdict),
            TestAnswer.Violated => "violated" + EndingAfterComma(verdict),
            TestAnswer.Possible => "possible" + EndingAfterComma(verdict),
            TestAnswer.Impossible => "impossible" + EndingAfterComma(verdict),
            TestAnswer.NotFound => "not found within the bound" + EndingAfterComma(verdict),
            _ => Ending(verdict)!,
        };

    /// <summary>
    /// Gets how executions end; <see langword="null"/> if all of them do. The only place with words for endings.
    /// </summary>
    public static string? Ending(ModelVerdict verdict) =>
        verdict.Answer == TestAnswer.NeverEnds ? "never ends"
        : verdict.MayHang ? "may hang"
        : verdict.Exploration.Endings == Endings.NotLookedFor ? "hangs not looked for"
        : null;

    /// <summary>
    /// Gets the answer to the question of a test in JSON: of the model, otherwise of this machine;
    /// <see langword="null"/> if there is none, or several designs have one each.
    /// </summary>
    public static string? AnswerCode(TestReport report) =>
        report switch
        {
            { Model: ModelVerdict model } => Code(model.Answer),
            { Run: not null, IsViolatedHere: true } => Code(TestAnswer.Violated),
            { Run: not null, Test.Quantifier: Quantifier.ForAll } => "notViolated",
            { Run: not null } => report.WitnessesSeen > 0 ? "seen" : "notSeen",
            { Designs: [{ Verdict: ModelVerdict only }] } => Code(only.Answer),
            _ => null,
        };

    /// <summary>Gets a value of an enumeration in JSON.</summary>
    public static string Code<T>(T value)
        where T : struct, Enum => JsonNamingPolicy.CamelCase.ConvertName(value.ToString());

    private static string EndingAfterComma(ModelVerdict verdict) =>
        Ending(verdict) is string ending ? ", " + ending : "";

    /// <summary>Gets the comparison of a test with its expectations.</summary>
    private static string Judgement(TestReport report) =>
        report.Verdict switch
        {
            TestVerdict.AsExpected => report.Known is { Known: > 0 } known
                ? $"as expected ({Counted(known.Known, "known answer")})"
                : "as expected",
            TestVerdict.NoExpectation => "no expectation",
            TestVerdict.Violated when report.Designs.Count > 1 =>
                $"violated on {Names(Violated(report))}; no expectation",
            TestVerdict.Violated or TestVerdict.Worse => Worse(report) + "no expectation",
            TestVerdict.Undecided => $"undecided: {Bounds(Bounded(report))}",
            TestVerdict.NeverEnds when report.Designs.Count > 0 =>
                $"no execution ends on {Names(report.Endless)}; the condition cannot be evaluated",
            TestVerdict.NeverEnds => "no execution ends; the condition cannot be evaluated",
            TestVerdict.NotRun => (report.HasExpectation ? "as expected; " : "") + $"not run: {report.NotRunBecause}",
            TestVerdict.ControlNotSeen =>
                $"control failed: its outcome was not seen in {Counted(report.Run!.RelevantTrials, "trial")}, "
                    + "so its neighbors' \"not seen\" proves nothing here",
            TestVerdict.NotAsExpected when report.Designs.Count > 0 => "NOT as expected: "
                + string.Join(
                    "; ",
                    report
                        .Designs.Where(design => design.Disagrees)
                        .Select(design =>
                            $"on {design.Design.Name} the test expects {design.Expected!.Value.Frequency}, "
                            + $"the model says {design.Verdict!.Frequency}"
                        )
                ),
            TestVerdict.NotAsExpected when report.RunContradicts =>
                $"NOT as expected: the test expects {report.ExpectedOfRun}",
            TestVerdict.NotAsExpected => $"NOT as expected: {string.Join("; ", report.Known!.Disagreements)}",
            TestVerdict.KnownDefect => $"FORBIDDEN OUTCOME SEEN: {ForbiddenOutcomes(report)}; a known defect "
                + $"of this kernel: {report.Defect!.Name} ({report.Defect.Source})",
            TestVerdict.ForbiddenSeen => $"FORBIDDEN OUTCOME SEEN: {ForbiddenOutcomes(report)}"
                + (report.Test.Properties.TryGetValue("Flaw", out string? flaw) ? $"; the test says: {flaw}" : ""),
            _ => throw new InvalidOperationException($"Crosscore bug: unknown verdict {report.Verdict}"),
        };

    private static IEnumerable<DesignReport> Violated(TestReport report) =>
        report.Designs.Where(design => design is { Expected: null, Verdict.Answer: TestAnswer.Violated });

    private static ModelVerdict Bounded(TestReport report) =>
        report.Model is { IsFinal: false } model
            ? model
            : report.Designs.Select(design => design.Verdict).First(verdict => verdict is { IsFinal: false })!;

    private static string Worse(TestReport report) =>
        report.Designs.Any(design => design.IsWorseThanBase)
            ? $"worse than its base: "
                + $"{string.Join(", ", report.Designs.Where(design => design.IsWorseThanBase).Select(Change))}; "
            : "";

    /// <summary>
    /// Gets how the verdict on a design differs from that on its base: "linux-5.10: Never -> mine: Sometimes"; empty if
    /// they are not compared.
    /// </summary>
    public static string Change(DesignReport design) =>
        design.Base is not DesignReport before ? ""
        : before.Verdict is null || design.Verdict is null ? "not comparable"
        : $"{before.Design.Name}: {OfDesign(before)} -> {design.Design.Name}: {OfDesign(design)}";

    /// <summary>Gets the verdict on a design, or what the design lacks.</summary>
    public static string OfDesign(DesignReport design) =>
        design.Verdict is ModelVerdict verdict ? Frequency(verdict) : $"has no {string.Join(", ", design.Lacking)}";

    private static string Names(IEnumerable<DesignReport> designs) =>
        string.Join(", ", designs.Select(design => design.Design.Name));

    private static string ForbiddenOutcomes(TestReport report) =>
        string.Join(
            ", ",
            report.Forbidden.Select(outcome =>
                $"{Describe(report, outcome.Outcome)} {Counted(outcome.Seen!.Value, "time")}"
            )
        );

    /// <summary>Gets why an exploration is incomplete.</summary>
    public static string Bounds(ModelVerdict verdict)
    {
        var parts = new List<string>();
        Bounds bounds = verdict.Exploration.Bounds;
        if (bounds.HasFlag(Model.Exploration.Bounds.Buffer))
        {
            parts.Add("an unbounded loop without a fence filled the store buffer of --buffer entries");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Writes))
        {
            parts.Add("an unbounded loop exceeded --writes");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Promises))
        {
            parts.Add(
                "--no-promises: load buffering and store reordering (LB, MP, S, 2+2W "
                    + "and tests that contain them) are not explored"
            );
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Preemptions))
        {
            parts.Add("an execution would exceed --preemptions");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.States))
        {
            parts.Add($"stopped at --max-states after {Number(verdict.Exploration.States)} states");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Memory))
        {
            parts.Add($"stopped at --max-memory after {Number(verdict.Exploration.States)} states");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Canceled))
        {
            parts.Add($"interrupted after {Number(verdict.Exploration.States)} states");
        }

        return string.Join(", ", parts);
    }

    /// <summary>
    /// Gets how often the condition's proposition is true, whether that is final, and whether executions end.
    /// </summary>
    public static string Frequency(ModelVerdict verdict) =>
        verdict.Answer == TestAnswer.NeverEnds ? Ending(verdict)! : FrequencyAlone(verdict) + EndingAfterComma(verdict);

    private static string FrequencyAlone(ModelVerdict verdict) =>
        verdict switch
        {
            { Allowed.Count: 0, IsComplete: true } => "no final state passes the filter",
            { IsFinal: false, Witnesses: 0 } => "not found within the bound",
            { IsComplete: false, Frequency: Litmus.Verdicts.Frequency.Always } => "always within the bound",
            _ => verdict.Frequency.ToString(),
        };

    /// <summary>Gets a line about a run: iterations, mode, speed, processors.</summary>
    public static string Run(MachineRun run)
    {
        string speed =
            run.Elapsed.TotalSeconds > 0 ? $", {run.Iterations / run.Elapsed.TotalSeconds / 1e6:0.00} M/s" : "";
        string pace =
            run.Mode == MachineMode.Perpetual ? $" against {Number(run.FastIterations)} of the fast side" : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Number(run.Iterations)} iterations{pace}, {run.Mode.ToString().ToLowerInvariant()}{speed}, "
                + $"processors {string.Join(' ', run.Processors)}"
        );
    }

    public static string Describe(TestReport report, Outcome outcome) =>
        outcome.Describe(report.Test, report.Layout, whole: true);

    /// <summary>Gets a number with its noun: "1 test", "2 tests".</summary>
    public static string Counted(long number, string thing) => $"{Number(number)} {thing}{(number == 1 ? "" : "s")}";

    public static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    public static string Question(LitmusTest test) => Litmus.Answers.HerdLog.FormatCondition(test);
}
