using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>
/// The public tests with known answers, which lie beside the project: where CROSSCORE_LITMUS says, or in
/// <c>../shared/litmus</c> of the repository. Asked for by that variable and missing they are a failure; not asked for
/// and missing, a reason to skip.
/// </summary>
internal static class Corpus
{
    /// <summary>How many there are; a test that found fewer would pass for the wrong reason.</summary>
    public const int Count = 1004;

    public static string Repository { get; } = FindRepository();

    public static string Folder()
    {
        string? asked = Environment.GetEnvironmentVariable("CROSSCORE_LITMUS");
        string folder = Path.Combine(asked ?? Path.Combine(Repository, "..", "shared", "litmus"), "x86_64");
        if (!Directory.Exists(folder))
        {
            Assert.SkipWhen(
                asked is null,
                $"The public tests are not at {folder}; CROSSCORE_LITMUS says where else they are."
            );
            Assert.Fail($"CROSSCORE_LITMUS asks for the public tests, but there is no folder {folder}.");
        }

        return folder;
    }

    public static IReadOnlyList<LitmusTest> All()
    {
        LitmusTest[] tests =
        [
            .. Directory
                .EnumerateFiles(Folder(), "*.litmus", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .Select(file => LitmusParser.Parse(File.ReadAllText(file), file)),
        ];
        Assert.Equal(Count, tests.Length);
        return tests;
    }

    // From the folder of the test program upwards.
    private static string FindRepository()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Crosscore.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("The tests do not lie in the repository.");
    }
}
