using System.Text;
using System.Text.RegularExpressions;

namespace Crosscore.Tests.Words;

/// <summary>
/// Pages, comments, messages and test names use plain words and American spelling, and lines have at most 120 columns.
/// </summary>
public sealed partial class PhraseTests
{
    private const int MaxWidth = 120;

    private static readonly string Root = RepositoryRoot();
    private static readonly Rule[] Phrases = Read("phrases.txt", @"(?<!\w)(?:{0})(?!\w)");
    private static readonly Rule[] Spellings = Read("spellings.txt", "{0}");

    public static TheoryData<string> Folders =>
        [
            "README.md",
            "docs",
            "litmus",
            "kernels",
            "samples",
            "bench",
            "src/Crosscore",
            "src/Crosscore.Model",
            "src/Crosscore.Litmus",
            "src/Crosscore.Tool",
            "tests/Crosscore.Tests",
            "tests/Crosscore.Litmus.Tests",
            "tests/Crosscore.Tool.Tests",
        ];

    [Theory]
    [MemberData(nameof(Folders))]
    public void Words_are_plain_and_American(string folder) =>
        AssertNothing(folder, FindWords, ".cs", ".md", ".kernel", ".litmus");

    [Theory]
    [MemberData(nameof(Folders))]
    public void Lines_have_at_most_120_columns(string folder) => AssertNothing(folder, FindWideLines, ".cs", ".md");

    [Theory]
    [InlineData("A.md", "A thread, by way of a lock.", 1)]
    [InlineData("A.md", "Somebody\nwaits for\never.", 1, 2)]
    [InlineData("A.md", "2 test(s)", 1)]
    [InlineData("A.cs", "// It is not\n/// to be had here.\nint colour;", 1, 3)]
    [InlineData("A.cs", "f(\"all the \"\n    + \"same\");", 1)]
    [InlineData("A.cs", "string s = \"\"\"\n    Whoever reads\n    \"\"\";", 2)]
    [InlineData("A.cs", "public void Nobody_waits() { }", 1)]
    public void A_planted_phrase_is_found_with_its_line(string file, string text, params int[] lines) =>
        Assert.Equal(lines.Select(line => $"{file}:{line}"), FindWords(file, text).Select(found => Place(found)));

    [Theory]
    [InlineData("A.md", "`by` the way: a thread of its owner goes one step.\nA serializer is wise.")]
    [InlineData("A.cs", "int nobody = f(s); // f(x)")]
    public void Plain_words_are_not_found(string file, string text) => Assert.Empty(FindWords(file, text));

    [Fact]
    public void A_planted_wide_line_is_found()
    {
        string wide = string.Join(' ', Enumerable.Repeat("word", 25));
        Assert.Equal("A.cs:2", Place(Assert.Single(FindWideLines("A.cs", $"// short\n// {wide}"))));
        Assert.Equal("A.md:1", Place(Assert.Single(FindWideLines("A.md", $"{wide}\n\n| {wide} |\n```\n{wide}\n```"))));
        Assert.Empty(FindWideLines("A.md", $"[x](https://{new string('x', MaxWidth)})"));
    }

    private static void AssertNothing(
        string folder,
        Func<string, string, IEnumerable<string>> find,
        params string[] extensions
    )
    {
        string path = Path.Combine(Root, folder);
        IEnumerable<string> files = File.Exists(path) ? [path] : Directory.EnumerateFiles(path, "*", Recursive);
        string found = string.Join(
            '\n',
            files
                .Where(file => extensions.Contains(Path.GetExtension(file)) && !IsGenerated(file))
                .Order(StringComparer.Ordinal)
                .SelectMany(file => find(Path.GetRelativePath(Root, file), File.ReadAllText(file)))
        );
        Assert.True(found.Length == 0, found);
    }

    private static IEnumerable<string> FindWords(string file, string text)
    {
        string[] lines = text.Split('\n');
        string prose = Path.GetExtension(file) is ".cs" or ".kernel" ? ProseOf(lines) : text;
        IEnumerable<(int Line, string Message)> phrases =
            from rule in Phrases
            from Match match in rule.Pattern.Matches(prose)
            select (
                prose.AsSpan(0, match.Index).Count('\n') + 1,
                $"found '{Blank().Replace(match.Value, " ")}', write: {rule.Instead}"
            );
        IEnumerable<(int Line, string Message)> spellings =
            from line in lines.Index()
            from rule in Spellings
            from Match match in rule.Pattern.Matches(line.Item)
            select (line.Index + 1, $"found '{match.Value}', write: {rule.Instead}");
        IEnumerable<(int Line, string Message)> plurals =
            from line in prose.Split('\n').Index()
            from Match match in Plural().Matches(line.Item)
            select (line.Index + 1, $"found '{match.Value}', write the plural");
        return phrases
            .Concat(spellings)
            .Concat(plurals)
            .OrderBy(found => found.Line)
            .Select(found => $"{file}:{found.Line}: {found.Message}");
    }

    // Code, tables and lines that cannot be broken may be wider in a page.
    private static IEnumerable<string> FindWideLines(string file, string text)
    {
        bool isPage = file.EndsWith(".md", StringComparison.Ordinal);
        bool isCode = false;
        foreach ((int index, string line) in text.Split('\n').Index())
        {
            string content = line.TrimStart();
            isCode ^= isPage && content.StartsWith("```", StringComparison.Ordinal);
            bool mayBeWide =
                isPage
                && (
                    isCode
                    || content.StartsWith('|')
                    || line.StartsWith("    ", StringComparison.Ordinal)
                    || !content.Contains(' ', StringComparison.Ordinal)
                );
            if (line.Length > MaxWidth && !mayBeWide)
            {
                yield return $"{file}:{index + 1}: {line.Length} columns, expected at most {MaxWidth}";
            }
        }
    }

    // The comments, literals and test names of a C# file, line by line; a line without any of them ends a phrase.
    private static string ProseOf(string[] lines)
    {
        var prose = new StringBuilder();
        bool isRaw = false;
        foreach (string line in lines)
        {
            bool wasRaw = isRaw;
            isRaw ^= line.Split("\"\"\"").Length % 2 == 0;
            IEnumerable<string> parts =
                wasRaw || isRaw
                    ? [line]
                    : Text().Matches(line).Select(match => match.Groups[1].Value + match.Groups[2].Value);
            string found = string.Join(" . ", parts).Replace("\\n", " ", StringComparison.Ordinal);
            string name = TestName().Match(line).Value.Replace('_', ' ');
            prose.Append(found.Length + name.Length == 0 ? "." : found + name).Append('\n');
        }

        return prose.ToString();
    }

    private static string Place(string found) => string.Join(':', found.Split(':').Take(2));

    private static Rule[] Read(string file, string form) =>
        [
            .. File.ReadLines(Path.Combine(Root, "tests", "Crosscore.Tests", "Words", file))
                .Where(line => line.Length > 0 && line[0] != '#')
                .Select(line => line.Split('\t'))
                .Select(parts => new Rule(
                    new Regex(
                        form.Replace("{0}", parts[0], StringComparison.Ordinal)
                            .Replace(" ", @"\s+", StringComparison.Ordinal),
                        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
                    ),
                    parts[1]
                )),
        ];

    // What was built; and this file, which has to name what it looks for.
    private static bool IsGenerated(string file) =>
        Path.GetFileName(file) == "PhraseTests.cs"
        || Path.GetRelativePath(Root, file)
            .Split('/', '\\')
            .Any(part => part is "bin" or "obj" or "out" or "artifacts");

    private static EnumerationOptions Recursive => new() { RecurseSubdirectories = true };

    private static string RepositoryRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Crosscore.slnx")))
        {
            folder =
                Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("The tests run outside the repository.");
        }

        return folder;
    }

    // The text of a comment, or of a literal.
    [GeneratedRegex("//+(.*)|\"((?:[^\"\\\\]|\\\\.)*)\"")]
    private static partial Regex Text();

    [GeneratedRegex(@"(?<=(?:void|Task) )[A-Z]\w*_\w*(?=\()")]
    private static partial Regex TestName();

    [GeneratedRegex(@"[a-z]\(s\)")]
    private static partial Regex Plural();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blank();

    private sealed record Rule(Regex Pattern, string Instead);
}
