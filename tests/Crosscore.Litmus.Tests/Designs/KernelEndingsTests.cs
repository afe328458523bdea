using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Kernel;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Tests.Designs;

/// <summary>
/// Kernel designs that may hang, each beside a twin that cannot: with reductions and without, on strong and weak cores.
/// </summary>
public class KernelEndingsTests
{
    // One system call takes the locks in one order, the other in the order given.
    private const string Locks = """
        global lock a;
        global lock b;

        syscall first() {
            lock(a);
            lock(b);
            unlock(b);
            unlock(a);
            return 0;
        }

        syscall second() {
            lock(FIRST);
            lock(SECOND);
            unlock(SECOND);
            unlock(FIRST);
            return 0;
        }
        """;

    // The one CPU waits for the answer to its interrupt, the other for what the first one does after that, with
    // interrupts off or on.
    private const string Wait = """
        global int go = 0;

        interrupt nothing() {
            smp_mb();
        }

        syscall first() {
            cpus other = {1};
            preempt_disable();
            ipi_and_wait(other, nothing);
            preempt_enable();
            WRITE_ONCE(go, 1);
            return 0;
        }

        syscall second() {
            BEFORE_LOOP
            while (READ_ONCE(go) == 0) {
            }
            AFTER_LOOP
            return 0;
        }
        """;

    // The sleeper says that it sleeps and looks once more; the waker looks whether there is a sleeper.
    private const string WakeUp = """
        global int sleeps = 0;
        global int work = 0;
        global int woken = 0;

        syscall first() {
            WRITE_ONCE(sleeps, 1);
            FENCE
            if (READ_ONCE(work) == 0) {
                while (READ_ONCE(woken) == 0) {
                }
            }
            return 0;
        }

        syscall second() {
            WRITE_ONCE(work, 1);
            FENCE
            if (READ_ONCE(sleeps) != 0) {
                WRITE_ONCE(woken, 1);
            }
            return 0;
        }
        """;

    public static TheoryData<string, CoreKind, Endings> Designs
    {
        get
        {
            var designs = new TheoryData<string, CoreKind, Endings>();
            foreach (CoreKind core in (CoreKind[])[CoreKind.X86Tso, CoreKind.Sc, CoreKind.AArch64, CoreKind.RiscVLike])
            {
                designs.Add(With(Locks, "FIRST", "b", "SECOND", "a"), core, Endings.MayHang);
                designs.Add(With(Locks, "FIRST", "a", "SECOND", "b"), core, Endings.Always);
                string off = With(Wait, "BEFORE_LOOP", "local_irq_disable();", "AFTER_LOOP", "local_irq_enable();");
                designs.Add(off, core, Endings.MayHang);
                designs.Add(With(Wait, "BEFORE_LOOP", "", "AFTER_LOOP", ""), core, Endings.Always);
                designs.Add(With(WakeUp, "FENCE", ""), core, core == CoreKind.Sc ? Endings.Always : Endings.MayHang);
                designs.Add(With(WakeUp, "FENCE", "smp_mb();"), core, Endings.Always);
            }

            return designs;
        }
    }

    [Theory]
    [MemberData(nameof(Designs))]
    public void A_design_that_may_hang_is_found_and_its_twin_is_not(
        string declarations,
        CoreKind core,
        Endings expected
    )
    {
        KernelDesign design = DesignText.Parse(declarations);
        LitmusTest test = LitmusParser.Parse(
            $"""
            {(CoreRules.Of(core).IsWeaklyOrdered ? "AArch64" : "X86_64")} TwoCalls
            Cpus=2
            Schedule=no
            P0=cpu 0 pinned
            P1=cpu 1 pinned
            {"{ x=0; }"}
             P0            | P1             ;
             syscall first | syscall second ;
            exists (x=1)
            """,
            "TwoCalls.litmus"
        );
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
            // Weak cores have too many states without any.
            if (reductions == Reductions.None && CoreRules.Of(core).IsWeaklyOrdered)
            {
                continue;
            }

            var options = new ExplorationOptions { Reductions = reductions };
            DesignReport report = DesignReport.Of(
                test,
                design,
                core,
                options,
                default,
                null,
                TestContext.Current.CancellationToken
            );
            Exploration exploration = report.Verdict!.Exploration;
            Assert.Equal(Bounds.None, exploration.Bounds);
            Assert.Equal(expected, exploration.Endings);
            if (expected == Endings.MayHang)
            {
                // Both wait, but a waker that found no sleeper has ended.
                TraceEvent[] waits =
                [
                    .. exploration.ShortestTraceToHang().Where(happened => happened.Kind == TraceEventKind.Wait),
                ];
                bool ended = declarations.Contains("woken", StringComparison.Ordinal);
                Assert.Equal(ended, !waits.Any(happened => happened is { Task: 1, Value: 1, KernelLine: > 0 }));
                Assert.Contains(waits, happened => happened is { Task: 0, Value: 1, KernelLine: > 0 });
            }
        }
    }

    private static string With(string text, params string[] words)
    {
        for (int word = 0; word < words.Length; word += 2)
        {
            text = text.Replace(words[word], words[word + 1], StringComparison.Ordinal);
        }

        return text;
    }
}
