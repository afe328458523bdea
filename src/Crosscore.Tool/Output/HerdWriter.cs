using System.Globalization;
using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Machine;
using Crosscore.Tool.Status;

namespace Crosscore.Tool.Output;

/// <summary>
/// What herd7 prints of the model's verdict, and what litmus7 prints of a run, separated by empty lines.
/// </summary>
internal sealed class HerdWriter(TextWriter output, FailOn failOn) : IReportWriter
{
    private bool _first = true;

    public void Write(TestReport report)
    {
        if (report.Model is not null)
        {
            Separate();
            output.Write(HerdLog.Format(report.Model));
            if (!report.Model.IsComplete)
            {
                Console.Error.WriteLine(
                    $"crosscore: {report.Test.Name}: {Wording.Bounds(report.Model)}; "
                        + "states that are not listed were not found within the bound"
                );
            }
        }

        foreach (DesignReport design in report.Designs.Where(design => design.Verdict is not null))
        {
            Separate();
            output.Write(
                HerdLog.Format(
                    design.Verdict!,
                    report.Designs.Count == 1 ? null : $"{report.Test.Name}[{design.Design.Name}]"
                )
            );
        }

        if (report.Run is MachineRun run)
        {
            Separate();
            output.Write(HerdLog.Format(report.Sequential!, report.Seen, run.Elapsed));
        }

        if (report.NotRunBecause is string reason)
        {
            Console.Error.WriteLine($"crosscore: {report.Test.Name}: not run: {reason}");
        }

        foreach (string note in report.Notes)
        {
            Console.Error.WriteLine($"crosscore: {report.Test.Name}: {note}");
        }

        if (
            report.Verdict == Litmus.Bench.TestVerdict.KnownDefect
            || ExitStatus.Of(report, failOn) != ExitStatus.Success
        )
        {
            Console.Error.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"crosscore: {report.Test.Name}: {Wording.Verdict(report)}")
            );
        }
    }

    public void Finish(int unreadable) => output.Flush();

    public void Dispose() => output.Flush();

    private void Separate()
    {
        if (!_first)
        {
            output.WriteLine();
        }

        _first = false;
    }
}
