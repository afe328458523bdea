using System.Globalization;
using System.Text;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Answers;

/// <summary>
/// The text that herd7 prints of a test, so that the field's tools for comparing logs read ours, and ours theirs. One difference remains: herd counts
/// executions where we count final states, so the numbers of witnesses differ where several executions end alike.
/// </summary>
public static class HerdLog
{
    /// <summary>Formats a verdict.</summary>
    /// <param name="verdict">The verdict.</param>
    public static string Format(ModelVerdict verdict)
    {
        LitmusTest test = verdict.Test;
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Test {test.Name} {Kind(test.Quantifier)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"States {verdict.Allowed.Count}");
        foreach (Outcome outcome in verdict.Allowed)
        {
            text.AppendLine(outcome.Describe(test, verdict.Layout));
        }

        int others = verdict.Allowed.Count - verdict.Witnesses;
        bool negated = test.Quantifier == Quantifier.NotExists;
        text.AppendLine(verdict.Holds ? "Ok" : "No");
        text.AppendLine("Witnesses");
        text.AppendLine(CultureInfo.InvariantCulture, $"Positive: {(negated ? others : verdict.Witnesses)} Negative: {(negated ? verdict.Witnesses : others)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"Condition {FormatCondition(test)}");
        text.AppendLine(CultureInfo.InvariantCulture, $"Observation {test.Name} {verdict.Frequency} {verdict.Witnesses} {others}");
        return text.ToString();
    }

    /// <summary>The condition with its quantifier.</summary>
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

    /// <summary>The sets of final states in a log, by test; each state as its parts, <c>0:rax</c> to <c>1</c>.</summary>
    /// <param name="log">The text of a log.</param>
    public static Dictionary<string, IReadOnlyList<IReadOnlyDictionary<string, string>>> ReadStates(string log)
    {
        var states = new Dictionary<string, IReadOnlyList<IReadOnlyDictionary<string, string>>>();
        string[] lines = log.Split('\n');
        for (int index = 0; index + 1 < lines.Length; index++)
        {
            string[] head = lines[index].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            string[] count = lines[index + 1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (head is ["Test", _, ..] && count is ["States", string number] && int.TryParse(number, CultureInfo.InvariantCulture, out int rows))
            {
                states[head[1]] = [.. lines.Skip(index + 2).Take(rows).Select(ReadState)];
            }
        }

        return states;
    }

    private static Dictionary<string, string> ReadState(string line) => line
        .Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Select(part => part.Split('=', 2))
        .ToDictionary(part => part[0], part => part.Length == 2 ? part[1] : "");

    private static string Kind(Quantifier quantifier) => quantifier switch
    {
        Quantifier.Exists => "Allowed",
        Quantifier.NotExists => "Forbidden",
        _ => "Required",
    };
}
