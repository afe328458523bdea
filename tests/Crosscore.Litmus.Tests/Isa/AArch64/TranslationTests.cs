using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Tests.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Traces;

namespace Crosscore.Litmus.Tests.Isa.AArch64;

/// <summary>
/// Translation tables: which faults there are, where a thread continues after one, and what is refused.
/// </summary>
public class TranslationTests
{
    [Theory]
    [InlineData("valid:0", "LDR W0,[X1]", "MMU:Translation")]
    [InlineData("af:0", "LDR W0,[X1]", "MMU:AccessFlag")]
    [InlineData("db:0", "STR W0,[X1]", "MMU:Permission")]
    [InlineData("db:0", "LDADD W0,W2,[X1]", "MMU:Permission")]
    public void An_entry_that_forbids_the_access_is_a_fault_of_its_kind(string field, string instruction, string kind)
    {
        foreach (
            string other in (string[])["MMU:Translation", "MMU:AccessFlag", "MMU:Permission", "UndefinedInstruction"]
        )
        {
            ModelVerdict verdict = Explore(
                $"Variant=vmsa,fatal\n{{ [PTE(x)]=({field}); 0:X1=x; }}\nP0 "
                    + $";\nL0: {instruction} ;\nforall fault(P0:L0,x,{other})"
            );
            Assert.Equal(other == kind, verdict.Holds);
        }
    }

    [Fact]
    public void A_page_that_may_be_read_only_can_be_read()
    {
        Assert.True(
            Explore("{ [PTE(x)]=(db:0); x=3; 0:X1=x; }\nP0 ;\nLDR W0,[X1] ;\nforall (0:X0=3 /\\ ~fault(P0))").Holds
        );
    }

    [Theory]
    [InlineData("el0:0", "x", true)]
    [InlineData("el0:1", "x", false)]
    [InlineData("el0:1", "PTE(x)", true)]
    public void Unprivileged_threads_access_what_the_entry_lets_them(string field, string location, bool faults)
    {
        string test =
            $"EL0=P0\n{{ [PTE(x)]=({field}); int64_t x=3; 0:X1={location}; 1:X1={location}; }}\nP0 "
            + $"| P1 ;\nLDR X0,[X1] | LDR X0,[X1] ;\nforall (fault(P0,{location}) /\\ ~fault(P1))";
        Assert.Equal(faults, Explore(test).Holds);
    }

    [Theory]
    [InlineData("fatal", 0, 0)]
    [InlineData("precise", 0, 0)]
    [InlineData("skip", 0, 5)]
    [InlineData("faultToNext", 0, 5)]
    public void After_a_fault_the_thread_continues_as_the_header_says(string variant, int loaded, int next)
    {
        Assert.True(
            Explore(
                $"Variant=vmsa,{variant}\n{{ [PTE(x)]=(valid:0); x=3; 0:X1=x; }}\nP0 ;\nLDR "
                    + $"W0,[X1] ;\nMOV W2,#5 ;\nforall (0:X0={loaded} /\\ 0:X2={next} /\\ fault(P0))"
            ).Holds
        );
    }

    [Fact]
    public void A_fault_that_is_handled_is_tried_again_until_the_page_is_there()
    {
        const string Map =
            "{ [PTE(x)]=(valid:0); x=3; 0:X1=x; 1:X1=PTE(x); "
            + "1:X2=(oa:PA(x)); }\nP0 | P1 ;\nLDR W0,[X1] | STR X2,[X1] ;\n";
        ModelVerdict verdict = Explore($"Variant=vmsa,handled\n{Map}forall 0:X0=3");
        Assert.True(verdict.Holds);
        Assert.True(Explore($"Variant=vmsa,handled\n{Map}exists fault(P0)").Holds);
        Assert.True(Explore($"Variant=vmsa,handled\n{Map}exists ~fault(P0)").Holds);

        // The control: where it ends the thread, nothing is loaded.
        Assert.False(Explore($"Variant=vmsa,fatal\n{Map}forall 0:X0=3").Holds);
    }

    [Theory]
    [InlineData("Variant=vmsa\n")]
    [InlineData("Variant=exs,eis,eos\n")]
    [InlineData("")]
    public void Where_the_header_does_not_say_what_follows_a_fault_the_thread_ends(string header)
    {
        Assert.True(
            Explore(
                $"{header}{{ [PTE(x)]=(valid:0); 0:X1=x; 0:X0=5; }}\nP0 ;\nLDR "
                    + "W0,[X1] ;\nMOV W2,#5 ;\nforall (0:X0=5 /\\ 0:X2=0 /\\ fault(P0))"
            ).Holds
        );
        Assert.True(Explore($"{header}{{ 0:X0=5; }}\nP0 ;\nSVC #0 ;\nMOV W0,#6 ;\nforall 0:X0=5").Holds);
    }

    [Fact]
    public void The_handler_of_an_unprivileged_thread_is_privileged_until_it_returns()
    {
        const string Test = "EL0=P0\n{ x=3; [PTE(x)]=(oa:PA(x), el0:0); 0:X1=x; 0:X5=PTE(x); 0:X8=0; }\nP0 | P0.F ;\n";
        const string Handler =
            "L0: LDR W0,[X1] | LDR W2,[X1] ;\nL1: MOV W4,#1 | LDR X6,[X5] ;\nL2: LDR W7,[X1] | ADD "
            + "W8,W8,#1 ;\n | MRS X3,ELR_EL1 ;\n | ADD X3,X3,#4 ;\n | MSR ELR_EL1,X3 ;\n | ERET ;\n";
        Assert.True(
            Explore(
                $"{Test}{Handler}forall (0:X2=3 /\\ 0:X6=(oa:PA(x), el0:0) /\\ 0:X0=0 "
                    + "/\\ 0:X7=0 /\\ 0:X8=2 /\\ fault(P0:L0,x) /\\ fault(P0:L2,x))"
            ).Holds
        );
    }

    [Fact]
    public void A_handler_that_branches_back_without_a_return_stays_privileged()
    {
        const string Test =
            "EL0=P0\n{ x=3; [PTE(x)]=(oa:PA(x), el0:0); 0:X1=x; }\nP0 | P0.F ;\nL0: "
            + "LDR W0,[X1] | B L1 ;\nL1: LDR W2,[X1] | ;\nforall (0:X0=0 /\\ 0:X2=3)";
        Assert.True(Explore(Test).Holds);
    }

    [Fact]
    public void The_handler_of_an_unprivileged_thread_may_invalidate()
    {
        const string Test =
            "EL0=P0\n{ x=3; [PTE(x)]=(valid:0); 0:X1=x; 0:X2=PTE(x); 0:X3=(oa:PA(x)); }\nP0 | P0.F ;\nLDR "
            + "W0,[X1] | STR X3,[X2] ;\n | DSB ISH ;\n | TLBI VMALLE1 ;\n | DSB ISH ;\n | ERET ;\nforall 0:X0=3";
        Assert.True(Explore(Test).Holds);
    }

    [Fact]
    public void A_handler_sees_the_fault_and_may_mend_the_page()
    {
        Assert.True(
            Explore(
                "Variant=vmsa\n{ [PTE(x)]=(valid:0); x=3; 0:X1=x; 0:X2=PTE(x); 0:X3=(oa:PA(x)); }\nP0 | P0.F "
                    + ";\nL0: LDR W0,[X1] | STR X3,[X2] ;\n | DSB ISH ;\n | ERET ;\nforall (0:X0=3 /\\ fault(P0:L0,x))"
            ).Holds
        );
    }

    [Theory]
    [InlineData("exs", Frequency.Sometimes)]
    [InlineData("exs,eis", Frequency.Never)]
    [InlineData("exs,eos", Frequency.Never)]
    [InlineData("vmsa", Frequency.Never)]
    public void An_exception_synchronizes_the_context_where_the_header_does_not_say_otherwise(
        string variant,
        Frequency expected
    )
    {
        const string Code = "P0 | P0.F ;\nSTR X0,[X1] | ERET ;\nDSB ISH | ;\nSVC #0 | ;\nL0: LDR W3,[X2] | ;\n";
        string test =
            $"Variant=vmsa,{variant}\n{{ [PTE(x)]=(valid:0); 0:X0=(oa:PA(x)); "
            + $"0:X1=PTE(x); 0:X2=x; }}\n{Code}exists fault(P0:L0,MMU:Translation)";
        Assert.Equal(expected, Explore(test).Frequency);
    }

    [Fact]
    public void Two_addresses_of_the_same_memory_are_coherent()
    {
        Assert.True(
            Explore(
                "{ [PTE(z)]=(oa:PA(x)); 0:X1=x; 0:X2=z; }\nP0 ;\nMOV W0,#7 ;\nSTR "
                    + "W0,[X1] ;\nLDR W3,[X2] ;\nforall (0:X3=7 /\\ [x]=7 /\\ [PA(z)]=0)"
            ).Holds
        );
    }

    [Fact]
    public void A_code_label_and_a_location_on_the_same_page_are_the_same_memory()
    {
        const string Alias = "{ 0:X0=NOP; 0:X1=x; pte_x=(oa:phy_x); pte_l0=(oa:phy_x); 0:X9=0; }\nP0 ;\n";
        Assert.Equal(
            Frequency.Never,
            Explore($"{Alias}l0: B l1 ;\nMOV W9,#1 ;\nl1: STR W0,[X1] ;\nexists 0:X9=1").Frequency
        );

        // The control: a store before it is fetched.
        Assert.Equal(
            Frequency.Sometimes,
            Explore($"{Alias}STR W0,[X1] ;\nl0: B l1 ;\nMOV W9,#1 ;\nl1: NOP ;\nexists 0:X9=1").Frequency
        );
    }

    [Theory]
    [InlineData(
        "TTHM=HA\n{ [PTE(x)]=(af:0); 0:X1=x; }\nP0 ;\nLDR W0,[X1] ;\nforall true",
        "that hardware manages these fields is not modeled"
    )]
    [InlineData(
        "Variant=vmsa,ETS2\n{ [PTE(x)]=(valid:1); 0:X1=x; }\nP0 ;\nLDR W0,[X1] ;\nforall true",
        "found the variant 'ETS2', expected vmsa, ifetch, fatal"
    )]
    [InlineData(
        "EL0=P3\n{ [PTE(x)]=(valid:1); 0:X1=x; }\nP0 ;\nLDR W0,[X1] ;\nforall true",
        "found 'P3', expected a column such as P0"
    )]
    [InlineData("EL0=P0\n{ [PTE(x)]=(valid:1); 0:X1=x; }\nP0 ;\nTLBI VMALLE1 ;\nforall true", "which runs at EL0")]
    [InlineData(
        "{ [PTE(x)]=(valid:1); 0:X1=x; 0:X2=P0:L0; }\nP0 ;\nL0: STR W0,[X2] ;\nforall true",
        "is outside of the memory of the program"
    )]
    [InlineData(
        "Variant=memtag\n{ }\nP0 ;\nNOP ;\nforall true",
        "found the variant 'memtag', expected vmsa, ifetch, fatal"
    )]
    [InlineData(
        "{ [PTE(L0)]=(oa:PA(x)); x=1; 0:X1=x; }\nP0 ;\nL0: NOP ;\nforall true",
        "found the page of the label L0"
    )]
    public void What_is_not_modeled_of_translation_is_refused_at_its_place(string test, string expected)
    {
        Assert.Contains(expected, Assert.Throws<LitmusException>(() => Explore(test)).Message);
    }

    [Fact]
    public void On_a_core_without_a_TLB_the_old_entry_is_gone_at_once()
    {
        LitmusTest test = Own("Unmap.NoInvalidation");
        Assert.Equal(Frequency.Sometimes, TestOutcomes.Explore(test, CoreKind.AArch64).Frequency);
        Assert.Equal(Frequency.Never, TestOutcomes.Explore(test, CoreKind.Sc).Frequency);
    }

    [Fact]
    public void A_trace_tells_which_entry_was_used_and_that_it_is_old()
    {
        ModelVerdict verdict = TestOutcomes.Explore(Own("Unmap.NoCompletion"), CoreKind.AArch64);
        IReadOnlyList<TraceEvent> way = verdict.ShortestTraceTo(verdict.Allowed.First(verdict.IsWitness));
        Assert.Contains(way, happened => happened.Kind == TraceEventKind.TranslateStale);
        Assert.Contains(way, happened => happened.Kind == TraceEventKind.InvalidateTranslation);
    }

    [Fact]
    public void Without_promising_first_the_outcomes_are_the_same()
    {
        foreach (string file in Directory.EnumerateFiles(Folder, "*.litmus").Order(StringComparer.Ordinal))
        {
            LitmusTest test = LitmusParser.Parse(File.ReadAllText(file), file);
            ModelVerdict interleaved = TestOutcomes.Explore(
                test,
                CoreKind.AArch64,
                new ExplorationOptions { Reductions = Reductions.All & ~Reductions.PromisesFirst }
            );
            TestOutcomes.AssertEqual(interleaved, [.. TestOutcomes.Explore(test, CoreKind.AArch64).Allowed]);
        }
    }

    private static string Folder => Path.Combine(Corpus.Repository, "litmus", "aarch64", "translation");

    private static LitmusTest Own(string name)
    {
        string file = Path.Combine(Folder, name + ".litmus");
        return LitmusParser.Parse(File.ReadAllText(file), file);
    }

    private static ModelVerdict Explore(string rest) =>
        TestOutcomes.Explore(LitmusText.Parse($"AArch64 Translation\n{rest}"), CoreKind.AArch64);
}
