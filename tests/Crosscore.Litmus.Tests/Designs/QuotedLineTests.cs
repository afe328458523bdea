using System.Text.RegularExpressions;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>
/// Names and places that one file gives of another are right: no compiler reads a page or the header of a test.
/// </summary>
public partial class QuotedLineTests
{
    private static readonly string Designs = Path.Combine(Corpus.Repository, "kernels");

    [Theory]
    [InlineData("the-two-emails.md")]
    [InlineData("timelines.md")]
    public void A_timeline_on_a_page_quotes_kernel_lines_that_stand_there(string page)
    {
        int quotes = 0;
        foreach (Match quote in KernelLine().Matches(File.ReadAllText(Path.Combine(Corpus.Repository, "docs", page))))
        {
            string[] lines = File.ReadAllLines(Path.Combine(Designs, quote.Groups["file"].Value));
            int line = int.Parse(quote.Groups["line"].Value);
            Assert.True(
                line <= lines.Length
                    && lines[line - 1].TrimStart().StartsWith(quote.Groups["text"].Value, StringComparison.Ordinal),
                $"{page} has '{quote.Groups["text"].Value}' at {quote.Groups["file"].Value}:{line}"
            );
            quotes++;
        }

        Assert.True(quotes > 0, $"{page} quotes nothing.");
    }

    [Fact]
    public void A_test_expects_something_only_of_designs_and_profiles_that_exist()
    {
        HashSet<string> designs = [.. KernelTests.AllDesigns.Select(design => design.Name), "*"];
        foreach (LitmusTest test in KernelTests.Names.Select(KernelTests.Test))
        {
            foreach (
                string name in test
                    .Properties.Keys.Where(key => key.StartsWith("Expect[", StringComparison.Ordinal))
                    .SelectMany(key => key[7..^1].Split(' '))
            )
            {
                string[] parts = name.Split('/');
                Assert.True(
                    designs.Contains(parts[0]),
                    $"{test.Name} expects something of '{parts[0]}', which is no design"
                );
                Assert.True(
                    parts.Length == 1 || parts[1] is "sdm" or "amd" or "coherent",
                    $"{test.Name} expects something under '{name}', which is no profile"
                );
            }
        }
    }

    // " 4 ipi_and_wait(targets, ipi_mb); linux-5.4.kernel:124". Bookkeeping names a place without its text, and is
    // passed over.
    [GeneratedRegex(@"\d   (?<text>[A-Za-z][^│\r\n]*;)  (?<file>[a-z0-9.-]+\.kernel):(?<line>\d+)")]
    private static partial Regex KernelLine();
}
