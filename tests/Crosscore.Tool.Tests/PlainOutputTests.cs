namespace Crosscore.Tool.Tests;

/// <summary>
/// Output in a file or pipe: no boxes, colors or padding, and fields that <c>cut</c> and <c>awk</c> can use.
/// </summary>
public class PlainOutputTests
{
    private const string StoreBuffering = "litmus/classic/StoreBuffering.litmus";
    private const string Scenario = "litmus/kernel/ScenarioC.litmus";

    [Theory]
    [InlineData("promise\tholds\tevidence\tsource", "machine")]
    [InlineData("design\tsystem calls\tlabels\tdescription", "kernels")]
    [InlineData("folder\ttests\tas expected", "explore", "litmus/classic")]
    [InlineData("outcome\tmodel\tmarks", "explore", StoreBuffering, "--trace")]
    [InlineData("outcome\tmodel\tseen\tmarks", "check", StoreBuffering, "--iterations", "100")]
    [InlineData("outcome\tseen\tmarks", "run", StoreBuffering, "--iterations", "100")]
    [InlineData(
        "test\tmodel\tallowed\tdesigns\tseen",
        "explore",
        "litmus/classic",
        "litmus/membarrier",
        "litmus/locks"
    )]
    [InlineData("test\tlinux-4.14\tlinux-4.16\t", "explore", Scenario, Scenario, "--kernel", "all")]
    [InlineData(
        "step\twhere\ttask\tcode",
        "explore",
        Scenario,
        "--kernel",
        "linux-5.12",
        "--remove",
        "membarrier_private_expedited.entry",
        "--trace"
    )]
    [InlineData("without\tkind\tplace\tScenarioC", "ablate", Scenario, "--kernel", "linux-5.12", "--trace")]
    public void Every_command_writes_tables_that_programs_can_read(string titles, params string[] arguments)
    {
        Command run = Command.Run(arguments);

        Assert.Equal("", run.Errors);
        Assert.Contains("\n" + titles, "\n" + run.Output, StringComparison.Ordinal);
        AssertPlain(run.Output);
    }

    [Fact]
    public void A_design_is_shown_with_its_text_as_it_is()
    {
        string text = File.ReadAllText(Path.Combine(Command.Repository, "kernels", "linux-6.8.kernel"));
        string output = Command.Run("kernels", "linux-6.8").Output;

        Assert.EndsWith("\n\n" + text, output, StringComparison.Ordinal);
        Assert.Contains("\nlabel\tkind\tplace\ttext\n", output, StringComparison.Ordinal);
        AssertPlain(output[..^text.Length].TrimEnd('\n') + "\n");
    }

    [Theory]
    [InlineData("a │ b\n", "box")]
    [InlineData("a\u001b[0m\n", "color")]
    [InlineData("a \nb\n", "blank at the end")]
    [InlineData("a\tb\t\n", "blank at the end")]
    [InlineData("a   b\n", "padding")]
    [InlineData("a\t b\n", "padding")]
    [InlineData("a\tb\nc\td\te\n", "fields")]
    [InlineData("a\n\n\nb\n", "empty lines")]
    public void The_check_sees_what_is_not_plain(string output, string problem) =>
        Assert.Equal(problem, Problem(output));

    private static void AssertPlain(string output) => Assert.Null(Problem(output));

    // What is wrong with the first line that is not plain; null if all lines are.
    private static string? Problem(string output)
    {
        if (output.Contains("\n\n\n", StringComparison.Ordinal))
        {
            return "empty lines";
        }

        int fields = 0;
        foreach (string line in output.TrimEnd('\n').Split('\n'))
        {
            string? problem =
                line.Any(letter => letter is >= '\u2500' and <= '\u25ff') ? "box"
                : line.Contains('\u001b', StringComparison.Ordinal) ? "color"
                : line.Length > 0 && char.IsWhiteSpace(line[^1]) ? "blank at the end"
                : line.Split('\t').Any(field => field.Contains("  ", StringComparison.Ordinal) || field != field.Trim())
                    ? "padding"
                : line.Length > 0 && fields > 0 && line.Split('\t').Length != fields ? "fields"
                : null;
            if (problem is not null)
            {
                return problem;
            }

            fields = line.Length == 0 ? 0 : line.Split('\t').Length;
        }

        return null;
    }
}
