namespace Crosscore.Tests;

/// <summary>What the README shows is what is built.</summary>
public sealed class ReadmeTests
{
    [Theory]
    [InlineData("barriers", "data")]
    [InlineData("data", "code")]
    [InlineData("code", "per CPU")]
    [InlineData("per CPU", "end")]
    public void The_code_of_the_readme_is_the_sample(string part, string next)
    {
        string root = RepositoryRoot();
        string sample = File.ReadAllText(Path.Combine(root, "samples", "Tour", "Program.cs"));
        string mark = $"// README: {part}\n";
        int start = sample.IndexOf(mark, StringComparison.Ordinal) + mark.Length;
        int end = sample.IndexOf($"// README: {next}\n", StringComparison.Ordinal);
        string shown = sample[start..end].TrimEnd();

        Assert.NotEmpty(shown);
        Assert.Contains(
            $"```csharp\n{shown}\n```",
            File.ReadAllText(Path.Combine(root, "README.md")),
            StringComparison.Ordinal
        );
    }

    private static string RepositoryRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Crosscore.slnx")))
        {
            folder =
                Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("The tests do not run inside of the repository.");
        }

        return folder;
    }
}
