using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>What the tests of the model share: parsing a short program, and sets of outcomes as text.</summary>
internal static class TestOutcomes
{
    public static LitmusTest Parse(string text) => LitmusParser.Parse(text, "test.litmus");

    public static ModelVerdict Explore(
        string text,
        CoreKind core = CoreKind.X86Tso,
        ExplorationOptions? options = null
    ) => Explore(Parse(text), core, options);

    public static ModelVerdict Explore(LitmusTest test, CoreKind core, ExplorationOptions? options = null) =>
        ModelVerdict.Of(test, core, options, cancellation: TestContext.Current.CancellationToken);

    public static string Text(ModelVerdict verdict, IEnumerable<Outcome> outcomes) =>
        string.Join(
            '\n',
            outcomes.Select(outcome => outcome.Describe(verdict.Test, verdict.Layout)).Order(StringComparer.Ordinal)
        );

    public static string[] Of(ModelVerdict verdict) =>
        [
            .. verdict
                .Allowed.Select(outcome => outcome.Describe(verdict.Test, verdict.Layout))
                .Order(StringComparer.Ordinal),
        ];

    /// <summary>Fails with both differences when a verdict allows other outcomes than expected.</summary>
    public static void AssertEqual(ModelVerdict verdict, IReadOnlyCollection<Outcome> expected)
    {
        if (!expected.ToHashSet().SetEquals(verdict.Allowed))
        {
            Assert.Fail(
                $"{verdict.Test.File} on {verdict.Core}: the model "
                    + $"lacks\n{Text(verdict, expected.Except(verdict.Allowed))}\nand adds\n"
                    + Text(verdict, verdict.Allowed.Except(expected))
            );
        }
    }
}
