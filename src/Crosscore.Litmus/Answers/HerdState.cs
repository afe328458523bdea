using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Answers;

/// <summary>A final state in a log of herd7 or litmus7.</summary>
/// <param name="Values">Registers and locations with their values, <c>0:rax</c> to <c>1</c>; an array that is told as a
/// whole has an entry for each element.</param>
/// <param name="Faults">The faults that happened, as the log writes them between the parentheses:
/// <c>P0:L0,x,MMU:Translation</c>.</param>
internal sealed record HerdState(IReadOnlyDictionary<string, string> Values, IReadOnlyList<string> Faults)
{
    /// <summary>Reads a line.</summary>
    /// <param name="line">The line.</param>
    /// <param name="number">Its number, for messages.</param>
    /// <exception cref="InvalidDataException">It is no final state.</exception>
    internal static HerdState Parse(string line, int number)
    {
        var values = new Dictionary<string, string>();
        var faults = new List<string>();
        InvalidDataException Wrong() =>
            new($"line {number}: found '{line.Trim()}', expected a final state such as 0:rax=1; [x]=2;");
        foreach (string part in line.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            bool denied = part[0] == '~';
            string fault = denied ? part[1..] : part;
            if (fault.StartsWith("fault(", StringComparison.OrdinalIgnoreCase) && fault[^1] == ')')
            {
                faults.AddRange(
                    denied ? [] : [JoinLabels(fault["fault(".Length..^1].Replace(" ", "", StringComparison.Ordinal))]
                );
                continue;
            }

            string[] sides = part.Split('=', 2);
            if (sides.Length != 2 || !Elements(sides[0], sides[1]).All(entry => values.TryAdd(entry.Key, entry.Value)))
            {
                // An array may be told as a whole and element by element.
                bool again =
                    sides.Length == 2
                    && sides[0].EndsWith(']')
                    && sides[0][0] != '['
                    && values.GetValueOrDefault(sides[0]) == sides[1];
                if (!again)
                {
                    throw Wrong();
                }
            }
        }

        return new HerdState(values, faults);
    }

    /// <summary>Whether a fault of this state is one that a question asks about.</summary>
    /// <param name="question">The question.</param>
    public bool Answers(FaultQuestion question) =>
        Faults.Any(fault =>
        {
            string[] parts = fault.Split(',');
            string[] place = parts[0].Split(':', 2);
            string[] labels = place.Length > 1 ? place[1].Trim('{', '}').Split('+') : [];
            IEnumerable<string> others = parts.Skip(1);
            return place[0].TrimStart('P') == $"{question.Thread}"
                && (question.Label is null || labels.Contains(question.Label))
                && (question.Location is null || others.Contains(question.Location))
                && (question.Kind is null || others.Any(other => FaultKindNames.Find(other) == question.Kind));
        });

    // "P0:{L0,L1}": the instruction has several labels, and commas stand between the parts of a fault too.
    private static string JoinLabels(string fault)
    {
        int open = fault.IndexOf('{', StringComparison.Ordinal);
        int close = fault.IndexOf('}', StringComparison.Ordinal);
        return open < 0 || close < open ? fault : fault[..open] + fault[open..close].Replace(',', '+') + fault[close..];
    }

    private static IEnumerable<KeyValuePair<string, string>> Elements(string name, string value) =>
        value.StartsWith('{') && value.EndsWith('}')
            ? value[1..^1]
                .Split(',', StringSplitOptions.TrimEntries)
                .Select((element, index) => KeyValuePair.Create($"{name}[{index}]", element))
            : [KeyValuePair.Create(name, value)];
}
