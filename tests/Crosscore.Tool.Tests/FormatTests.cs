using System.Text.Json;

namespace Crosscore.Tool.Tests;

/// <summary>
/// What programs read: JSON and the text of herd7; and that a report in a file is not broken into lines.
/// </summary>
public class FormatTests
{
    [Fact]
    public void Json_is_one_document_with_every_test_and_a_summary()
    {
        using JsonDocument document = JsonDocument.Parse(
            Command.Run("explore", "litmus/classic", "--format", "json").Output
        );
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
        using JsonDocument document = JsonDocument.Parse(
            Command
                .Run("explore", "litmus/kernel/LiveCode.PlainBarrier.litmus", "--kernel", "all", "--format", "json")
                .Output
        );
        JsonElement[] designs =
        [
            .. document.RootElement.GetProperty("tests")[0].GetProperty("designs").EnumerateArray(),
        ];

        Assert.Equal(
            Directory.GetFiles(Path.Combine(Command.Repository, "kernels"), "*.kernel").Length,
            designs.Length
        );
        Assert.Equal(
            "Sometimes",
            designs
                .Single(design => design.GetProperty("name").GetString() == "specification")
                .GetProperty("frequency")
                .GetString()
        );
        Assert.Equal(
            "Never",
            designs
                .Single(design => design.GetProperty("name").GetString() == "linux-6.8")
                .GetProperty("frequency")
                .GetString()
        );
    }

    [Fact]
    public void The_herd_format_is_what_herd7_prints()
    {
        string[] lines = Command
            .Run("explore", "litmus/classic/StoreBuffering.litmus", "--format", "herd")
            .Output.TrimEnd()
            .Split('\n');

        Assert.Equal(
            [
                "Test StoreBuffering Allowed",
                "States 4",
                "0:rax=0; 1:rax=0;",
                "0:rax=0; 1:rax=1;",
                "0:rax=1; 1:rax=0;",
                "0:rax=1; 1:rax=1;",
                "Ok",
                "Witnesses",
                "Positive: 1 Negative: 3",
                @"Condition exists (0:rax=0 /\ 1:rax=0)",
                "Observation StoreBuffering Sometimes 1 3",
            ],
            lines[..11].Select(line => line.TrimEnd())
        );
    }

    [Fact]
    public void A_row_of_a_table_stays_one_line_in_a_file_however_long_it_is()
    {
        string output = Command
            .Run(
                "explore",
                "litmus/kernel/StaleCode.InterruptReturnSchedules.litmus",
                "--kernel",
                "linux-5.10-rc",
                "--trace"
            )
            .Output;

        Assert.Contains(
            output.Split('\n'),
            line => line.Contains("\tP0\tmembarrier private_expedited_sync_core\tline 15\t", StringComparison.Ordinal)
        );
        Assert.Contains(output.Split('\n'), line => line.Contains("SYSRET", StringComparison.Ordinal));
        Assert.DoesNotContain('\u001b', output);
    }

    [Theory]
    [InlineData(
        "X86_64 Spin\n{ flag=0; }\n P0 | P1 ;\n l: movl (flag),%eax | movl $1,(x) ;\n testl %eax,%eax | ;\n je l | ;\n",
        3,
        "l: movl (flag),%eax",
        "line 4"
    )]
    [InlineData(
        "X86_64 Two\n{ }\n P0 | P1 ;\n l: movl (a),%eax | movl $1,(x) "
            + ";\n movl (b),%ebx | ;\n orl %ebx,%eax | ;\n je l | ;\n",
        4,
        "movl (",
        "line "
    )]
    [InlineData("X86_64 Own\n{ x=0; }\n P0 ;\n l: jmp l ;\n", 1, "l: jmp l", "line 4")]
    [InlineData(
        "AArch64 Spin\n{ 0:X1=x; 1:X1=x; }\n P0 | P1 ;\n l: LDR W0,[X1] "
            + "| MOV W0,#2 ;\n CMP W0,#1 | STR W0,[X1] ;\n B.NE l | ;\n",
        3,
        "l: LDR W0,[X1]",
        "line 4"
    )]
    public void A_trace_to_a_spin_says_where_it_spins_and_no_iteration_twice(
        string text,
        int rows,
        string instruction,
        string line
    )
    {
        using var file = new LitmusFile(text + "exists (x=1)");
        string output = Command.Run("explore", file.Name).Output;
        string trace = output[output.IndexOf("shortest trace to a hang", StringComparison.Ordinal)..];
        string[] lines =
        [
            .. trace
                .Split('\n')
                .Where(row => row is [>= '0' and <= '9', ..] && row.Contains('\t', StringComparison.Ordinal)),
        ];

        Assert.InRange(lines.Length, 1, rows);
        Assert.Contains(
            lines,
            row =>
                row.Contains(instruction, StringComparison.Ordinal)
                && row.Contains($"P0 waits at this instruction forever ({line}", StringComparison.Ordinal)
        );
    }

    [Fact]
    public void A_trace_to_a_deadlock_of_two_cpus_names_what_each_waits_at()
    {
        using var file = new LitmusFile(
            """
            X86_64 Answer
            Cpus=2
            Schedule=no
            P0=cpu 0
            P1=cpu 1
            { x=0; }
             P0             | P1             ;
             syscall sender | syscall waiter ;
             movl $1,(x)    | movl (x),%eax  ;
            exists (1:rax=1)
            """
        );
        string design = file.Beside("answer.kernel");
        File.WriteAllText(
            design,
            """
            design answer extends linux-6.8;
            global int go;
            interrupt ping() {
                smp_mb();
            }
            syscall waiter() {
                local_irq_disable();
                while (READ_ONCE(go) == 0) {
                }
                local_irq_enable();
                return 0;
            }
            syscall sender() {
                preempt_disable();
                ipi_and_wait(online, ping);
                preempt_enable();
                WRITE_ONCE(go, 1);
                return 0;
            }
            """
        );
        Command run = Command.Run("explore", file.Name, "--kernel", design);
        string trace = run.Output[run.Output.IndexOf("shortest trace to a hang", StringComparison.Ordinal)..];

        Assert.Equal("", run.Errors);
        Assert.Matches(@"while \(READ_ONCE\(go\) == 0\) \{\tanswer\.kernel:8", trace);
        Assert.Matches(@"ipi_and_wait\(online, ping\);\tanswer\.kernel:15", trace);
        Assert.Contains("P1 waits at this line forever", trace, StringComparison.Ordinal);
        Assert.Contains("P0 waits at this line forever", trace, StringComparison.Ordinal);
    }

    [Fact]
    public void A_counterexample_as_a_page_needs_nothing_but_itself()
    {
        using var file = new LitmusFile("");
        string page = file.Beside("page.html");
        Command run = Command.Run(
            "explore",
            "litmus/kernel/LiveCode.NoCall.litmus",
            "--kernel",
            "linux-6.8",
            "--html",
            page
        );

        Assert.Equal(0, run.Status);
        string text = File.ReadAllText(page);
        Assert.StartsWith("<!doctype html>", text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(
            "http://",
            text.Replace("http://www.w3.org/", "", StringComparison.Ordinal),
            StringComparison.Ordinal
        );
        Assert.DoesNotContain("https://", text, StringComparison.Ordinal);
        Assert.Contains("executed the old code of f", text, StringComparison.Ordinal);
    }
}
