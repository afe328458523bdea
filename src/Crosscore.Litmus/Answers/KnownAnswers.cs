using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Answers;

/// <summary>
/// What is known of a test from elsewhere: its own <c>Expect</c> line, or a table beside it. A table is
/// <c>kinds.tsv</c> (Allow, Forbid, Require), <c>verdicts.tsv</c> (Never, Sometimes, Always) or <c>expected.txt</c> (a
/// log of herd7), in the folder of the test or the one above. Tables speak of the cores that the test is written for:
/// x86-TSO, AArch64.
/// </summary>
internal sealed class KnownAnswers
{
    private readonly Dictionary<string, Dictionary<string, Func<ModelVerdict, string?>>> _tables = [];

    /// <summary>Compares a verdict with everything that is known of its test.</summary>
    /// <param name="verdict">The verdict.</param>
    /// <returns>How many answers were known, and the first disagreement in words.</returns>
    /// <exception cref="LitmusException">The test's own expectation cannot be read.</exception>
    /// <exception cref="InvalidDataException">A table cannot be read.</exception>
    public Comparison Compare(ModelVerdict verdict)
    {
        var disagreements = new List<string>();
        int known = 0;
        foreach (Func<ModelVerdict, string?> answer in Find(verdict.Test, verdict.Core))
        {
            known++;
            if (answer(verdict) is string disagreement)
            {
                disagreements.Add(disagreement);
            }
        }

        return new Comparison(known, disagreements);
    }

    /// <summary>The result of a comparison.</summary>
    /// <param name="Known">How many answers were known.</param>
    /// <param name="Disagreements">Those that differ, in words.</param>
    public sealed record Comparison(int Known, IReadOnlyList<string> Disagreements)
    {
        /// <summary>Whether nothing differs.</summary>
        public bool Agrees => Disagreements.Count == 0;
    }

    private IEnumerable<Func<ModelVerdict, string?>> Find(LitmusTest test, CoreKind core)
    {
        if (Expectation.Of(test, core) is Frequency own)
        {
            yield return verdict =>
                verdict.Frequency == own ? null : $"the test expects {own}, the model says {verdict.Frequency}";
        }

        if (core != test.HomeCore())
        {
            yield break;
        }

        string full = Path.GetFullPath(test.File);
        foreach (
            string? folder in new[] { Path.GetDirectoryName(full), Path.GetDirectoryName(Path.GetDirectoryName(full)) }
        )
        {
            if (folder is null)
            {
                continue;
            }

            string file = Path.GetRelativePath(folder, full).Replace(Path.DirectorySeparatorChar, '/');
            Func<ModelVerdict, string?>?[] answers =
            [
                Table(Path.Combine(folder, "kinds.tsv"), ReadKinds).GetValueOrDefault(file),
                Table(Path.Combine(folder, "verdicts.tsv"), ReadVerdicts).GetValueOrDefault(file),
                // A log names tests, not files, so only the one in the test's own folder is about this test.
                folder == Path.GetDirectoryName(full)
                    ? Table(Path.Combine(folder, "expected.txt"), ReadLog).GetValueOrDefault(test.Name)
                    : null,
            ];
            foreach (Func<ModelVerdict, string?>? answer in answers)
            {
                if (answer is not null)
                {
                    yield return answer;
                }
            }
        }
    }

    private Dictionary<string, Func<ModelVerdict, string?>> Table(
        string path,
        Func<string, Dictionary<string, Func<ModelVerdict, string?>>> read
    )
    {
        if (!_tables.TryGetValue(path, out Dictionary<string, Func<ModelVerdict, string?>>? table))
        {
            table = File.Exists(path) ? read(path) : [];
            _tables.Add(path, table);
        }

        return table;
    }

    private static Dictionary<string, Func<ModelVerdict, string?>> ReadKinds(string path) =>
        ReadRows(
            path,
            kind =>
                kind switch
                {
                    "Allow" or "Allowed" => verdict =>
                        verdict.Witnesses > 0
                            ? null
                            : $"{Path.GetFileName(path)} says Allow, the model {verdict.Frequency}",
                    "Forbid" or "Forbidden" => verdict =>
                        verdict.Witnesses == 0
                            ? null
                            : $"{Path.GetFileName(path)} says Forbid, the model {verdict.Frequency}",
                    "Require" or "Required" => verdict =>
                        verdict.Frequency == Frequency.Always
                            ? null
                            : $"{Path.GetFileName(path)} says Require, the model {verdict.Frequency}",
                    _ => null,
                }
        );

    private static Dictionary<string, Func<ModelVerdict, string?>> ReadVerdicts(string path) =>
        ReadRows(
            path,
            word =>
                Expectation.TryParse(word, out Frequency frequency)
                    ? verdict =>
                        verdict.Frequency == frequency
                            ? null
                            : $"{Path.GetFileName(path)} says {frequency}, the model {verdict.Frequency}"
                    : null
        );

    // Three columns: file, test, answer; the first row is their heads.
    private static Dictionary<string, Func<ModelVerdict, string?>> ReadRows(
        string path,
        Func<string, Func<ModelVerdict, string?>?> parse
    )
    {
        var table = new Dictionary<string, Func<ModelVerdict, string?>>();
        string[] lines = File.ReadAllLines(path);
        for (int index = 1; index < lines.Length; index++)
        {
            if (lines[index].Length == 0)
            {
                continue;
            }

            string[] columns = lines[index].Split('\t');
            table[columns[0]] =
                columns.Length == 3 && parse(columns[2]) is Func<ModelVerdict, string?> answer
                    ? answer
                    : throw new InvalidDataException(
                        $"{path}:{index + 1}: found '{lines[index]}', expected "
                            + "a file, a test and an answer, separated by tabs"
                    );
        }

        return table;
    }

    private static Dictionary<string, Func<ModelVerdict, string?>> ReadLog(string path)
    {
        try
        {
            return HerdLog
                .ReadStates(File.ReadAllText(path))
                .ToDictionary(
                    entry => entry.Key,
                    entry =>
                        (Func<ModelVerdict, string?>)(
                            verdict => CompareStates(Path.GetFileName(path), verdict, entry.Value)
                        )
                );
        }
        catch (InvalidDataException exception)
        {
            throw new InvalidDataException($"{path}: {exception.Message}", exception);
        }
    }

    // The log may look at more locations than the test: logs are looked up by name, and corpora hold tests of one name
    // that ask more or less of the same program. It is compared on what the test looks at.
    private static string? CompareStates(string log, ModelVerdict verdict, IReadOnlyList<HerdState> states)
    {
        LitmusTest test = verdict.Test;
        Observable[] values = [.. test.Observables.Where(observable => observable.Register.Fault is null)];
        if (states.Any(state => values.Any(value => !state.Values.ContainsKey($"{value}"))))
        {
            return $"{log} does not tell the final values of {string.Join(", ", values.Select(value => $"{value}"))}";
        }

        HashSet<string> theirs =
        [
            .. states.Select(state =>
                string.Join(
                    ' ',
                    test.Observables.Select(observable =>
                        observable.Register.Fault is FaultQuestion question
                            ? Fault(question, state.Answers(question))
                            : $"{observable}={state.Values[$"{observable}"]};"
                    )
                )
            ),
        ];
        HashSet<string> ours =
        [
            .. verdict.Allowed.Select(outcome =>
                string.Join(
                    ' ',
                    test.Observables.Select(
                        (observable, index) =>
                            observable.Register.Fault is FaultQuestion question
                                ? Fault(question, !outcome.IsUnpredictable && outcome.Values[index] != 0)
                            : outcome.IsUnpredictable ? "unpredictable"
                            : $"{observable}={Value(verdict, observable, outcome.Values[index])};"
                    )
                )
            ),
        ];
        string[] differences =
        [
            .. theirs.Except(ours).Select(state => $"lacking {state}"),
            .. ours.Except(theirs).Select(state => $"added {state}"),
        ];
        return differences.Length == 0 ? null : $"{log} has other final states: {string.Join(", ", differences)}";
    }

    private static string Value(ModelVerdict verdict, Observable observable, ulong value) =>
        ValueText.Format(verdict.Test, verdict.Layout, observable, value, whole: false);

    private static string Fault(FaultQuestion question, bool answer) => $"{(answer ? "" : "~")}Fault({question});";
}
