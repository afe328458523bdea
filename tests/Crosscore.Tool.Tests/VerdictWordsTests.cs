using System.Text.Json;

namespace Crosscore.Tool.Tests;

/// <summary>
/// The words of a verdict: the answer to the question always, what was expected only where something was; and the exit
/// status that distinguishes them.
/// </summary>
public class VerdictWordsTests
{
    private const string Program =
        "{ x=0; y=0; }\n P0            | P1            ;\n movl $1,(x) "
        + "  | movl $1,(y)   ;\n movl (y),%eax | movl (x),%eax ;\n";

    // The reader may look too late, and then waits for a flag that no thread sets again.
    private const string MissedFlag =
        "{ flag=0; }\n P0 | P1 ;\n movl $1,(flag) | l: movl (flag),%eax "
        + ";\n movl $0,(flag) | testl %eax,%eax ;\n | je l ;\n"
        + "exists (1:rax=1)";

    public static TheoryData<string, string, string, int> Explored =>
        new()
        {
            { "", "~exists (0:rax=0 /\\ 1:rax=0)", "violated; no expectation", 3 },
            { "", "exists (0:rax=0 /\\ 1:rax=0)", "possible; no expectation", 0 },
            { "", "exists (0:rax=2)", "impossible; no expectation", 0 },
            { "", "~exists (0:rax=2)", "holds; no expectation", 0 },
            { "", "forall (0:rax=0)", "violated; no expectation", 3 },
            { "", "forall (0:rax=0 \\/ 0:rax=1)", "holds; no expectation", 0 },
            {
                "Expect=x86-tso:Sometimes\n",
                "~exists (0:rax=0 /\\ 1:rax=0)",
                "violated; as expected (1 known answer)",
                0
            },
            {
                "Expect=x86-tso:Never\n",
                "exists (0:rax=0 /\\ 1:rax=0)",
                "possible; NOT as expected: the test expects Never, the model says Sometimes",
                1
            },
            { "Expect=x86-tso:Never\n", "~exists (0:rax=2)", "holds; as expected (1 known answer)", 0 },
            { "Expect=sc:Never\n", "~exists (0:rax=0 /\\ 1:rax=0)", "violated; no expectation", 3 },
        };

    [Theory]
    [MemberData(nameof(Explored))]
    public void Exploring_says_the_answer_always_and_the_expectation_where_there_is_one(
        string header,
        string question,
        string words,
        int status
    )
    {
        using var file = new LitmusFile($"X86_64 Words\n{header}{Program}{question}");
        Command run = Command.Run("explore", file.Name);

        Assert.Equal((status, ""), (run.Status, run.Errors));
        Assert.Contains($"\nverdict\t{words}\n", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("agree", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Checking_says_so_too_and_json_and_the_log_have_the_same_status()
    {
        using var file = new LitmusFile($"X86_64 Words\n{Program}~exists (0:rax=0 /\\ 1:rax=0)");
        Command check = Command.Run("check", file.Name, "--iterations", "100");
        Command json = Command.Run("explore", file.Name, "--format", "json");
        Command herd = Command.Run("explore", file.Name, "--format", "herd");

        Assert.Equal((3, 3, 3), (check.Status, json.Status, herd.Status));
        Assert.Contains("violated; no expectation", check.Output, StringComparison.Ordinal);
        Assert.Contains("violated; no expectation", herd.Errors, StringComparison.Ordinal);
        using JsonDocument document = JsonDocument.Parse(json.Output);
        JsonElement test = document.RootElement.GetProperty("tests")[0];
        Assert.Equal(
            ("violated", "violated"),
            (test.GetProperty("verdict").GetString(), test.GetProperty("answer").GetString())
        );
        Assert.Equal("violated", test.GetProperty("model").GetProperty("answer").GetString());
        Assert.Equal(1, document.RootElement.GetProperty("summary").GetProperty("violated").GetInt32());
    }

    [Theory]
    [InlineData("nothing", 0)]
    [InlineData("unexpected", 0)]
    [InlineData("violated", 3)]
    [InlineData("known-defect,undecided", 0)]
    [InlineData("unexpected,violated", 3)]
    public void What_fails_can_be_chosen(string classes, int status)
    {
        using var file = new LitmusFile($"X86_64 Words\n{Program}~exists (0:rax=0 /\\ 1:rax=0)");
        Assert.Equal(status, Command.Run("explore", file.Name, "--fail-on", classes).Status);
    }

    [Fact]
    public void What_was_expected_and_did_not_come_out_so_is_worse_than_what_was_not_expected()
    {
        using var file = new LitmusFile($"X86_64 Words\n{Program}~exists (0:rax=0 /\\ 1:rax=0)");
        using var wrong = new LitmusFile($"X86_64 Wrong\nExpect=x86-tso:Never\n{Program}exists (0:rax=0 /\\ 1:rax=0)");

        Assert.Equal(1, Command.Run("explore", file.Name, wrong.Name).Status);
        Assert.Equal(3, Command.Run("explore", file.Name, wrong.Name, "--fail-on", "violated").Status);
        Assert.Equal(0, Command.Run("explore", file.Name, wrong.Name, "--fail-on", "nothing").Status);
    }

    [Theory]
    [InlineData("check")]
    [InlineData("explore")]
    [InlineData("run")]
    public void The_help_names_every_class_that_can_fail(string command)
    {
        string help = Joined(Command.Run(command, "--help").Output);
        string refused = Command.Run(command, "litmus/classic/StoreBuffering.litmus", "--fail-on", "?").Errors;
        string[] classes = refused.Split("some of ")[1].Split(", separated by commas")[0].Split(", ");

        Assert.Contains("may-hang", classes);
        Assert.All(classes, name => Assert.Matches($"not 0: .*\\b{name}\\b", help));
    }

    [Theory]
    [InlineData("nothing,violated")]
    [InlineData("unexpected,nothing")]
    [InlineData("nothing, nothing")]
    public void Nothing_stands_alone(string classes)
    {
        Command run = Command.Run("explore", "litmus/classic/StoreBuffering.litmus", "--fail-on", classes);

        Assert.Equal((2, ""), (run.Status, run.Output));
        Assert.Contains($"found '{classes}' after --fail-on", run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Remove=nolabel", "label nolabel", "")]
    [InlineData("Remove=entri", "label entri", "; did you mean 'entry'?")]
    [InlineData("Options=nooption=true", "option nooption", "")]
    [InlineData("Options=ptii=true", "option ptii", "; did you mean 'pti'?")]
    public void A_test_that_no_asked_design_can_answer_did_not_run(string lines, string lacks, string meant)
    {
        using var file = new LitmusFile($"X86_64 Words\nExpect[*]=Never\n{lines}\n{Program}exists (0:rax=2)");
        using var free = new LitmusFile($"X86_64 Words\n{lines}\n{Program}exists (0:rax=2)");
        foreach (
            string[] kernels in (string[][])
                [
                    ["--kernel", "linux-6.8"],
                    ["--kernel", "all"],
                    [],
                ]
        )
        {
            Command run = Command.Run(["explore", file.Name, .. kernels]);
            Assert.Equal((1, ""), (run.Status, run.Errors));
            Assert.Contains("not run: ", run.Output, StringComparison.Ordinal);
            Assert.Contains($"no kernel design has {lacks}{meant}", run.Output, StringComparison.Ordinal);
            Assert.DoesNotContain("as expected", run.Output, StringComparison.Ordinal);
        }

        Assert.Equal(0, Command.Run("explore", free.Name, "--kernel", "linux-6.8").Status);
        Assert.Equal(1, Command.Run("explore", free.Name, "--kernel", "linux-6.8", "--fail-on", "not-run").Status);
        Assert.Equal(1, Command.Run("explore", file.Name, "--kernel", "linux-6.8", "--fail-on", "not-run").Status);
        Command json = Command.Run("explore", free.Name, "--kernel", "linux-6.8", "--format", "json");
        Assert.Contains("\"verdict\": \"notRun\"", json.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_test_that_expects_something_of_a_design_that_does_not_exist_did_not_run()
    {
        using var file = new LitmusFile($"X86_64 Words\nExpect[linux-6.9]=Never\n{Program}exists (0:rax=2)");
        Command run = Command.Run("explore", file.Name);

        Assert.Equal((1, ""), (run.Status, run.Errors));
        Assert.Contains("not run: ", run.Output, StringComparison.Ordinal);
        Assert.Contains("linux-6.9", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bound_and_a_hang_are_counted_in_the_summary_and_the_answer_is_a_code()
    {
        using var missed = new LitmusFile($"X86_64 Missed\n{MissedFlag}");
        using JsonDocument whole = JsonDocument.Parse(Command.Run("explore", missed.Name, "--format", "json").Output);
        JsonElement test = whole.RootElement.GetProperty("tests")[0];
        Assert.Equal(("possible", "mayHang"), AnswerOf(test));
        Assert.Equal((1, 0), Hangs(whole));

        Command cut = Command.Run("explore", missed.Name, "--max-states", "3", "--format", "json");
        using JsonDocument bounded = JsonDocument.Parse(cut.Output);
        Assert.Equal(("notFound", "notLookedFor"), AnswerOf(bounded.RootElement.GetProperty("tests")[0]));
        Assert.Equal((0, 1), Hangs(bounded));

        Command one = Command.Run("explore", missed.Name, "--kernel", "linux-6.8", "--format", "json");
        using JsonDocument kernel = JsonDocument.Parse(one.Output);
        test = kernel.RootElement.GetProperty("tests")[0];
        Assert.Equal(("possible", "mayHang"), AnswerOf(test));
        Assert.Equal((1, 0), Hangs(kernel));

        string table = Joined(Command.Run("explore", missed.Name, missed.Name).Output);
        Assert.Matches(@"folder tests .*may hang .* 2 ", table);

        static (string?, string?) AnswerOf(JsonElement test) =>
            (test.GetProperty("answer").GetString(), test.GetProperty("endings").GetString());

        static (int, int) Hangs(JsonDocument document)
        {
            JsonElement summary = document.RootElement.GetProperty("summary");
            return (summary.GetProperty("mayHang").GetInt32(), summary.GetProperty("hangsNotLookedFor").GetInt32());
        }
    }

    [Theory]
    [InlineData("exists (0:rax=2)", "notSeen")]
    [InlineData("exists (0:rax=0 \\/ 0:rax=1)", "seen")]
    [InlineData("~exists (0:rax=0 \\/ 0:rax=1)", "violated")]
    [InlineData("~exists (0:rax=2)", "notSeen")]
    [InlineData("forall (0:rax=2)", "violated")]
    [InlineData("forall (0:rax=0 \\/ 0:rax=1)", "notViolated")]
    public void The_answer_of_a_run_is_a_code_in_json(string question, string code)
    {
        using var file = new LitmusFile($"X86_64 Words\n{Program}{question}");
        Command run = Command.Run("run", file.Name, "--iterations", "100", "--format", "json");
        using JsonDocument document = JsonDocument.Parse(run.Output);

        Assert.Equal(code, document.RootElement.GetProperty("tests")[0].GetProperty("answer").GetString());
    }

    [Fact]
    public void A_class_that_is_none_is_bad_input()
    {
        Command run = Command.Run("explore", "litmus/classic/StoreBuffering.litmus", "--fail-on", "violatd");

        Assert.Equal((2, ""), (run.Status, run.Output));
        Assert.Contains(
            "found 'violatd' after --fail-on, expected some of unexpected, "
                + "violated, known-defect, undecided, not-run, may-hang, nothing",
            run.Errors,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_bound_leaves_the_question_unanswered_and_fails_only_where_that_is_asked()
    {
        using var file = new LitmusFile($"X86_64 Words\n{Program}~exists (0:rax=2)");
        Command run = Command.Run("explore", file.Name, "--max-states", "3");

        Assert.Equal(0, run.Status);
        const string Words = "not found within the bound, hangs not looked for; undecided";
        Assert.Contains(Words, run.Output, StringComparison.Ordinal);
        Assert.Equal(1, Command.Run("explore", file.Name, "--max-states", "3", "--fail-on", "undecided").Status);
    }

    [Theory]
    [InlineData("", "~exists (0:rax=0 \\/ 0:rax=1)", "violated: seen ", 3)]
    [InlineData("", "exists (0:rax=0 \\/ 0:rax=1)", "seen ", 0)]
    [InlineData("", "~exists (0:rax=2)", "not seen in ", 0)]
    [InlineData("", "forall (0:rax=2)", "violated: false of ", 3)]
    [InlineData("", "forall (0:rax=0 \\/ 0:rax=1)", "true of all outcomes seen in ", 0)]
    [InlineData("Expect=x86-tso:Never\n", "exists (0:rax=0 \\/ 0:rax=1)", "NOT as expected: the test expects Never", 1)]
    [InlineData("Expect=x86-tso:Always\n", "~exists (0:rax=0 \\/ 0:rax=1)", "as expected", 0)]
    public void Running_says_what_was_seen_and_in_how_many_trials(
        string header,
        string question,
        string words,
        int status
    )
    {
        using var file = new LitmusFile($"X86_64 Words\n{header}{Program}{question}");
        Command run = Command.Run("run", file.Name, "--iterations", "100");

        Assert.Equal((status, ""), (run.Status, run.Errors));
        Assert.Contains(words, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_log_of_a_test_on_several_designs_has_names_that_the_tools_of_the_field_read()
    {
        Command run = Command.Run("explore", "litmus/kernel/ScenarioC.litmus", "--kernel", "all", "--format", "herd");

        Assert.Contains("Test ScenarioC[linux-6.8] Forbidden", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_alone_tells_how_it_is_used_and_a_slip_is_told_with_what_was_meant()
    {
        Command alone = Command.Run();
        Assert.Equal((0, ""), (alone.Status, alone.Errors));
        Assert.Contains("explore", alone.Output, StringComparison.Ordinal);
        Assert.Contains("did you mean 'check'?", Command.Run("chek").Errors, StringComparison.Ordinal);
        Assert.Contains(
            "unknown option '--kernal'; did you mean '--kernel'?",
            Command.Run("explore", "--kernal", "litmus").Errors,
            StringComparison.Ordinal
        );
    }

    // A table and a help text are broken into lines as wide as a terminal.
    private static string Joined(string output) =>
        string.Join(' ', output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
