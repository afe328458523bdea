using Crosscore.Litmus.Syntax;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Arm.Oracle;

/// <summary>What came of a comparison.</summary>
/// <param name="Difference">Outcomes that only one of the two has, as text; <see langword="null"/> when there are none.</param>
/// <param name="NotJudged">Why one of the two had nothing to say, or not everything; <see langword="null"/> when both judged.</param>
/// <param name="OnlyLacks">Whether the machine has no outcome that the oracle has not.</param>
internal sealed record ComparisonResult(string? Difference, string? NotJudged, bool OnlyLacks = true)
{
    public static ComparisonResult Same { get; } = new(null, null);
}

/// <summary>Holds the operational machine's outcomes against the oracle's, as text that both could print.</summary>
internal static class MachineComparison
{
    public static ComparisonResult Compare(string text, string file, int mostStates = 300_000)
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
            return new ComparisonResult(null, $"the oracle refuses it, because {refusal.Message}");
        }

        LitmusTest test;
        ModelVerdict verdict;
        try
        {
            test = LitmusParser.Parse(text, file);
            var options = new ExplorationOptions { MaxStates = mostStates };
            verdict = ModelVerdict.Of(test, CoreKind.AArch64, options, cancellation: TestContext.Current.CancellationToken);
        }
        catch (LitmusException exception)
        {
            return new ComparisonResult(null, $"the machine refuses it: {exception.Message}");
        }

        // Each side is cut to what the other shows too.
        string[] names = [.. test.Observables.Select(observable => observable.ToString())];
        int[] places = [.. names.Select(name => oracle.Observables.ToList().FindIndex(location => location.Name == name))];
        Assert.Equal(names.Length, oracle.Observables.Count);
        Assert.DoesNotContain(-1, places);
        int[] widths = [.. names.Select((_, index) => Math.Min(test.Observables[index].Type.Width, oracle.Observables[places[index]].Width))];
        string Line(Func<int, ulong> value) => string.Join(' ', names.Select((name, index) =>
        {
            int shift = 64 - (8 * widths[index]);
            return $"{name}={(long)(value(index) << shift) >> shift};";
        }));
        var expected = outcomes.Select(outcome => Line(index => outcome.Values[places[index]])).ToHashSet();
        var found = verdict.Allowed.Select(outcome => outcome.IsUnpredictable ? "unpredictable" : Line(index => outcome.Values[index])).ToHashSet();

        // What a bound cut off may be lacking, but nothing may be too much.
        bool cut = verdict.Exploration.Bounds != Bounds.None;
        return expected.SetEquals(found) || (cut && expected.IsSupersetOf(found))
            ? cut ? new ComparisonResult(null, $"the machine stopped at a bound: {verdict.Exploration.Bounds}") : ComparisonResult.Same
            : new ComparisonResult($"the machine lacks\n{Listed(cut ? [] : expected.Except(found))}\nand adds\n{Listed(found.Except(expected))}\n", null, found.IsSubsetOf(expected));
    }

    private static string Listed(IEnumerable<string> lines) => string.Join('\n', lines.Order(StringComparer.Ordinal).Take(12).Select(line => "    " + line));
}
