using System.Globalization;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Timelines;
using Crosscore.Litmus.Verdicts;
using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>Of what a table shows a shortest way.</summary>
internal enum Traces
{
    /// <summary>Of nothing.</summary>
    None,

    /// <summary>Of one test, on one kernel design.</summary>
    OfOne,

    /// <summary>Of each test, on each design.</summary>
    All,
}

/// <summary>
/// For people: with few tests every outcome of each, with many a line for each and a table of folders in the end.
/// </summary>
internal sealed class TableWriter(FailOn failOn, bool details, bool everyOutcome, Traces traces) : IReportWriter
{
    /// <summary>Up to this many tests, each is shown with its outcomes: a few screens.</summary>
    public const int MostTestsWithDetails = 40;

    // A screen of outcomes of one test.
    private const int MostOutcomes = 40;

    private readonly IAnsiConsole _console = Terminal.Console;
    private readonly SortedDictionary<string, Dictionary<TestVerdict, int>> _folders = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int MayHang, int NotLookedFor)> _endings = [];
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
            WriteDetails(report);
        }
        else
        {
            _console.MarkupLine(Row(report));
        }
    }

    public void Finish(int unreadable)
    {
        if (_folders.Count == 0)
        {
            return;
        }

        _console.WriteLine();
        int tests = _folders.Values.Sum(folder => folder.Values.Sum());
        if (_onKernels.Count > 1)
        {
            DesignTables.WriteMatrix(_console, _onKernels);
            _console.WriteLine();
        }

        if (tests > 1)
        {
            WriteFolders();
        }

        foreach (string failure in _failures)
        {
            _console.MarkupLine(failure);
        }

        var facts = new List<string> { Wording.Counted(tests, "test") };
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
            facts.Add($"[red]{Wording.Counted(unreadable, "file")} not understood[/]");
        }

        _console.MarkupLine(string.Join(", ", facts));
    }

    public void Dispose() { }

    private static string Color(TestVerdict verdict) =>
        verdict switch
        {
            TestVerdict.AsExpected => "green",
            TestVerdict.NoExpectation => "default",
            TestVerdict.Undecided or TestVerdict.NotRun => "yellow",
            TestVerdict.ForbiddenSeen or TestVerdict.KnownDefect => "white on red",
            _ => "red",
        };

    private static string Heading(TestVerdict verdict) =>
        verdict switch
        {
            TestVerdict.AsExpected => "as expected",
            TestVerdict.NoExpectation => "no expectation",
            TestVerdict.KnownDefect => "KNOWN DEFECT SEEN",
            TestVerdict.Undecided => "undecided",
            TestVerdict.NotRun => "not run",
            TestVerdict.Worse => "worse",
            TestVerdict.Violated => "violated",
            TestVerdict.NeverEnds => "never end",
            TestVerdict.ControlNotSeen => "control failed",
            TestVerdict.NotAsExpected => "NOT as expected",
            _ => "FORBIDDEN SEEN",
        };

    private void Count(TestReport report)
    {
        string folder = Path.GetDirectoryName(report.Test.File) is { Length: > 0 } name ? name : ".";
        if (!_folders.TryGetValue(folder, out Dictionary<TestVerdict, int>? verdicts))
        {
            _folders.Add(folder, verdicts = []);
        }

        verdicts[report.Verdict] = verdicts.GetValueOrDefault(report.Verdict) + 1;
        (int mayHang, int notLookedFor) = _endings.GetValueOrDefault(folder);
        _endings[folder] = (mayHang + (report.MayHang ? 1 : 0), notLookedFor + (report.HangsNotLookedFor ? 1 : 0));
        _states += report.Model?.Exploration.States ?? 0;
        _states += report.Designs.Sum(design => design.Verdict?.Exploration.States ?? 0);
        _known += report.Designs.Count(design => design is { Expected: not null, Verdict: not null });
        if (report.Designs.Count > 1)
        {
            _onKernels.Add(report);
        }

        _iterations += report.Run?.Iterations ?? 0;
        _known += report.Known?.Known ?? 0;
        if (report.Verdict == TestVerdict.KnownDefect || FailOnRules.StatusOf(report, failOn) != ExitCode.Success)
        {
            _failures.Add(
                $"[{Color(report.Verdict)}]{Markup.Escape($"{report.Test.Name}: {Wording.Verdict(report)}")}[/]"
            );
        }
    }

    private static string Row(TestReport report)
    {
        string name = report.Test.Name.PadRight(34);
        string model = report.Model is null
            ? ""
            : $"{Wording.Frequency(report.Model), -10} {report.Model.Allowed.Count, 3} allowed  ";
        model =
            report.Designs.Count == 0
                ? model
                : string.Join(
                    "  ",
                    report
                        .Designs.GroupBy(design =>
                            design.Verdict is null ? "lacking" : Wording.Frequency(design.Verdict)
                        )
                        .Select(group => $"{group.Key} on {group.Count()}")
                ) + "  ";
        string run = report.Run is null
            ? ""
            : $"{report.Outcomes.Count(outcome => outcome.Seen > 0), 3} seen in "
                + $"{Wording.Number(report.Run.RelevantTrials), 9} trials  "
                + $"{Wording.Number(report.WitnessesSeen), 9} as asked  ";
        return $"{Markup.Escape(name)} "
            + $"{Markup.Escape(model)}{Markup.Escape(run)}[{Color(report.Verdict)}]{Markup.Escape(Wording.Verdict(report))}[/]";
    }

    private void WriteDetails(TestReport report)
    {
        _console.WriteLine();
        _console.MarkupLine($"[bold]{Markup.Escape(report.Test.Name)}[/]  [dim]{Markup.Escape(report.Test.File)}[/]");
        if (report.Test.Description.Length > 0)
        {
            _console.Write(Terminal.Prose(report.Test.Description, new Style(decoration: Decoration.Dim)));
        }

        _console.MarkupLine($"  {Markup.Escape(Wording.Question(report.Test))}");
        if (report.Model is ModelVerdict model)
        {
            string time = model.Exploration.Elapsed.TotalMilliseconds.ToString("0.0", CultureInfo.InvariantCulture);
            _console.MarkupLine(
                $"  model    [bold]{Wording.Frequency(model)}[/], "
                    + $"{Wording.Number(model.Exploration.States)} states in {time} ms"
            );
        }

        if (report.Run is MachineRun run)
        {
            _console.MarkupLine($"  machine  {Markup.Escape(Wording.Run(run))}");
            if (
                run.Mode == MachineMode.Rendezvous
                && report.Test.Threads.Any(thread =>
                    thread.Instructions.Any(instruction => instruction.Command is not null)
                )
            )
            {
                _console.MarkupLine($"           [yellow]{Markup.Escape(run.ModeReason)}[/]");
            }

            foreach (string remark in run.Remarks)
            {
                _console.MarkupLine($"           [yellow]{Markup.Escape(remark)}[/]");
            }
        }

        if (report.Designs.Count > 0)
        {
            _console.Write(new Padder(DesignTables.Of(report), new Padding(1, 0, 0, 0)));
        }

        WriteOutcomes(report);
        foreach (string note in report.Notes)
        {
            _console.MarkupLine($"  [yellow]{Markup.Escape(note)}[/]");
        }

        _console.MarkupLine($"  [{Color(report.Verdict)}]{Markup.Escape(Wording.Verdict(report))}[/]");
        WriteTimelines(report);
    }

    private void WriteOutcomes(TestReport report)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumn("outcome");
        if (report.Model is not null)
        {
            table.AddColumn("model");
        }

        if (report.Run is not null)
        {
            table.AddColumn(new TableColumn("seen").RightAligned());
        }

        table.AddColumn("");
        // What is forbidden, asked for or weak comes first where not all can be shown.
        GradedOutcome[] shown =
            report.Outcomes.Count <= MostOutcomes || everyOutcome
                ? [.. report.Outcomes]
                :
                [
                    .. report
                        .Outcomes.OrderByDescending(graded => graded is { IsAllowed: false, Seen: > 0 })
                        .ThenByDescending(graded => graded.IsWitness)
                        .ThenByDescending(graded => graded.IsWeak)
                        .Take(MostOutcomes),
                ];
        foreach (GradedOutcome graded in shown)
        {
            var cells = new List<string> { Markup.Escape(Wording.Describe(report, graded.Outcome)) };
            if (report.Model is ModelVerdict model)
            {
                cells.Add(
                    graded.IsAllowed == true ? "allowed"
                    : model.IsComplete ? "[white on red]FORBIDDEN[/]"
                    : "not found"
                );
            }

            if (report.Run is MachineRun run)
            {
                cells.Add(
                    graded.Seen > 0
                        ? Wording.Number(graded.Seen.Value)
                        : $"[dim]none of {Wording.Number(run.RelevantTrials)}[/]"
                );
            }

            cells.Add(Marks(graded));
            table.AddRow([.. cells]);
        }

        if (report.Outcomes.Count > 0)
        {
            _console.Write(new Padder(table, new Padding(1, 0, 0, 0)));
        }

        if (shown.Length < report.Outcomes.Count)
        {
            _console.MarkupLine(
                $"  [dim]and {Wording.Number(report.Outcomes.Count - shown.Length)} more; --outcomes shows them[/]"
            );
        }
    }

    private static string Marks(GradedOutcome graded)
    {
        string weak = graded.IsWeak ? "[magenta]weak[/]" : "";
        string asked = graded.IsWitness ? "[cyan]as asked[/]" : "";
        return weak.Length > 0 && asked.Length > 0 ? $"{weak}, {asked}" : weak + asked;
    }

    // One way is what a reader looks for who asks about one test on one design; more have to be asked for.
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
                _console.WriteLine();
                _console.MarkupLine($"  on [bold]{Markup.Escape(design.Design.Name)}[/]");
                WriteTimeline(design.Verdict!);
            }
        }
    }

    private void WriteTimeline(ModelVerdict verdict)
    {
        if (Timeline.OfWitness(verdict) is Timeline timeline)
        {
            TimelineTable.Write(_console, timeline, timeline.Target);
        }

        if (Timeline.OfHang(verdict) is Timeline hang)
        {
            TimelineTable.Write(_console, hang, hang.Target);
        }
    }

    private void WriteFolders()
    {
        TestVerdict[] used =
        [
            .. Enum.GetValues<TestVerdict>()
                .Where(verdict =>
                    verdict == TestVerdict.AsExpected || _folders.Values.Any(folder => folder.ContainsKey(verdict))
                ),
        ];
        Table table = new Table()
            .Border(TableBorder.Rounded)
            .AddColumn("folder")
            .AddColumn(new TableColumn("tests").RightAligned());
        foreach (TestVerdict verdict in used)
        {
            table.AddColumn(new TableColumn($"[{Color(verdict)}]{Heading(verdict)}[/]").RightAligned());
        }

        // What is no verdict stands behind the verdicts: a test with any of them may hang.
        bool hangs = _endings.Values.Any(folder => folder.MayHang > 0);
        bool notLookedFor = _endings.Values.Any(folder => folder.NotLookedFor > 0);
        if (hangs)
        {
            table.AddColumn(new TableColumn("[yellow]may hang[/]").RightAligned());
        }

        if (notLookedFor)
        {
            table.AddColumn(new TableColumn("[yellow]hangs not looked for[/]").RightAligned());
        }

        foreach ((string folder, Dictionary<TestVerdict, int> verdicts) in _folders)
        {
            (int mayHang, int unknown) = _endings[folder];
            table.AddRow([
                Markup.Escape(folder),
                Wording.Number(verdicts.Values.Sum()),
                .. used.Select(verdict => Cell(verdicts.GetValueOrDefault(verdict), Color(verdict))),
                .. hangs ? [Cell(mayHang, "yellow")] : Array.Empty<string>(),
                .. notLookedFor ? [Cell(unknown, "yellow")] : Array.Empty<string>(),
            ]);
        }

        _console.Write(table);

        static string Cell(int count, string color) => count > 0 ? $"[{color}]{Wording.Number(count)}[/]" : "[dim]-[/]";
    }
}
