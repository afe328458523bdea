using Crosscore.Litmus.Tests.Model;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>The public AArch64 tests with known kinds, beside those of x86.</summary>
internal static class OracleCorpus
{
    public static readonly string[] Folders = ["catalogue", "cas", "readers-guide"];

    /// <summary>
    /// The files of a folder with what <c>kinds.tsv</c> says of them, <see langword="null"/> where it says nothing.
    /// </summary>
    public static IReadOnlyList<(string File, string? Kind)> Files(string folder)
    {
        string path = System.IO.Path.Combine(Corpus.Folder(), "..", "aarch64", folder);
        Dictionary<string, string> kinds = File.ReadLines(System.IO.Path.Combine(path, "kinds.tsv"))
            .Skip(1)
            .Select(line => line.Split('\t'))
            .ToDictionary(words => words[0], words => words[2]);
        (string, string?)[] files =
        [
            .. Directory
                .EnumerateFiles(path, "*.litmus")
                .Order(StringComparer.Ordinal)
                .Select(file => (file, kinds.GetValueOrDefault(System.IO.Path.GetFileName(file)))),
        ];
        Assert.True(files.Count(file => file.Item2 is not null) > 30, $"Few known kinds in {path}.");
        return files;
    }
}
