using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Kernel;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Timelines;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Timelines;

/// <summary>Timelines of the project's own tests.</summary>
internal static class SampleTimelines
{
    /// <summary>The race that linux-5.10-rc loses: a sibling leaves the interrupted CPU's kernel by SYSRET.</summary>
    public static Timeline Race { get; } = OnKernel("StaleCode.InterruptReturnSchedules", "linux-5.10-rc");

    public static Timeline StoreBuffering { get; } =
        Timeline.OfWitness(ModelVerdict.Of(Read("classic", "StoreBuffering"), CoreKind.X86Tso))!;

    public static Timeline OnKernel(string test, string design, params string[] without) =>
        Timeline.OfWitness(
            DesignReport
                .Of(
                    Read("kernel", test),
                    KernelDesign.Load(design, DesignText.Folder).With(removedLabels: without),
                    CoreKind.X86Tso,
                    new ExplorationOptions()
                )
                .Verdict!
        )!;

    public static LitmusTest Read(string folder, string test)
    {
        string file = Path.Combine(Corpus.Repository, "litmus", folder, test + ".litmus");
        return LitmusParser.Parse(File.ReadAllText(file), file);
    }
}
