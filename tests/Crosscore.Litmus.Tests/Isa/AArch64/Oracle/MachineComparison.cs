using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>What came of a comparison.</summary>
/// <param name="Difference">Outcomes that only one of the two has, as text; <see langword="null"/> when there are
/// none.</param>
/// <param name="NotJudged">Why one of the two had nothing to say, or not everything; <see langword="null"/> when both
/// judged.</param>
/// <param name="InterleavedNotJudged">The same of the machine that interleaves its steps, as it does for every kernel,
/// and does not promise all writes first.</param>
internal sealed record ComparisonResult(string? Difference, string? NotJudged, string? InterleavedNotJudged);

/// <summary>
/// Holds the operational machine's outcomes against the oracle's, as text that both could print: both of the ways in
/// which the machine explores.
/// </summary>
internal static class MachineComparison
{
    public static ComparisonResult Compare(
        string text,
        string file,
        int mostStates = 300_000,
        int mostInterleaved = 10_000
    )
    {
        OracleTest oracle;
        HashSet<FinalState> outcomes;
        try
        {
            oracle = OracleReader.Read(text);
            outcomes = AxiomaticOracle.Outcomes(oracle);
        }
        catch (OracleRefusal refusal)
        {
            string reason = $"the oracle refuses it, because {refusal.Message}";
            return new ComparisonResult(null, reason, reason);
        }

        LitmusTest test;
        ModelVerdict first;
        ModelVerdict interleaved;
        try
        {
            test = LitmusParser.Parse(text, file);
            ModelVerdict Explore(Reductions reductions, int states) =>
                ModelVerdict.Of(
                    test,
                    CoreKind.AArch64,
                    new ExplorationOptions { Reductions = reductions, MaxStates = states },
                    cancellation: TestContext.Current.CancellationToken
                );
            first = Explore(Reductions.All, mostStates);
            interleaved = Explore(Reductions.All & ~Reductions.PromisesFirst, mostInterleaved);
        }
        catch (LitmusException exception)
        {
            string reason = $"the machine refuses it: {exception.Message}";
            return new ComparisonResult(null, reason, reason);
        }

        // Each side is cut to what the other shows too.
        string[] names = [.. test.Observables.Select(observable => observable.ToString())];
        int[] places =
        [
            .. names.Select(name => oracle.Observables.ToList().FindIndex(location => location.Name == name)),
        ];
        Assert.Equal(names.Length, oracle.Observables.Count);
        Assert.DoesNotContain(-1, places);
        int[] widths =
        [
            .. names.Select(
                (_, index) => Math.Min(test.Observables[index].Type.Width, oracle.Observables[places[index]].Width)
            ),
        ];
        string Line(Func<int, ulong> value) =>
            string.Join(
                ' ',
                names.Select(
                    (name, index) =>
                    {
                        int shift = 64 - (8 * widths[index]);
                        return $"{name}={(long)(value(index) << shift) >> shift};";
                    }
                )
            );
        var expected = outcomes.Select(outcome => Line(index => outcome.Values[places[index]])).ToHashSet();
        string? NotJudged(ModelVerdict verdict) =>
            verdict.Exploration.Bounds == Bounds.None
                ? null
                : $"the machine stopped at a bound: {verdict.Exploration.Bounds}";
        string? Difference(ModelVerdict verdict, string mode)
        {
            var found = verdict
                .Allowed.Select(outcome =>
                    outcome.IsUnpredictable ? "unpredictable" : Line(index => outcome.Values[index])
                )
                .ToHashSet();

            // What a bound cut off may be lacking, but nothing may be too much.
            IEnumerable<string> lacking = verdict.Exploration.Bounds == Bounds.None ? expected.Except(found) : [];
            return found.IsSubsetOf(expected) && !lacking.Any()
                ? null
                : $"the machine, {mode}, lacks\n{Listed(lacking)}\nand adds\n{Listed(found.Except(expected))}\n";
        }

        string? difference = Difference(first, "all writes promised first") ?? Difference(interleaved, "interleaved");
        return new ComparisonResult(difference, NotJudged(first), NotJudged(interleaved));
    }

    private static string Listed(IEnumerable<string> lines) =>
        string.Join('\n', lines.Order(StringComparer.Ordinal).Take(12).Select(line => "    " + line));
}
