using System.Globalization;
using Crosscore.Litmus;
using Crosscore.Litmus.Comparison;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Exploration;

namespace Crosscore.Tool.Output;

/// <summary>Sentences that several formats share.</summary>
internal static class Wording
{
    /// <summary>A verdict in one sentence.</summary>
    public static string Verdict(TestReport report) => report.Verdict switch
    {
        TestVerdict.Agrees => "agrees",
        TestVerdict.Undecided => $"undecided: {Bounds(report.Model ?? report.Designs.First(design => design.Verdict is { IsFinal: false }).Verdict!)}",
        TestVerdict.NeverEnds => "no execution comes to an end, so there is nothing to ask the condition of",
        TestVerdict.NotRun => $"not run: {report.NotRunBecause}",
        TestVerdict.ControlNotSeen =>
            $"control failed: its outcome was not seen in {Number(report.Run!.RelevantTrials)} trials, so its neighbours' \"never seen\" proves nothing here",
        TestVerdict.Disagrees when report.Designs.Count > 0 => string.Join("; ", report.Designs.Where(design => design.Disagrees)
            .Select(design => $"on {design.Design.Name} the test expects {design.Expected!.Value.Frequency}, the model says {design.Verdict!.Frequency}")),
        TestVerdict.Disagrees => string.Join("; ", report.Known!.Disagreements),
        TestVerdict.ForbiddenSeen => "FORBIDDEN OUTCOME SEEN: " + string.Join(", ", report.Outcomes
            .Where(outcome => outcome is { IsAllowed: false, Seen: > 0 })
            .Select(outcome => $"{Describe(report, outcome.Outcome)} {Number(outcome.Seen!.Value)} times"))
            + (report.Test.Properties.TryGetValue("Flaw", out string? flaw) ? $"; known: {flaw}" : ""),
        _ => throw new InvalidOperationException($"Crosscore bug: unknown verdict {report.Verdict}"),
    };

    /// <summary>What an exploration did not look at.</summary>
    public static string Bounds(ModelVerdict verdict)
    {
        var parts = new List<string>();
        Bounds bounds = verdict.Exploration.Bounds;
        if (bounds.HasFlag(Model.Exploration.Bounds.Buffer))
        {
            parts.Add("a loop stores without a fence and filled the store buffer of --buffer entries");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Writes))
        {
            parts.Add("a loop stores without end and filled the --writes list, or watches writes that go to and fro");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Promises))
        {
            parts.Add("--no-promises: load buffering and stores out of order (LB, MP, S, 2+2W and what contains them) are out of reach");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Preemptions))
        {
            parts.Add("a task would have been switched out more often than --preemptions allows");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.States))
        {
            parts.Add($"stopped at --max-states after {Number(verdict.Exploration.States)} states");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Memory))
        {
            parts.Add($"stopped at --max-memory after {Number(verdict.Exploration.States)} states");
        }

        if (bounds.HasFlag(Model.Exploration.Bounds.Cancelled))
        {
            parts.Add($"interrupted after {Number(verdict.Exploration.States)} states");
        }

        return string.Join(", ", parts);
    }

    /// <summary>The model's verdict: a word, whether it stands, and whether executions end.</summary>
    public static string Frequency(ModelVerdict verdict) => FrequencyAlone(verdict) + verdict.Exploration.Endings switch
    {
        Endings.MayHang => ", may hang",
        Endings.NotLookedFor when verdict.IsComplete => ", hangs not looked for",
        _ => "",
    };

    private static string FrequencyAlone(ModelVerdict verdict) => verdict switch
    {
        { Exploration.FinalStates.Count: 0, IsComplete: true } => "never ends",
        { Allowed.Count: 0, IsComplete: true } => "no final state passes the filter",
        { IsFinal: false, Witnesses: 0 } => "not found within the bound",
        { IsComplete: false, Frequency: Crosscore.Litmus.Frequency.Always } => "always within the bound",
        _ => verdict.Frequency.ToString(),
    };

    /// <summary>How a run was made, in a line.</summary>
    public static string Run(MachineRun run)
    {
        string speed = run.Elapsed.TotalSeconds > 0 ? $", {run.Iterations / run.Elapsed.TotalSeconds / 1e6:0.00} M/s" : "";
        string pace = run.Mode == MachineMode.Perpetual ? $" against {Number(run.FastIterations)} of the fast side" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{Number(run.Iterations)} iterations{pace}, {run.Mode.ToString().ToLowerInvariant()}{speed}, processors {string.Join(' ', run.Processors)}");
    }

    public static string Describe(TestReport report, Outcome outcome) => outcome.Describe(report.Test, report.Layout);

    public static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    public static string Question(LitmusTest test) => Litmus.Answers.HerdLog.FormatCondition(test);
}
