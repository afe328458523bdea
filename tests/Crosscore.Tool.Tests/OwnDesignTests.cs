using System.Text.Json;

namespace Crosscore.Tool.Tests;

/// <summary>
/// A kernel design of the user's own: found from any folder, compared with the one that it extends, and never silently
/// something else.
/// </summary>
public sealed class OwnDesignTests : IDisposable
{
    private const string Hangs =
        "X86_64 Hang\n{ x=0; }\nP0 ;\nl: movl (x),%eax ;\ntestl %eax,%eax ;\nje l ;\nexists (0:rax=1)";

    private readonly LitmusFile _scenario = new(
        """
        X86_64 Mine
        { x=0; y=0; }
         P0                           | P1            ;
         movl $1,(x)                  | movl $1,(y)   ;
         membarrier private_expedited |               ;
         movl (y),%eax                | movl (x),%eax ;
        ~exists (0:rax=0 /\ 1:rax=0)
        """,
        "Mine"
    );

    public void Dispose() => _scenario.Dispose();

    [Fact]
    public void It_extends_a_shipped_design_from_any_folder()
    {
        string file = Design("mine", "design mine extends linux-5.10;");
        Command run = Command.RunIn(
            Path.GetDirectoryName(file)!,
            "explore",
            _scenario.Name,
            "--kernel",
            "./mine.kernel"
        );

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Contains("linux-5.10: Never -> mine: Never", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_the_one_that_it_extends_lacks_the_call_nothing_is_compared()
    {
        string file = Design("mine", "design mine extends linux-6.8;\nsyscall mine_alone() {\n    return 0;\n}");
        using var test = new LitmusFile("X86_64 Alone\n{ }\n P0 ;\n syscall mine_alone ;\n~exists (0:rbx=1)", "Alone");
        Command run = Command.Run("explore", test.Name, "--kernel", file);

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Contains("not comparable", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("->", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void It_extends_a_file_beside_it_before_a_shipped_design()
    {
        Design("linux-5.10", "design linux-5.10 extends linux-5.4;");
        string file = Design("mine", "design mine extends linux-5.10;");
        Command run = Command.RunIn(Path.GetTempPath(), "kernels", file);

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Contains("mine", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void What_it_extends_and_is_nowhere_is_told_with_both_places()
    {
        string file = Design("mine", "design mine extends linux-5.1O;");
        Command run = Command.RunIn(Path.GetTempPath(), "explore", _scenario.Name, "--kernel", file);

        Assert.Equal((2, ""), (run.Status, run.Output));
        Assert.Contains(
            $"{file}:1:21: found 'linux-5.1O', expected the name of a design beside {file} or in ",
            run.Errors,
            StringComparison.Ordinal
        );
        Assert.Contains("did you mean 'linux-5.10'?", run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("./nowhere.kernel")]
    [InlineData("sub/nowhere")]
    public void A_file_that_is_not_there_is_told_as_a_file(string name)
    {
        Command run = Command.RunIn(Path.GetTempPath(), "explore", _scenario.Name, "--kernel", name);

        Assert.Equal((2, ""), (run.Status, run.Output));
        Assert.Contains($"no such file '{name}'", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_design_that_is_worse_than_its_base_fails_and_says_so()
    {
        string file = Design(
            "mine",
            "design mine extends linux-5.10;\n\nsyscall membarrier_private_expedited() {\n    return 0;\n}\n"
        );
        Command run = Command.Run("explore", _scenario.Name, "--kernel", file);

        Assert.Equal(3, run.Status);
        Assert.Contains("linux-5.10: Never -> mine: Sometimes", run.Output, StringComparison.Ordinal);
        Command json = Command.Run("explore", _scenario.Name, "--kernel", file, "--format", "json");
        using JsonDocument document = JsonDocument.Parse(json.Output);
        JsonElement design = document.RootElement.GetProperty("tests")[0].GetProperty("designs")[0];
        Assert.Equal("violated", design.GetProperty("answer").GetString());
        Assert.Equal(
            ("linux-5.10", "Never", true),
            (
                design.GetProperty("base").GetProperty("name").GetString(),
                design.GetProperty("base").GetProperty("frequency").GetString(),
                design.GetProperty("base").GetProperty("worse").GetBoolean()
            )
        );
    }

    [Theory]
    [InlineData("linux-6.8")]
    [InlineData("all")]
    public void A_design_on_which_no_execution_ends_is_an_error(string kernel)
    {
        using var file = new LitmusFile(Hangs);
        Command run = Command.Run("explore", file.Name, "--kernel", kernel);

        Assert.Equal(1, run.Status);
        Assert.Contains("no execution ends on ", run.Output, StringComparison.Ordinal);
        Command json = Command.Run("explore", file.Name, "--kernel", kernel, "--format", "json");
        Assert.Equal(1, json.Status);
        using JsonDocument document = JsonDocument.Parse(json.Output);
        Assert.Equal(1, document.RootElement.GetProperty("summary").GetProperty("neverEnds").GetInt32());
    }

    [Theory]
    [InlineData("Remove=entri", "has no label entri")]
    [InlineData("Remove=entry nothing", "has no label nothing")]
    [InlineData("Options=ptj=true", "has no option ptj")]
    public void What_a_test_removes_or_sets_and_the_design_lacks_is_lacking(string line, string message)
    {
        using var file = new LitmusFile(
            File.ReadAllText(_scenario.Name).Replace("Mine\n", $"Mine\n{line}\n", StringComparison.Ordinal)
        );
        Command run = Command.Run("explore", file.Name, "--kernel", "linux-5.10");

        Assert.Equal(0, run.Status);
        Assert.Contains(message, run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Never", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_that_an_option_cannot_have_is_an_error_of_the_test()
    {
        using var file = new LitmusFile(
            File.ReadAllText(_scenario.Name)
                .Replace("Mine\n", "Mine\nOptions=ipi_order=weak\n", StringComparison.Ordinal)
        );
        Command run = Command.Run("explore", file.Name, "--kernel", "linux-5.10");

        Assert.Equal(2, run.Status);
        Assert.Contains($"{file.Name}:2:1: found Options=ipi_order=weak", run.Errors, StringComparison.Ordinal);
    }

    private string Design(string name, string text)
    {
        string file = _scenario.Beside(name + ".kernel");
        File.WriteAllText(file, text);
        return file;
    }
}
