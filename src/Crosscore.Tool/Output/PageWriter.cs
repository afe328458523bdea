using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Timelines;
using Crosscore.Litmus.Verdicts;
using Crosscore.Tool.Inputs;

namespace Crosscore.Tool.Output;

/// <summary>
/// Writes what another writer writes, and the trace to the condition's outcome of one test on one design as a page.
/// </summary>
internal sealed class PageWriter(IReportWriter inner, string file, string command, string profile) : IReportWriter
{
    public void Write(TestReport report)
    {
        inner.Write(report);
        ModelVerdict[] verdicts =
        [
            .. report.Designs.Select(design => design.Verdict).OfType<ModelVerdict>(),
            .. report.Model is null ? Array.Empty<ModelVerdict>() : [report.Model],
        ];
        if (report.Designs.Count > 1)
        {
            throw new UsageException(
                $"--html needs exactly one kernel design: found {report.Designs.Count}; name one with --kernel"
            );
        }

        if (verdicts is not [ModelVerdict verdict])
        {
            throw new UsageException(
                $"cannot write {file}: {report.Designs[0].Design.Name} "
                    + $"has no {string.Join(", ", report.Designs[0].Lacking)}; name another design with --kernel"
            );
        }

        Timeline timeline =
            Timeline.OfWitness(verdict)
            ?? throw new UsageException(
                $"cannot write {file}: there is no trace, since the verdict is {Wording.Frequency(verdict)}"
            );
        using var output = new StreamWriter(
            file,
            append: false,
            new System.Text.UTF8Encoding(encoderShouldEmitUTF8Identifier: false)
        );
        TimelinePage.Write(
            output,
            timeline,
            new TimelinePageFacts(Wording.Question(report.Test), Wording.Frequency(verdict), profile, command)
        );
    }

    public void Finish(int unreadable) => inner.Finish(unreadable);

    // The caller disposes of the other writer.
    public void Dispose() { }
}
