using System.Text.Json;

namespace Crosscore.Tool.Tests;

/// <summary>What programs read: JSON and the text of herd7; and that a report in a file is not broken into lines.</summary>
public class FormatTests
{
    [Fact]
    public void Json_is_one_document_with_every_test_and_a_summary()
    {
        using JsonDocument document = JsonDocument.Parse(Command.Run("explore", "litmus/classic", "--format", "json").Output);
        JsonElement[] tests = [.. document.RootElement.GetProperty("tests").EnumerateArray()];
        int files = Directory.GetFiles(Path.Combine(Command.Repository, "litmus", "classic"), "*.litmus").Length;

        Assert.Equal(files, tests.Length);
        Assert.Equal(files, document.RootElement.GetProperty("summary").GetProperty("asExpected").GetInt32());
        JsonElement buffering = tests.Single(test => test.GetProperty("name").GetString() == "StoreBuffering");
        Assert.Equal("Sometimes", buffering.GetProperty("model").GetProperty("frequency").GetString());
        Assert.True(buffering.GetProperty("model").GetProperty("complete").GetBoolean());
        Assert.Equal(4, buffering.GetProperty("outcomes").GetArrayLength());
    }

    [Fact]
    public void Json_of_a_kernel_test_has_a_verdict_for_each_design()
    {
        using JsonDocument document = JsonDocument.Parse(Command.Run("explore", "litmus/kernel/LiveCode.PlainBarrier.litmus", "--kernel", "all", "--format", "json").Output);
        JsonElement[] designs = [.. document.RootElement.GetProperty("tests")[0].GetProperty("designs").EnumerateArray()];

        Assert.Equal(Directory.GetFiles(Path.Combine(Command.Repository, "kernels"), "*.kernel").Length, designs.Length);
        Assert.Equal("Sometimes", designs.Single(design => design.GetProperty("name").GetString() == "specification").GetProperty("frequency").GetString());
        Assert.Equal("Never", designs.Single(design => design.GetProperty("name").GetString() == "linux-6.8").GetProperty("frequency").GetString());
    }

    [Fact]
    public void The_herd_format_is_what_herd7_prints()
    {
        string[] lines = Command.Run("explore", "litmus/classic/StoreBuffering.litmus", "--format", "herd").Output.TrimEnd().Split('\n');

        Assert.Equal(
            ["Test StoreBuffering Allowed", "States 4", "0:rax=0; 1:rax=0;", "0:rax=0; 1:rax=1;", "0:rax=1; 1:rax=0;", "0:rax=1; 1:rax=1;", "Ok", "Witnesses",
                "Positive: 1 Negative: 3", @"Condition exists (0:rax=0 /\ 1:rax=0)", "Observation StoreBuffering Sometimes 1 3"],
            lines[..11].Select(line => line.TrimEnd()));
    }

    [Fact]
    public void A_row_of_a_table_stays_one_line_in_a_file_however_long_it_is()
    {
        string output = Command.Run("explore", "litmus/kernel/StaleCode.InterruptReturnSchedules.litmus", "--kernel", "linux-5.10-rc", "--trace").Output;

        Assert.Contains(output.Split('\n'), line => line.Contains("P0  membarrier private_expedited_sync_core  line 15", StringComparison.Ordinal));
        Assert.Contains(output.Split('\n'), line => line.Contains("SYSRET", StringComparison.Ordinal));
        Assert.DoesNotContain('\u001b', output);
    }

    [Fact]
    public void A_counterexample_as_a_page_needs_nothing_but_itself()
    {
        using var file = new LitmusFile("");
        string page = file.Beside("page.html");
        Command run = Command.Run("explore", "litmus/kernel/LiveCode.NoCall.litmus", "--kernel", "linux-6.8", "--html", page);

        Assert.Equal(0, run.Status);
        string text = File.ReadAllText(page);
        Assert.StartsWith("<!doctype html>", text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("http://", text.Replace("http://www.w3.org/", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("https://", text, StringComparison.Ordinal);
        Assert.Contains("executed the old code of f", text, StringComparison.Ordinal);
    }
}
