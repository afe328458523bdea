using System.Text.Json;
using System.Text.RegularExpressions;

namespace Crosscore.Tool.Tests;

/// <summary>The command that removes labels of a design, and the page that holds what it prints.</summary>
public partial class AblationTests
{
    [Fact]
    public void The_page_about_barriers_holds_what_its_commands_print()
    {
        string page = File.ReadAllText(Path.Combine(Command.Repository, "docs", "barriers.md"));
        MatchCollection commands = MarkdownCommand().Matches(page);
        Assert.Equal(4, commands.Count);
        foreach (Match command in commands)
        {
            Command run = Command.Run(command.Groups[1].Value.Split(' '));
            Assert.Equal((0, ""), (run.Status, run.Errors));
            Assert.Contains(Joined(run.Output), Joined(page), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void The_table_names_what_breaks_and_the_command_that_shows_it()
    {
        Command run = Command.Run(
            "ablate",
            "--kernel",
            "linux-5.12",
            "litmus/kernel/ScenarioC.litmus",
            "litmus/kernel/ScenarioA.NoCall.litmus"
        );

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Contains(
            "crosscore explore litmus/kernel/ScenarioC.litmus --kernel "
                + "linux-5.12 --remove membarrier_private_expedited.entry --trace",
            run.Output,
            StringComparison.Ordinal
        );
        Assert.Contains("Not shown necessary by these tests on this core: ", run.Output, StringComparison.Ordinal);
        Assert.Contains(
            "its outcome is possible on the whole design: ScenarioA.NoCall",
            run.Output,
            StringComparison.Ordinal
        );

        // The command that it names shows what it says, and is not what the test expects.
        Command shown = Command.Run(
            "explore",
            "litmus/kernel/ScenarioC.litmus",
            "--kernel",
            "linux-5.12",
            "--remove",
            "membarrier_private_expedited.entry",
            "--trace"
        );
        Assert.Equal(1, shown.Status);
        Assert.Contains("shortest trace to", shown.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_json_has_an_entry_for_each_label_and_set()
    {
        Command run = Command.Run(
            "ablate",
            "--kernel",
            "linux-5.12",
            "litmus/kernel/ScenarioC.FromSystemCall.litmus",
            "--format",
            "json",
            "--together",
            "switch_mm.lazy_mb,finish_lazy.lazy_sync,finish_lazy.switch_in"
        );
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement[] removals = [.. document.RootElement.GetProperty("removals").EnumerateArray()];

        JsonElement together = removals.Single(removal => removal.GetProperty("labels").GetArrayLength() == 3);
        Assert.True(together.GetProperty("breaks").GetBoolean());
        Assert.EndsWith(
            "--remove finish_lazy.switch_in --trace",
            together.GetProperty("command").GetString(),
            StringComparison.Ordinal
        );
        Assert.False(
            removals
                .Single(removal => removal.GetProperty("labels")[0].GetString() == "ipi_sync_core.handler")
                .GetProperty("executed")
                .GetBoolean()
        );
    }

    [Fact]
    public void The_commands_that_it_names_explore_what_it_explored()
    {
        Command run = Command.Run(
            "ablate",
            "--kernel",
            "linux-5.12",
            "--option",
            "ipi_order=none",
            "--without",
            "fusion",
            "--max-states",
            "5000000",
            "--cpus",
            "3",
            "litmus/kernel/ScenarioC.litmus"
        );

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Contains(
            "crosscore explore litmus/kernel/ScenarioC.litmus --max-states 5000000 --without fusion --kernel "
                + "linux-5.12 --option ipi_order=none --cpus 3 --remove membarrier_private_expedited.entry --trace",
            run.Output,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Without_a_choice_the_core_is_the_one_that_the_tests_are_written_for()
    {
        Command run = Command.Run("ablate", "--kernel", "linux-5.12", "litmus/aarch64/kernel/ScenarioD.litmus");

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Contains("linux-5.12 on aarch64", run.Output, StringComparison.Ordinal);
        Assert.Contains("exit.exit_mm", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ablate needs exactly one design: --kernel NAME", "ablate")]
    [InlineData("ablate needs exactly one design: --kernel NAME", "ablate", "--kernel", "all")]
    [InlineData("has no label 'nothing'", "ablate", "--kernel", "linux-5.12", "--together", "nothing")]
    [InlineData(
        "found ',' after --together, expected labels separated by commas",
        "ablate",
        "--kernel",
        "linux-5.12",
        "--together",
        ","
    )]
    [InlineData("found exit.exit_mm twice", "ablate", "--kernel", "linux-5.12", "--together", "exit.exit_mm,exit_mm")]
    [InlineData(
        "--together repeats exit.exit_mm, which --remove removes from every run",
        "ablate",
        "--kernel",
        "linux-5.12",
        "--remove",
        "exit.exit_mm",
        "--together",
        "exit.exit_mm"
    )]
    [InlineData(
        "--trace cannot be combined with --format json",
        "ablate",
        "--kernel",
        "linux-5.12",
        "--trace",
        "--format",
        "json"
    )]
    [InlineData(
        "none of the tests is applicable: ScenarioD is written in AArch64",
        "ablate",
        "--kernel",
        "linux-5.12",
        "--core",
        "x86-tso",
        "litmus/aarch64/kernel/ScenarioD.litmus"
    )]
    [InlineData(
        "is not decided without promises",
        "ablate",
        "--kernel",
        "linux-5.12",
        "--no-promises",
        "litmus/aarch64/kernel/ScenarioD.litmus"
    )]
    [InlineData(
        "The label 'entry' of linux-5.12 is ambiguous",
        "ablate",
        "--kernel",
        "linux-5.12",
        "--together",
        "entry"
    )]
    public void What_it_cannot_understand_ends_with_2(string message, params string[] arguments)
    {
        Command run = Command.Run(arguments);
        Assert.Equal((2, ""), (run.Status, run.Output));
        Assert.Contains(message, run.Errors, StringComparison.Ordinal);
    }

    // The page wraps its lines.
    private static string Joined(string text) =>
        string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    [GeneratedRegex(@"^    crosscore (ablate .*--format markdown.*)$", RegexOptions.Multiline)]
    private static partial Regex MarkdownCommand();
}
