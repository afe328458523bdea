namespace Crosscore.Tests;

/// <summary>What the README shows is what is built.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public void The_code_of_the_readme_is_the_sample()
    {
        string root = RepositoryRoot();
        string sample = File.ReadAllText(Path.Combine(root, "samples", "Barrier", "Program.cs"));
        int start = sample.IndexOf("if (!Membarrier", StringComparison.Ordinal);
        int end = sample.IndexOf("// README: end", StringComparison.Ordinal);
        string shown = sample[start..end].TrimEnd();

        Assert.NotEmpty(shown);
        Assert.Contains($"```csharp\n{shown}\n```", File.ReadAllText(Path.Combine(root, "README.md")), StringComparison.Ordinal);
    }

    private static string RepositoryRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Crosscore.slnx")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests do not run inside of the repository.");
        }

        return folder;
    }
}
