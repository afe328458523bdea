using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>Restartable sections: what may be written, and what restarts when.</summary>
public class SectionTests
{
    [Theory]
    [InlineData(
        "rseq ;",
        "found ';', expected the label behind the section, a comma, and the label at which it restarts"
    )]
    [InlineData("rseq done ;", "found ';', expected ',' and the label at which the section restarts")]
    [InlineData("rseq done,1 ;", "found '1', expected the label at which the section restarts")]
    [InlineData("rseq nowhere,again ;", "found the label nowhere, expected one of column P0: again, done")]
    [InlineData(
        "rseq again,again ;",
        "found a section that ends at again, expected a label behind at least one instruction more"
    )]
    [InlineData("rseq_cpu_id (x) ;", "expected a register of 4 bytes, which takes the number of the CPU")]
    public void What_is_no_section_is_an_error_in_its_line(string instruction, string message)
    {
        LitmusException problem = Assert.Throws<LitmusException>(() =>
            Parse($"again: ;\n{instruction}\n movl $1,(x) ;\n done: ;")
        );
        Assert.Equal(6, problem.Position.Line);
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("membarrier private_expedited", "found membarrier private_expedited in a restartable section")]
    [InlineData("syscall exit", "found syscall exit in a restartable section")]
    [InlineData("rseq done,again", "found rseq done,again in a restartable section")]
    public void The_kernel_is_not_entered_within_a_section(string instruction, string message)
    {
        LitmusException problem = Assert.Throws<LitmusException>(() =>
            Parse($"again: ;\n rseq done,again ;\n {instruction} ;\n movl $1,(x) ;\n done: ;")
        );
        Assert.Equal(7, problem.Position.Line);
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_section_does_not_restart_within_itself()
    {
        LitmusException problem = Assert.Throws<LitmusException>(() =>
            Parse(" rseq done,again ;\n movl $1,(x) ;\nagain: ;\n movl $2,(x) ;\n done: ;")
        );
        Assert.Contains(
            "found a section that restarts at again within itself",
            problem.Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_section_that_nothing_interrupts_runs_through() =>
        Assert.Equal(
            ["0:rax=0; [x]=1;"],
            Outcomes(
                "P0=cpu 0\nSchedule=no",
                "again: ;\n rseq done,again ;\n movl (x),%eax ;\n movl $1,(x) ;\n done: ;"
            )
        );

    [Fact]
    public void A_signal_within_the_section_goes_to_its_abort_and_none_does_behind_its_last_instruction()
    {
        // The abort lies behind everything and sets rax.
        const string Column =
            " rseq done,abort ;\n movl $1,(x) ;\n movl $2,(x) ;\n "
            + "done: ;\n jmp out ;\n abort: ;\n movl $7,%eax ;\n out: ;";
        Assert.Equal(
            ["0:rax=0; [x]=2;", "0:rax=7; [x]=0;", "0:rax=7; [x]=1;"],
            Outcomes("P0=cpu 0 signals\nSchedule=no", Column)
        );
        Assert.Equal(["0:rax=0; [x]=2;"], Outcomes("P0=cpu 0\nSchedule=no", Column));
    }

    [Fact]
    public void A_section_restarts_once_for_each_time_that_it_is_named()
    {
        // The abort does not name it again: the second signal finds no section.
        const string Column =
            " rseq done,again ;\n movl $1,(x) ;\n done: ;\n jmp out "
            + ";\n again: ;\n incl %eax ;\n movl $2,(x) ;\n out: ;";
        Assert.Equal(["0:rax=0; [x]=1;", "0:rax=1; [x]=2;"], Outcomes("P0=cpu 0 signals\nSchedule=no", Column));
    }

    [Fact]
    public void A_jump_back_into_a_section_that_was_interrupted_outside_is_not_protected()
    {
        // The kernel forgets a section when it finds the thread outside of it (kernel/rseq.c clears the pointer).
        LitmusTest test = LitmusParser.Parse(
            """
            X86_64 T
            Cpus=1
            P0=cpu 0
            P1=cpu 0 runnable
            { c=0; }
             P0               | P1               ;
             rseq done,abort  | movl (c),%eax    ;
             load:            | addl $10,%eax    ;
             movl (c),%eax    | movl %eax,(c)    ;
             incl %eax        |                  ;
             movl %eax,(c)    |                  ;
             done:            |                  ;
             incl %ebx        |                  ;
             cmpl $2,%ebx     |                  ;
             jne load         |                  ;
             jmp out          |                  ;
             abort:           |                  ;
             movl $9,%ecx     |                  ;
             out:             |                  ;
            exists (0:rcx=0 /\ c=2)
            """,
            "T.litmus"
        );

        // P1 comes between load and store of the second round, after a switch between the rounds; nothing restarts and
        // its ten are lost.
        Assert.Equal(
            Frequency.Sometimes,
            KernelTests.Examine(test, KernelTests.Design("linux-6.8")).Verdict!.Frequency
        );
    }

    [Fact]
    public void Without_a_kernel_the_number_of_the_CPU_is_that_of_the_thread_and_nothing_restarts()
    {
        LitmusTest test = LitmusParser.Parse(
            "X86_64 T\n{ x=0; }\n P0 | P1 ;\n again: | rseq_cpu_id %ebx ;\n rseq "
                + "done,again | ;\n movl $1,(x) | ;\n done: | ;\nforall (1:rbx=1 /\\ x=1)",
            "T.litmus"
        );
        Assert.True(ModelVerdict.Of(test, CoreKind.X86Tso, cancellation: TestContext.Current.CancellationToken).Holds);
        Assert.Contains("restartable", test.WhyModelOnly(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_location_that_the_design_has_too_is_an_error_at_its_place()
    {
        LitmusTest test = LitmusParser.Parse(
            "X86_64 T\n{ curr=0; }\n P0 ;\n movl $1,(curr) ;\nexists (curr=1)",
            "T.litmus"
        );
        LitmusException problem = Assert.Throws<LitmusException>(() =>
            KernelTests.Examine(test, KernelTests.Design("linux-6.8"))
        );
        Assert.Contains(
            "found the location curr, which is a variable of the design linux-6.8 too",
            problem.Message,
            StringComparison.Ordinal
        );
    }

    // With a header of one line the column begins in the fifth.
    private static LitmusTest Parse(string column, string header = "Schedule=no") =>
        LitmusParser.Parse(
            $"X86_64 T\n{header}\n{{ x=0; }}\n P0 ;\n{column}\nlocations [0:rax; x;] exists (x=1)",
            "T.litmus"
        );

    private static IReadOnlyList<string> Outcomes(string header, string column) =>
        KernelTests.Outcomes(KernelTests.Examine(Parse(column, header), KernelTests.Design("linux-6.8")));
}
