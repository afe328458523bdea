using Crosscore.Litmus.Bench;
using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>Counts the verdicts of the tests of each folder.</summary>
internal sealed class FolderTable
{
    private readonly SortedDictionary<string, Dictionary<TestVerdict, int>> _folders = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int MayHang, int NotLookedFor)> _endings = [];

    /// <summary>Gets the number of tests counted.</summary>
    public int Tests => _folders.Values.Sum(folder => folder.Values.Sum());

    public void Add(TestReport report)
    {
        string folder = Path.GetDirectoryName(report.Test.File) is { Length: > 0 } name ? name : ".";
        if (!_folders.TryGetValue(folder, out Dictionary<TestVerdict, int>? verdicts))
        {
            _folders.Add(folder, verdicts = []);
        }

        verdicts[report.Verdict] = verdicts.GetValueOrDefault(report.Verdict) + 1;
        (int mayHang, int notLookedFor) = _endings.GetValueOrDefault(folder);
        _endings[folder] = (mayHang + (report.MayHang ? 1 : 0), notLookedFor + (report.HangsNotLookedFor ? 1 : 0));
    }

    public Sheet Sheet(ReportOutput output)
    {
        TestVerdict[] used =
        [
            .. Enum.GetValues<TestVerdict>()
                .Where(verdict =>
                    verdict == TestVerdict.AsExpected || _folders.Values.Any(folder => folder.ContainsKey(verdict))
                ),
        ];
        Sheet sheet = new Sheet(isFramed: true).AddColumn("folder").AddColumn("tests", Justify.Right);
        foreach (TestVerdict verdict in used)
        {
            sheet.AddColumn($"[{Color(verdict)}]{Heading(verdict)}[/]", Justify.Right);
        }

        // Endings are no verdicts and stand behind them: a test with any verdict may hang.
        bool hangs = _endings.Values.Any(folder => folder.MayHang > 0);
        bool notLookedFor = _endings.Values.Any(folder => folder.NotLookedFor > 0);
        if (hangs)
        {
            sheet.AddColumn("[yellow]may hang[/]", Justify.Right);
        }

        if (notLookedFor)
        {
            sheet.AddColumn("[yellow]hangs not looked for[/]", Justify.Right);
        }

        foreach ((string folder, Dictionary<TestVerdict, int> verdicts) in _folders)
        {
            (int mayHang, int unknown) = _endings[folder];
            sheet.AddRow([
                Markup.Escape(folder),
                output.Number(verdicts.Values.Sum()),
                .. used.Select(verdict => Cell(verdicts.GetValueOrDefault(verdict), Color(verdict))),
                .. hangs ? [Cell(mayHang, "yellow")] : Array.Empty<string>(),
                .. notLookedFor ? [Cell(unknown, "yellow")] : Array.Empty<string>(),
            ]);
        }

        return sheet;

        string Cell(int count, string color) =>
            count > 0 ? $"[{color}]{output.Number(count)}[/]"
            : output.Terminal is null ? "0"
            : "[dim]-[/]";
    }

    public static string Color(TestVerdict verdict) =>
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
}
