using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>The project's tests that are about kernels, and its designs.</summary>
internal static class KernelTests
{
    private static readonly string Designs = Path.Combine(Corpus.Repository, "kernels");

    /// <summary>The names of the tests in <c>litmus/kernel</c>.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [
        .. Directory
            .EnumerateFiles(Path.Combine(Corpus.Repository, "litmus", "kernel"), "*.litmus")
            .Select(file => Path.GetFileNameWithoutExtension(file))
            .Order(StringComparer.Ordinal),
    ];

    public static IReadOnlyList<KernelDesign> AllDesigns { get; } = [.. KernelDesign.NamesIn(Designs).Select(Design)];

    public static KernelDesign Design(string name) => KernelDesign.Load(name, Designs);

    public static LitmusTest Test(string name)
    {
        string file = Path.Combine(Corpus.Repository, "litmus", "kernel", name + ".litmus");
        return LitmusParser.Parse(File.ReadAllText(file), file);
    }

    /// <summary>Examines a test on a design.</summary>
    public static DesignReport Examine(LitmusTest test, KernelDesign design, ExplorationOptions? options = null) =>
        DesignReport.Of(
            test,
            design,
            CoreKind.X86Tso,
            options ?? new ExplorationOptions(),
            default,
            null,
            TestContext.Current.CancellationToken
        );

    /// <summary>The outcomes that a design allows, in words.</summary>
    public static IReadOnlyList<string> Outcomes(DesignReport report) =>
        [.. report.Verdict!.Allowed.Select(outcome => outcome.Describe(report.Verdict.Test, report.Verdict.Layout))];
}
