using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Kernel;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>
/// A task stands in user mode directly before a system call, as before every instruction: interrupts and preemption
/// come there.
/// </summary>
public class CallEntryTests
{
    private static string Where(int cpu) =>
        $$"""
            syscall where() {
                while (this_cpu != {{cpu}}) {
                }
                return 0;
            }
            """;

    [Fact]
    public void A_task_may_be_moved_directly_before_a_system_call()
    {
        // The call ends on CPU 2 only and cannot be preempted: the move comes before it.
        LitmusTest test = LitmusParser.Parse(
            """
            X86_64 BeforeCall
            Cpus=3
            P0=cpu 0 pinned mm b
            P1=cpu 1 mm a
            Idle=yes
            { }
             P0  | P1               ;
             nop | rseq_cpu_id %edx ;
                 | syscall where    ;
            exists (1:rdx=1)
            """,
            "BeforeCall.litmus"
        );

        AssertOutcome(test, DesignOf("where", Where(2)), Frequency.Sometimes);
    }

    [Fact]
    public void A_task_may_be_moved_before_a_call_that_it_begins_with()
    {
        LitmusTest test = LitmusParser.Parse(
            """
            X86_64 CallFirst
            Cpus=3
            P0=cpu 0 pinned mm b
            P1=cpu 1 mm a
            Idle=yes
            { }
             P0  | P1               ;
             nop | syscall where    ;
                 | rseq_cpu_id %edx ;
            exists (1:rdx=2)
            """,
            "CallFirst.litmus"
        );

        AssertOutcome(test, DesignOf("where", Where(2)), Frequency.Sometimes);
    }

    [Fact]
    public void A_task_on_a_weak_core_may_be_moved_before_a_call()
    {
        LitmusTest test = LitmusParser.Parse(
            """
            AArch64 CallFirst
            Cpus=2
            P0=cpu 1 pinned mm b
            P1=cpu 0 mm a
            Idle=yes
            { }
             P0        | P1            ;
             MOV W2,#1 | syscall where ;
            exists (0:X2=1)
            """,
            "CallFirst.litmus"
        );

        AssertOutcome(test, DesignOf("where", Where(1)), Frequency.Always);
    }

    [Fact]
    public void An_exit_is_a_call_as_well()
    {
        // The thread that exits clears what the run queue of its CPU knows; if it is preempted before, it leaves
        // from another CPU.
        LitmusTest test = LitmusParser.Parse(
            """
            X86_64 ExitElsewhere
            Cpus=2
            P0=cpu 1 pinned mm b
            P1=cpu 0 mm a
            Idle=yes
            { }
             P0          | P1               ;
             syscall saw | rseq_cpu_id %edx ;
                         | syscall exit     ;
            exists (1:rdx=0)
            """,
            "ExitElsewhere.litmus"
        );
        KernelDesign design = DesignOf(
            "exits",
            """
            global int left = 0;

            exit() {
                WRITE_ONCE(left, this_cpu);
            }

            syscall saw() {
                while (READ_ONCE(left) != 1) {
                }
                return 0;
            }
            """
        );

        AssertOutcome(test, design, Frequency.Sometimes);
    }

    [Fact]
    public void An_interrupt_directly_before_a_call_returns_to_user_mode()
    {
        // The hook of the way back to user mode runs after an interrupt that comes before the call; none that comes
        // inside of it passes there.
        LitmusTest test = LitmusParser.Parse(
            """
            X86_64 HookBefore
            Cpus=2
            Schedule=no
            P0=cpu 0 pinned mm a
            P1=cpu 1 pinned mm a
            { }
             P0           | P1           ;
             syscall poke | syscall look ;
            exists (0:rax=0)
            """,
            "HookBefore.litmus"
        );
        KernelDesign design = DesignOf(
            "hooked",
            """
            percpu int hooked = 0;

            interrupt nothing() {
                smp_mb();
            }

            interrupt_return() {
                WRITE_ONCE(hooked[this_cpu], 1);
            }

            syscall poke() {
                cpus others = {};
                for (cpu c in online) {
                    if (c == 1) others += c;
                }
                preempt_disable();
                ipi_and_wait(others, nothing);
                preempt_enable();
                return 0;
            }

            syscall look() {
                while (READ_ONCE(hooked[this_cpu]) == 0) {
                }
                return 0;
            }
            """
        );

        AssertOutcome(test, design, Frequency.Always);
    }

    // With every reduction, with each alone left out, and, where the states stay few, without any.
    private static void AssertOutcome(LitmusTest test, KernelDesign design, Frequency expected)
    {
        foreach (
            Reductions reductions in (Reductions[])
                [
                    Reductions.All,
                    Reductions.All & ~Reductions.LocalFusion,
                    Reductions.All & ~Reductions.Independence,
                    Reductions.None,
                ]
        )
        {
            if (reductions == Reductions.None && test.Architecture == Architecture.AArch64)
            {
                continue;
            }

            var options = new ExplorationOptions { Reductions = reductions };
            DesignReport report = DesignReport.Of(
                test,
                design,
                test.HomeCore(),
                options,
                default,
                null,
                TestContext.Current.CancellationToken
            );
            Assert.True(report.Verdict!.IsComplete);
            Assert.NotEmpty(report.Verdict.Exploration.FinalStates);
            Assert.Equal(expected, report.Verdict.Frequency);
        }
    }

    private static KernelDesign DesignOf(string name, string declarations)
    {
        string text = $"design {name} extends linux-6.8;\n{declarations}\n";
        return DesignText.Parse([(name, text), .. DesignText.Names.Select(known => (known, TextOf(known)))]);

        static string TextOf(string known) =>
            File.ReadAllText(Path.Combine(DesignText.Folder, known + KernelDesign.Extension));
    }
}
