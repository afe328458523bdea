using Crosscore.Litmus.Syntax;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Arm.Oracle;

/// <summary>Holds the operational machine's outcomes against the oracle's, as text that both could print.</summary>
internal static class MachineComparison
{
    /// <summary>What differs, or <see langword="null"/> when nothing does.</summary>
    /// <exception cref="OracleRefusal">The oracle does not judge the test.</exception>
    public static string? Difference(string text, string file) => Difference(OracleReader.Read(text), text, file);

    public static string? Difference(OracleTest oracle, string text, string file)
    {
        HashSet<FinalState> outcomes = AxiomaticOracle.Outcomes(oracle);
        LitmusTest test;
        ModelVerdict verdict;
        try
        {
            test = LitmusParser.Parse(text, file);
            verdict = ModelVerdict.Of(test, CoreKind.AArch64, cancellation: TestContext.Current.CancellationToken);
        }
        catch (LitmusException exception)
        {
            return $"the machine refuses it: {exception.Message}\n";
        }

        string bounds = verdict.Exploration.Bounds == Bounds.None ? "" : $"the machine stopped at a bound: {verdict.Exploration.Bounds}\n";
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
        return expected.SetEquals(found) ? (bounds.Length == 0 ? null : bounds)
            : $"{bounds}the machine lacks\n{Listed(expected.Except(found))}\nand adds\n{Listed(found.Except(expected))}\n";
    }

    private static string Listed(IEnumerable<string> lines) => string.Join('\n', lines.Order(StringComparer.Ordinal).Take(12).Select(line => "    " + line));
}
