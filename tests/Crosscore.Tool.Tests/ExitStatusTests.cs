namespace Crosscore.Tool.Tests;

/// <summary>
/// 0 nothing failed, 1 an unmet expectation, 2 what cannot be understood, 3 a violated question; and what is said with
/// it.
/// </summary>
public class ExitStatusTests
{
    private const string StoreBuffering = "litmus/classic/StoreBuffering.litmus";

    private const string Wrong = """
        X86_64 Wrong
        Expect=x86-tso:Never
        { x=0; y=0; }
         P0            | P1            ;
         movl $1,(x)   | movl $1,(y)   ;
         movl (y),%eax | movl (x),%eax ;
        exists (0:rax=0 /\ 1:rax=0)
        """;

    [Fact]
    public void A_test_that_does_as_it_expects_ends_with_0()
    {
        Command run = Command.Run("explore", StoreBuffering);

        Assert.Equal((0, ""), (run.Status, run.Errors));
        Assert.Contains("Sometimes", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unmet_expectation_ends_with_1_and_is_told()
    {
        using var file = new LitmusFile(Wrong);
        Command run = Command.Run("explore", file.Name);

        Assert.Equal(1, run.Status);
        Assert.Contains("Never", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bound_that_leaves_an_expectation_undecided_ends_with_1()
    {
        Command run = Command.Run("explore", "litmus/classic/MessagePassing.litmus", "--max-states", "3");

        Assert.Equal(1, run.Status);
        Assert.Contains("--max-states", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(
        "nowhere.litmus: not examined: no such file or directory; correct the name",
        "explore",
        "nowhere.litmus"
    )]
    [InlineData("no kernel design 'linux-7' in ", "explore", StoreBuffering, "--kernel", "linux-7")]
    [InlineData(
        "linux-5.10 has no label 'nothing'",
        "explore",
        StoreBuffering,
        "--kernel",
        "linux-5.10",
        "--remove",
        "nothing"
    )]
    [InlineData(
        "found 'x' after --max-states, expected a whole number from 1",
        "explore",
        StoreBuffering,
        "--max-states",
        "x"
    )]
    [InlineData(
        "found '-1' after --preemptions, expected a whole number from 0",
        "explore",
        StoreBuffering,
        "--preemptions",
        "-1"
    )]
    [InlineData(
        "found '9' after --cpus, expected a whole number from 1 to 8",
        "explore",
        StoreBuffering,
        "--cpus",
        "9"
    )]
    [InlineData(
        "found 'x' after --offline, expected numbers of CPUs from 0 to 7",
        "explore",
        StoreBuffering,
        "--offline",
        "x"
    )]
    [InlineData(
        "--option and --remove need a kernel design: add --kernel NAME",
        "explore",
        StoreBuffering,
        "--option",
        "pti=true"
    )]
    [InlineData("--html needs exactly one test: found ", "explore", "litmus/classic", "--html", "page.html")]
    [InlineData("Unrecognized command or argument 'nonsense'", "nonsense")]
    public void What_cannot_be_understood_ends_with_2_and_says_what_was_found(string message, params string[] arguments)
    {
        Command run = Command.Run(arguments);

        Assert.Equal((2, ""), (run.Status, run.Output));
        Assert.Contains(message, run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_test_ends_with_2_and_the_others_are_examined()
    {
        using var file = new LitmusFile("X86_64 Bad\n{ }\n P0 ;\n movnti %eax,(x) ;\nexists (x=1)");
        Command run = Command.Run("explore", file.Name, StoreBuffering);

        Assert.Equal(2, run.Status);
        Assert.Contains($"{file.Name}:4:2: found the instruction 'movnti'", run.Errors, StringComparison.Ordinal);
        Assert.Contains("1 file not examined", run.Output, StringComparison.Ordinal);
        Assert.Contains("StoreBuffering", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_missing_ends_with_2_and_the_others_are_examined()
    {
        using var file = new LitmusFile(Wrong);
        string list = file.Beside("tests.list");
        File.WriteAllText(list, "# one is there\ngone.litmus\nTest.litmus\n");
        Command run = Command.Run("explore", "nowhere.litmus", StoreBuffering, "@" + list, "@nolist");

        Assert.Equal(2, run.Status);
        Assert.All(
            [
                "nowhere.litmus: not examined: no such file or directory; ",
                $"{file.Beside("gone.litmus")}: not examined: no such file or directory (named in {list}); ",
                "@nolist: not examined: no such file; ",
            ],
            message => Assert.Contains(message, run.Errors, StringComparison.Ordinal)
        );
        Assert.Contains("3 files not examined", run.Output, StringComparison.Ordinal);
        Assert.Contains("StoreBuffering", run.Output, StringComparison.Ordinal);
        Assert.Contains("Wrong", run.Output, StringComparison.Ordinal);

        Command json = Command.Run("explore", "nowhere.litmus", StoreBuffering, "--format", "json");
        Assert.Equal(2, json.Status);
        Assert.Contains("\"unreadable\": 1", json.Output, StringComparison.Ordinal);
        Assert.Contains("\"name\": \"StoreBuffering\"", json.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("explore", "--kernel", "linux-6.8")]
    [InlineData("explore", "--kernel", "linux-4.14")]
    [InlineData("ablate", "--kernel", "linux-6.8")]
    public void A_system_call_that_no_design_has_is_not_passed_over(string command, params string[] options)
    {
        using var file = new LitmusFile(
            "X86_64 Misspelled\n{ }\n P0 ;\n nop ;\n syscall membarrier_privat_expedited ;\nexists (0:rax=1)"
        );
        Command run = Command.Run([command, file.Name, .. options]);

        Assert.Equal(2, run.Status);
        Assert.Contains(
            $"{file.Name}:5:2: found the system call membarrier_privat_expedited, "
                + "which no kernel design has; expected one of exit, kthread_unuse_mm, ",
            run.Errors,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_system_call_of_other_designs_only_is_passed_over()
    {
        using var file = new LitmusFile(
            "X86_64 Later\n{ }\n P0 ;\n syscall membarrier_private_expedited_rseq ;\nexists (0:rax=1)"
        );
        Command run = Command.Run("explore", file.Name, "--kernel", "linux-4.14");

        Assert.Equal(0, run.Status);
        Assert.Contains("has no membarrier_private_expedited_rseq", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_computed_address_that_leaves_memory_is_told_with_its_instruction()
    {
        using var file = new LitmusFile(
            "X86_64 Far\n{ int t[2]; 0:rax=t; }\n P0 ;\n nop ;\n movl 8(%rax),%ebx ;\nexists (0:rbx=1)"
        );
        Command run = Command.Run("explore", file.Name);

        Assert.Equal(2, run.Status);
        Assert.Contains(
            $"{file.Name}:5:2: found movl 8(%rax),%ebx in P0: An access of 4 byte",
            run.Errors,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_run_on_the_machine_counts_what_was_asked_for()
    {
        Command run = Command.Run(
            "run",
            "litmus/classic/MessagePassing.litmus",
            "--iterations",
            "1000",
            "--format",
            "json"
        );

        Assert.Equal(0, run.Status);
        Assert.Contains("\"iterations\": 1000", run.Output, StringComparison.Ordinal);
    }
}
