using System.Globalization;
using System.Text;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;

namespace Crosscore.Litmus.Answers;

/// <summary>
/// The text that herd7 prints of a test, so that the field's tools for comparing logs read ours, and ours theirs. One
/// difference remains: herd counts executions where we count final states, so the numbers of witnesses differ where
/// several executions end alike.
/// </summary>
internal static class HerdLog
{
    /// <summary>Formats a verdict.</summary>
    /// <param name="verdict">The verdict.</param>
    /// <param name="name">A name instead of the test's, where there are verdicts on several kernel designs.</param>
    public static string Format(ModelVerdict verdict, string? name = null)
    {
        LitmusTest test = verdict.Test;
        name ??= test.Name;
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Test {name} {Kind(test.Quantifier)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"States {verdict.Allowed.Count}");
        foreach (Outcome outcome in verdict.Allowed)
        {
            text.AppendLine(State(outcome, verdict));
        }

        int others = verdict.Allowed.Count - verdict.Witnesses;
        bool negated = test.Quantifier == Quantifier.NotExists;
        text.AppendLine(verdict.Holds ? "Ok" : "No");
        text.AppendLine("Witnesses");
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"Positive: {(negated ? others : verdict.Witnesses)} Negative: {(negated ? verdict.Witnesses : others)}"
        );
        text.AppendLine(CultureInfo.InvariantCulture, $"Condition {FormatCondition(test)}");
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"Observation {name} {verdict.Frequency} {verdict.Witnesses} {others}"
        );
        return text.ToString();
    }

    /// <summary>Formats what was seen on a machine, as litmus7 does.</summary>
    /// <param name="verdict">A verdict on the test, for the meaning of its condition; what it allows does not
    /// matter.</param>
    /// <param name="histogram">How often each outcome was seen.</param>
    /// <param name="elapsed">How long that took.</param>
    public static string Format(ModelVerdict verdict, IReadOnlyDictionary<Outcome, long> histogram, TimeSpan elapsed)
    {
        LitmusTest test = verdict.Test;
        bool negated = test.Quantifier == Quantifier.NotExists;
        long witnesses = histogram.Where(entry => verdict.IsWitness(entry.Key)).Sum(entry => entry.Value);
        long others = histogram.Values.Sum() - witnesses;
        bool validated = test.Quantifier switch
        {
            Quantifier.Exists => witnesses > 0,
            Quantifier.NotExists => witnesses == 0,
            _ => others == 0,
        };
        string frequency =
            witnesses == 0 ? "Never"
            : others == 0 ? "Always"
            : "Sometimes";
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Test {test.Name} {Kind(test.Quantifier)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"Histogram ({histogram.Count} states)");
        foreach ((Outcome outcome, long count) in histogram)
        {
            text.AppendLine(
                CultureInfo.InvariantCulture,
                $"{count, -8}{(verdict.IsWitness(outcome) ? '*' : ':')}>{State(outcome, verdict)}"
            );
        }

        text.AppendLine(validated ? "Ok" : "No");
        text.AppendLine();
        text.AppendLine("Witnesses");
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"Positive: {(negated ? others : witnesses)}, Negative: {(negated ? witnesses : others)}"
        );
        text.AppendLine(
            CultureInfo.InvariantCulture,
            $"Condition {FormatCondition(test)} is {(validated ? "" : "NOT ")}validated"
        );
        text.AppendLine(CultureInfo.InvariantCulture, $"Observation {test.Name} {frequency} {witnesses} {others}");
        text.AppendLine(CultureInfo.InvariantCulture, $"Time {test.Name} {elapsed.TotalSeconds:0.00}");
        return text.ToString();
    }

    /// <summary>Gets the condition with its quantifier.</summary>
    /// <param name="test">The test.</param>
    public static string FormatCondition(LitmusTest test)
    {
        string quantifier = test.Quantifier switch
        {
            Quantifier.Exists => "exists",
            Quantifier.NotExists => "~exists",
            _ => "forall",
        };
        return $"{quantifier} ({test.Condition.Format(test)})";
    }

    /// <summary>Gets the sets of final states in a log, by test.</summary>
    /// <param name="log">The text of a log.</param>
    /// <exception cref="InvalidDataException">The log breaks off, or a line of it is no final state.</exception>
    public static Dictionary<string, IReadOnlyList<HerdState>> ReadStates(string log)
    {
        var states = new Dictionary<string, IReadOnlyList<HerdState>>();
        string[] lines = log.Split('\n');
        for (int index = 0; index + 1 < lines.Length; index++)
        {
            string[] head = lines[index].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            string[] count = lines[index + 1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (
                head is ["Test", _, ..]
                && count is ["States", string number]
                && int.TryParse(number, CultureInfo.InvariantCulture, out int rows)
            )
            {
                states[head[1]] =
                [
                    .. Enumerable
                        .Range(index + 2, rows)
                        .Select(row =>
                            row < lines.Length
                                ? HerdState.Parse(lines[row], row + 1)
                                : throw new InvalidDataException(
                                    $"line {lines.Length}: found the end of the log, expected more final states"
                                )
                        ),
                ];
            }
        }

        return states;
    }

    // Every part of a state has a value in a log.
    private static string State(Outcome outcome, ModelVerdict verdict) =>
        outcome.IsUnpredictable ? "[unpredictable]=1;" : outcome.Describe(verdict.Test, verdict.Layout);

    private static string Kind(Quantifier quantifier) =>
        quantifier switch
        {
            Quantifier.Exists => "Allowed",
            Quantifier.NotExists => "Forbidden",
            _ => "Required",
        };
}
