using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Timelines;
using Crosscore.Litmus.Verdicts;

namespace Crosscore.Tool.Output;

/// <summary>
/// Writes, besides what another writer does, the way to the condition's outcome of one test on one design as a page of
/// its own.
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
                $"--html shows one kernel design, found {report.Designs.Count}: name one with --kernel"
            );
        }

        if (verdicts is not [ModelVerdict verdict])
        {
            throw new UsageException(
                $"--html has nothing to show: {report.Designs[0].Design.Name} "
                    + $"has no {string.Join(", ", report.Designs[0].Lacking)}"
            );
        }

        Timeline timeline =
            Timeline.OfWitness(verdict)
            ?? throw new UsageException(
                $"--html has nothing to show: no outcome is as asked, the verdict is {Wording.Frequency(verdict)}"
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

    // The other writer belongs to whoever made it.
    public void Dispose() { }
}
