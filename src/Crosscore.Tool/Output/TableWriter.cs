using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Timelines;
using Crosscore.Litmus.Verdicts;
using Crosscore.Tool.Status;
using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>Which tests a table shows a shortest trace of.</summary>
internal enum Traces
{
    /// <summary>None.</summary>
    None,

    /// <summary>The only test, on one kernel design.</summary>
    OfOne,

    /// <summary>Each test, on each design.</summary>
    All,
}

/// <summary>
/// For people: with few tests every outcome of each, with many a line for each and a table of folders in the end.
/// </summary>
internal sealed class TableWriter(FailOn failOn, bool details, bool everyOutcome, Traces traces) : IReportWriter
{
    /// <summary>Up to this many tests, each is shown with its outcomes: a few screens.</summary>
    public const int MaxTestsWithDetails = 40;

    private readonly ReportOutput _output = ReportOutput.Standard;
    private readonly TestDetails _details = new(ReportOutput.Standard, everyOutcome);
    private readonly FolderTable _folders = new();
    private readonly List<string> _failures = [];
    private readonly List<TestReport> _onKernels = [];
    private long _states;
    private long _iterations;
    private int _known;

    public void Write(TestReport report)
    {
        Count(report);
        if (details)
        {
            _details.Write(report);
            WriteTimelines(report);
        }
        else
        {
            TestRow.Write(_output, report);
        }
    }

    public void Finish(int unreadable)
    {
        if (_folders.Tests == 0)
        {
            return;
        }

        _output.Break();
        if (_onKernels.Count > 1)
        {
            DesignTables.WriteMatrix(_output, _onKernels);
            _output.Break();
        }

        if (_folders.Tests > 1)
        {
            _output.Write(_folders.Sheet(_output));
        }

        foreach (string failure in _failures)
        {
            _output.Line(failure);
        }

        var facts = new List<string> { Wording.Counted(_folders.Tests, "test") };
        if (_known > 0)
        {
            facts.Add($"{Wording.Counted(_known, "known answer")} compared");
        }

        if (_states > 0)
        {
            facts.Add(Wording.Counted(_states, "state"));
        }

        if (_iterations > 0)
        {
            facts.Add($"{Wording.Counted(_iterations, "iteration")} on this machine");
        }

        if (unreadable > 0)
        {
            facts.Add($"[red]{Wording.Counted(unreadable, "file")} not examined[/]");
        }

        _output.Line(string.Join(", ", facts));
    }

    public void Dispose() { }

    private void Count(TestReport report)
    {
        _folders.Add(report);
        _states += report.Model?.Exploration.States ?? 0;
        _states += report.Designs.Sum(design => design.Verdict?.Exploration.States ?? 0);
        _known += report.Designs.Count(design => design is { Expected: not null, Verdict: not null });
        if (report.Designs.Count > 1)
        {
            _onKernels.Add(report);
        }

        _iterations += report.Run?.Iterations ?? 0;
        _known += report.Known?.Known ?? 0;
        if (report.Verdict == TestVerdict.KnownDefect || ExitStatus.Of(report, failOn) != ExitStatus.Success)
        {
            _failures.Add(
                $"[{FolderTable.Color(report.Verdict)}]"
                    + $"{Markup.Escape($"{report.Test.Name}: {Wording.Verdict(report)}")}[/]"
            );
        }
    }

    // A user who asks about one test on one design wants its trace; more are written on request.
    private void WriteTimelines(TestReport report)
    {
        if (traces != Traces.None && report.Model is not null)
        {
            WriteTimeline(report.Model);
        }

        foreach (
            DesignReport design in report.Designs.Where(design =>
                design.Verdict is { Witnesses: > 0 } or { MayHang: true }
            )
        )
        {
            if (traces == Traces.All || (traces == Traces.OfOne && report.Designs.Count == 1))
            {
                _output.Break();
                string name = $"on [bold]{Markup.Escape(design.Design.Name)}[/]";
                _output.Line(_output.Terminal is null ? name : "  " + name);
                WriteTimeline(design.Verdict!);
            }
        }
    }

    private void WriteTimeline(ModelVerdict verdict)
    {
        if (Timeline.OfWitness(verdict) is Timeline timeline)
        {
            TimelineTable.Write(_output, timeline);
        }

        if (Timeline.OfHang(verdict) is Timeline hang)
        {
            TimelineTable.Write(_output, hang);
        }
    }
}
