using System.Globalization;
using System.Text.RegularExpressions;
using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Designs;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Words;

/// <summary>
/// What comments and pages name exists: tests, files, anchors of pages, options of the command, types and members; and
/// the counts of states and the table of verdicts that pages print are those of today.
/// </summary>
public partial class NamesTests
{
    private static readonly string[] Files = [.. ProjectFiles()];
    private static readonly string[] Sources = [.. Files.Where(file => file.EndsWith(".cs", StringComparison.Ordinal))];
    private static readonly string[] Pages = [.. Files.Where(file => file.EndsWith(".md", StringComparison.Ordinal))];
    private static readonly Dictionary<string, string> Texts = Sources.ToDictionary(
        file => file,
        file => File.ReadAllText(PathOf(file))
    );

    // Where every count of states that a page prints comes from.
    private static readonly Dictionary<string, Func<Exploration>> Counts = new()
    {
        ["21"] = () => Explore("classic/StoreBuffering", CoreKind.X86Tso),
        ["12"] = () => Explore("classic/StoreBuffering", CoreKind.Sc),
        ["132,006"] = () => ThreeRounds(Reductions.All),
        ["161,328"] = () => ThreeRounds(Reductions.All & ~Reductions.LocalFusion),
        ["217,813"] = () => ThreeRounds(Reductions.All & ~Reductions.Independence),
        ["371,921"] = () => ThreeRounds(Reductions.None),
        ["293"] = () => OnKernel("StaleCode.InterruptReturnSchedules", "linux-5.10-rc"),
    };

    [Fact]
    public void Tests_that_are_named_exist()
    {
        Dictionary<string, string> classes = Texts
            .Values.SelectMany(text =>
                ClassName().Matches(text).Select(match => (Name: match.Groups[1].Value, Text: text))
            )
            .GroupBy(entry => entry.Name)
            .ToDictionary(group => group.Key, group => string.Concat(group.Select(entry => entry.Text)));
        AssertNothing(
            from line in Prose()
            from Match match in TestName().Matches(line.Text)
            let method = match.Groups[2].Value
            where
                !classes.TryGetValue(match.Groups[1].Value, out string? text)
                || (method.Length > 0 && !Regex.IsMatch(text, $@"\b{method}"))
            select $"{line.Place}: {match.Value}"
        );
    }

    [Fact]
    public void Files_that_are_named_exist()
    {
        HashSet<string> names = [.. Files.Select(file => Path.GetFileName(file))];
        AssertNothing(
            from line in Prose()
            from Match match in FileName().Matches(line.Text)
            let name = match.Value.TrimStart('.', '/')
            let exists = name.Contains('/', StringComparison.Ordinal)
                ? Files.Any(file => file.EndsWith(name, StringComparison.Ordinal))
                : names.Contains(name)
            where !exists && !IsInvented(line, name)
            select $"{line.Place}: {match.Value}"
        );
        AssertNothing(
            from line in Prose()
            from Match match in LitmusFolder().Matches(line.Text)
            where !Files.Any(file => file.StartsWith(match.Value, StringComparison.Ordinal))
            select $"{line.Place}: {match.Value}"
        );
    }

    [Fact]
    public void Litmus_tests_that_are_named_exist()
    {
        string[] tests =
        [
            .. Files
                .Where(file => Path.GetExtension(file) == ".litmus")
                .Select(file => Path.GetFileNameWithoutExtension(file)),
        ];
        HashSet<string> families =
        [
            .. tests.Select(test => test.Split('.')).Where(parts => parts.Length > 1).Select(parts => parts[0]),
        ];
        string code = string.Concat(Texts.Values);
        HashSet<string> types = [.. ClassName().Matches(code).Select(match => match.Groups[1].Value)];
        AssertNothing(
            from line in Prose()
            from Match match in DottedName().Matches(line.Text)
            where
                families.Contains(match.Groups[1].Value)
                && !types.Contains(match.Groups[1].Value)
                && !line.Text[match.Index..].Contains(".*", StringComparison.Ordinal)
                && !tests.Any(test => (test + ".").StartsWith(match.Value + ".", StringComparison.Ordinal))
            select $"{line.Place}: {match.Value}"
        );
    }

    [Fact]
    public void Links_between_pages_lead_somewhere()
    {
        AssertNothing(
            from page in Pages
            from line in File.ReadLines(PathOf(page)).Select((text, index) => (Text: text, Number: index + 1))
            from Match match in Link().Matches(line.Text)
            let target = match.Groups[1].Value
            where !target.Contains("://", StringComparison.Ordinal)
            let file = target.Split('#')[0]
            let path = file.Length == 0 ? PathOf(page) : Path.Combine(Path.GetDirectoryName(PathOf(page))!, file)
            let anchor = target.Contains('#', StringComparison.Ordinal) ? target.Split('#')[1] : ""
            where !Path.Exists(path) || (anchor.Length > 0 && !Anchors(path).Contains(anchor))
            select $"{page}:{line.Number}: {target}"
        );
    }

    [Fact]
    public void Options_of_the_command_that_are_named_exist()
    {
        string command = string.Concat(
            Sources
                .Where(file => file.StartsWith("src/Crosscore.Tool/", StringComparison.Ordinal))
                .Select(file => Texts[file])
        );
        HashSet<string> known =
        [
            "--help",
            "--version",
            .. OptionText().Matches(command).Select(match => match.Groups[1].Value),
        ];
        AssertNothing(
            from line in PageLines()
            let start = line.Text.IndexOf("crosscore ", StringComparison.Ordinal)
            where start >= 0 && !line.Text.Contains("dotnet ", StringComparison.Ordinal)
            from Match match in Option().Matches(line.Text[start..].Split('`')[0])
            where !known.Contains(match.Value)
            select $"{line.Place}: {match.Value}"
        );
    }

    [Fact]
    public void Types_and_members_that_pages_name_exist()
    {
        IEnumerable<string> texts = Texts
            .Values.Select(text => Comment().Replace(text, ""))
            .Concat(
                Files
                    .Where(file => Path.GetExtension(file) is ".litmus" or ".kernel")
                    .Select(file => File.ReadAllText(PathOf(file)))
            );
        HashSet<string> words = [.. texts.SelectMany(text => Word().Matches(text)).Select(match => match.Value)];
        AssertNothing(
            from line in PageLines()
            from Match match in TypeName().Matches(line.Text)
            from Match word in Word().Matches(match.Groups[1].Value.Split('(')[0])

            // Capitals alone are instructions, placeholders and the kernel's constants.
            where word.Value.Any(char.IsLower) && !words.Contains(word.Value) && word.Value != "Pn"
            select $"{line.Place}: {match.Groups[1].Value}"
        );
    }

    [Fact]
    public void Counts_of_states_that_pages_print_are_those_of_today()
    {
        string[] counts =
        [
            .. Counts.Values.Select(explore => explore().States.ToString("N0", CultureInfo.InvariantCulture)),
        ];
        Assert.Equal(Counts.Keys, counts);
        AssertNothing(
            from line in PageLines()
            from Match match in StateCount().Matches(line.Text)
            where !counts.Contains(match.Groups[1].Value)
            select $"{line.Place}: {match.Value}, not one of {string.Join(", ", counts)}"
        );
    }

    [Fact]
    public void The_table_of_verdicts_has_every_test_and_says_what_the_test_expects()
    {
        string[] lines = File.ReadAllLines(PathOf("docs/the-two-emails.md"));
        string[] designs =
        [
            .. lines
                .Where(line => DesignNumber().Count(line) >= 3)
                .SelectMany(line => DesignNumber().Matches(line))
                .OrderBy(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))
                .Select(match => match.Groups[2].Value),
        ];
        Assert.Equal(KernelTests.AllDesigns.Select(design => design.Name).Order(), designs.Order());
        Dictionary<string, string[]> rows = lines
            .Where(line => line.StartsWith("│ ", StringComparison.Ordinal))
            .Where(line => !line.StartsWith("│ test ", StringComparison.Ordinal))
            .Select(line => line.Split('│', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            .ToDictionary(row => row[0], row => row[1..]);
        Assert.Equal(KernelTests.Names.Order(), rows.Keys.Order());
        var wrong = new List<string>();
        foreach ((string name, string[] letters) in rows)
        {
            LitmusTest test = KernelTests.Test(name);
            string[] calls = [.. KernelLowering.Calls(test).Select(call => call.Name)];
            for (int column = 0; column < designs.Length; column++)
            {
                KernelDesign design = KernelTests.Design(designs[column]);
                bool lacking =
                    calls.Any(call => design.Syscalls.All(known => known.Name != call))
                    || DesignReport.Configure(test, design).Lacking.Count > 0;
                string expected =
                    lacking ? "-"
                    : Expectation.OnKernel(test, design.Name, "sdm") is var (frequency, _) ? frequency.ToString()[..1]
                    : letters[column];
                if (expected != letters[column])
                {
                    wrong.Add($"{name} on {designs[column]}: {letters[column]}, expected {expected}");
                }
            }
        }

        AssertNothing(wrong);
    }

    [Fact]
    public void The_counts_of_tests_and_designs_in_the_readme_are_those_of_today()
    {
        string count = $"# {KernelTests.Names.Count} tests on {KernelTests.AllDesigns.Count} designs,";
        Assert.Contains(count, File.ReadAllText(PathOf("README.md")), StringComparison.Ordinal);
    }

    private static void AssertNothing(IEnumerable<string> wrong)
    {
        string all = string.Join('\n', wrong.Distinct());
        Assert.True(all.Length == 0, all);
    }

    private static Exploration OnKernel(string name, string design) =>
        KernelTests.Examine(KernelTests.Test(name), KernelTests.Design(design)).Verdict!.Exploration;

    private static Exploration ThreeRounds(Reductions reductions) =>
        Explore("exploration/StoreBuffering.3x3", CoreKind.X86Tso, reductions);

    private static Exploration Explore(string name, CoreKind core, Reductions reductions = Reductions.All)
    {
        string file = Path.Combine(Corpus.Repository, "litmus", name + ".litmus");
        LitmusTest test = LitmusParser.Parse(File.ReadAllText(file), file);
        return TestOutcomes.Explore(test, core, new ExplorationOptions { Reductions = reductions }).Exploration;
    }

    // A file of the reader, of an error message, or one that the page says how to write.
    private static bool IsInvented((string Place, string File, string Text) line, string name)
    {
        string stem = Path.GetFileNameWithoutExtension(name);
        return !stem.Any(char.IsLower)
            || stem == "mine"
            || Regex.IsMatch(line.Text, Regex.Escape(name) + @":\d")
            || File.ReadAllText(PathOf(line.File)).Contains($"Save as `{name}`", StringComparison.Ordinal);
    }

    private static HashSet<string> Anchors(string page) =>
        [
            .. File.ReadLines(page)
                .Where(line => line.StartsWith('#'))
                .Select(line =>
                    NoAnchor().Replace(line.TrimStart('#').Trim().ToLowerInvariant(), "").Replace(' ', '-')
                ),
        ];

    private static IEnumerable<(string Place, string File, string Text)> PageLines() =>
        from page in Pages
        from line in File.ReadLines(PathOf(page)).Select((text, index) => (Text: text, Number: index + 1))
        select ($"{page}:{line.Number}", page, line.Text);

    // Pages, litmus tests, and the comments of code and of kernel designs.
    private static IEnumerable<(string Place, string File, string Text)> Prose()
    {
        foreach (string file in Files)
        {
            bool isCode = Path.GetExtension(file) is ".cs" or ".kernel";
            if (!isCode && Path.GetExtension(file) is not (".md" or ".litmus"))
            {
                continue;
            }

            string[] lines = File.ReadAllLines(PathOf(file));
            for (int index = 0; index < lines.Length; index++)
            {
                string text = isCode ? Comment().Match(lines[index]).Value : lines[index];
                if (text.Length > 0)
                {
                    yield return ($"{file}:{index + 1}", file, text);
                }
            }
        }
    }

    private static string PathOf(string file) => Path.Combine(Corpus.Repository, file);

    private static IEnumerable<string> ProjectFiles() =>
        Directory
            .EnumerateFiles(Corpus.Repository, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Corpus.Repository, file).Replace('\\', '/'))
            .Where(file => !file.Split('/').Any(part => part is "bin" or "obj" or "out" or "artifacts" or ".git"));

    [GeneratedRegex(@"\b(?:class|struct|record|interface|enum)\s+(?:struct\s+|class\s+)?(\w+)")]
    private static partial Regex ClassName();

    [GeneratedRegex(@"\b([A-Z]\w*Tests)\b(?:\.([A-Z]\w+))?(?!\.csproj|/)")]
    private static partial Regex TestName();

    [GeneratedRegex(@"[\w./-]+\.(?:litmus|kernel|cs|md|svg)\b")]
    private static partial Regex FileName();

    [GeneratedRegex(@"\blitmus/\w[\w/]*")]
    private static partial Regex LitmusFolder();

    [GeneratedRegex(@"(?<![\w.])([A-Z]\w+)(?:\.[A-Z]\w+)+\b")]
    private static partial Regex DottedName();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex("\"(--[a-z][\\w-]*)\"")]
    private static partial Regex OptionText();

    [GeneratedRegex(@"(?<![\w-])--[a-z][\w-]*")]
    private static partial Regex Option();

    [GeneratedRegex(@"(?<![:""\w])//.*")]
    private static partial Regex Comment();

    [GeneratedRegex(@"[A-Za-z_]\w*")]
    private static partial Regex Word();

    [GeneratedRegex(@"`([A-Z]\w*(?:<\w+>)?(?:\.[A-Z]\w*(?:<\w+>)?)*(?:\([^`]*\))?)`")]
    private static partial Regex TypeName();

    [GeneratedRegex(@"\b(\d[\d,]*) states\b")]
    private static partial Regex StateCount();

    [GeneratedRegex(@"(?:^|\s)(\d+) ([a-z][\w.-]+)(?=\s|$)")]
    private static partial Regex DesignNumber();

    [GeneratedRegex(@"[^\w\- ]")]
    private static partial Regex NoAnchor();
}
