using Crosscore.Litmus.Isa.AArch64;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model;
using Crosscore.Litmus.Tests.Syntax;
using Crosscore.Litmus.Verdicts;

namespace Crosscore.Litmus.Tests.Isa.AArch64;

/// <summary>herd's AArch64 format: what is understood, and what is refused with its place.</summary>
public class AArch64SyntaxTests
{
    [Theory]
    [InlineData("LDR W0,[X1]")]
    [InlineData("LDR X0,[X1,#8]")]
    [InlineData("LDR W0,[X1,W2,SXTW #2]")]
    [InlineData("LDR X0,[X1,X2,LSL #3]")]
    [InlineData("STR W0,[X1],#4")]
    [InlineData("STR W0,[X1,#4]!")]
    [InlineData("LDP W0,W2,[X1]")]
    [InlineData("STILP W0,W2,[X1]")]
    [InlineData("LDAPRB W0,[X1]")]
    [InlineData("STLXRH W3,W0,[X1]")]
    [InlineData("STXR WZR,W0,[X1]")]
    [InlineData("LDAPUR W0,[X1,#-8]")]
    [InlineData("LDP XZR,XZR,[X1],#-512")]
    [InlineData("CASALB W0,W2,[X1]")]
    [InlineData("SWPAH W0,W2,[X1]")]
    [InlineData("LDSMAXAL X0,X2,[X1]")]
    [InlineData("STCLRL W0,[X1]")]
    [InlineData("ADDS W0,W1,W2,LSL #3")]
    [InlineData("CSINC X0,X1,XZR,HS")]
    [InlineData("CSETM W0,LO")]
    [InlineData("MOVK X0,#4,LSL #16")]
    [InlineData("TBNZ W0,#3,L")]
    [InlineData("B.NE L")]
    [InlineData("DSB OSHLD")]
    [InlineData("IC IALLUIS")]
    [InlineData("dc cvau,x0")]
    [InlineData("TLBI VAAE1IS,X0")]
    [InlineData("TLBI VMALLE1")]
    [InlineData("DMB NSH")]
    [InlineData("PRFM PLDL1KEEP,[X1,#8]")]
    [InlineData("membarrier private_expedited_sync_core")]
    public void Instructions_are_understood_and_keep_their_text(string text)
    {
        AArch64Instruction instruction = Assert.Single(
            LitmusText
                .Parse($"AArch64 One\n{{ }}\nP0 ;\n{text} ;\nL: ;\nforall true")
                .Threads[0]
                .InstructionsAs<AArch64Instruction>()
        );
        Assert.Equal(text, instruction.Text);
    }

    [Theory]
    [InlineData("FMOV W0,W1", "found 'FMOV', which is no AArch64 instruction that this project knows")]
    [InlineData("TLBI VAE2IS,X0", "expected TLBI VMALLE1, or TLBI VAE1,Xn")]
    [InlineData("TLBI VAE1IS", "expected TLBI VMALLE1, or TLBI VAE1,Xn")]
    [InlineData("AT S1E1R,X0", "address translation instructions are not modeled")]
    [InlineData("CASP X0,X1,X2,X3,[X4]", "exclusive and atomic pairs are not modeled")]
    [InlineData("PRFM W0,[X1]", "other operands of PRFM")]
    [InlineData("DMB", "expected one of DMB SY, LD, ST")]
    [InlineData("LDR W0,X1", "expected LDR Wt,[Xn]")]
    [InlineData("LDR W0,[W1]", "a base register of 64 bits")]
    [InlineData("LDADD W0,W1,[X2,#4]", "expected LDADD Ws,Wt,[Xn]")]
    [InlineData("STXR W2,W2,[X0]", "expected a register for the status that is neither the data nor the base")]
    [InlineData("STLXR W0,W2,[X0]", "expected a register for the status that is neither the data nor the base")]
    [InlineData("LDP W2,W2,[X0]", "expected two different registers to load")]
    [InlineData("LDR X0,[X0],#8", "expected a base that is written back and is not the data")]
    [InlineData("STP X1,X0,[X0,#16]!", "expected a base that is written back and is not the data")]
    [InlineData("LDR W2,[X0],X3", "expected a constant behind the brackets")]
    [InlineData("LDR W2,[X0],#256", "expected a constant from -256 to 255 for writing back")]
    [InlineData("LDAR W2,[X0,#4]", "expected LDAR Wt,[Xn] without an offset")]
    [InlineData("CSEL W0,W1,W2,XX", "expected CSEL with registers and a condition")]
    [InlineData("B nowhere", "found nowhere, expected a label of column P0")]
    [InlineData("MOV W31,#1", "other operands of MOV")]
    public void What_is_not_understood_is_an_error_at_its_place(string text, string expected)
    {
        LitmusException error = LitmusText.Error($"AArch64 Bad\n{{ }}\nP0 ;\n {text} ;\nforall true");
        Assert.StartsWith("t.litmus:4:", error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Theory]
    [InlineData("0:X0=P7:L0;", "found P7:L0, but that column has no such label")]
    [InlineData("0:X0=instr:\"FMOV\";", "which is no AArch64 instruction")]
    [InlineData("0:X0=instr:\"B L0\";", "expected an offset such as .+8")]
    [InlineData(
        "[PTE(x)]=(oa:PA(x), attrs:(Device));",
        "found 'attrs', expected one of the fields oa, valid, af, db, dbm, el0"
    )]
    [InlineData("[PTE(x)]=(valid:2);", "expected 0 or 1")]
    [InlineData("[PTE(x)]=1;", "expected an entry such as (oa:PA(x), valid:1)")]
    [InlineData("0:X0=(af:1);", "found an entry that does not say where it leads")]
    [InlineData("0:X0=(oa:x);", "expected a physical address such as PA(x)")]
    [InlineData("0:RAX=1;", "expected a general register such as X0")]
    public void Initial_values_that_mean_nothing_are_errors_at_their_place(string entry, string expected)
    {
        LitmusException error = LitmusText.Error($"AArch64 Bad\n{{ {entry} }}\nP0 ;\nL0: NOP ;\nforall true");
        Assert.StartsWith("t.litmus:2:", error.Message);
        Assert.Contains(expected, error.Message);
    }

    [Theory]
    [InlineData("[PTE(x)]=(valid:0);")]
    [InlineData("pte_x=(oa:phy_x,valid:0);")]
    public void Entries_of_translation_tables_are_values_in_the_present_and_the_older_notation(string entry)
    {
        LitmusTest test = LitmusText.Parse(
            $"AArch64 Entries\n{{ {entry} 0:X1=PTE(x); pteval_t 0:X2; y=7; }}\nP0 ;\nLDR X2,[X1] "
                + ";\nforall (0:X2=(oa:PA(x), valid:0) /\\ [PTE(x)]=(valid:0) /\\ ~fault(P0))"
        );
        ModelVerdict verdict = TestOutcomes.Explore(test, Crosscore.Model.Cores.CoreKind.AArch64);
        Assert.Equal(Frequency.Always, verdict.Frequency);
        Assert.Equal(
            "0:X2=(oa:PA(x), valid:0); [PTE(x)]=(oa:PA(x), valid:0);  ~Fault(P0);",
            Assert.Single(verdict.Allowed).Describe(test, verdict.Layout)
        );
        Assert.Equal(
            "0:X2=(oa:PA(x), valid:0) /\\ [PTE(x)]=(oa:PA(x), valid:0) /\\ not (fault(P0))",
            test.Condition.Format(test)
        );
    }

    [Fact]
    public void Labels_and_opcodes_are_values_and_handlers_are_columns()
    {
        LitmusTest test = LitmusText.Parse(
            "AArch64 Values\n{ 0:X0=NOP; 0:X1=P0:L0; 0:X2=instr:\"B .+8\"; [x]=label:\"P0:L0\"; }\nP0 "
                + "| P0.F ;\nL0: UDF #0 | ERET ;\nexists (fault(P0:L0,UndefinedInstruction) /\\ x=P0:L0)"
        );
        LitmusThread thread = Assert.Single(test.Threads);
        Assert.Equal(Architecture.AArch64, test.Architecture);
        Assert.Equal(2, thread.Handler);
        Assert.Equal(0xD503201Fu, thread.InitialRegisters[AArch64Registers.ToTest(0)].Number);
        Assert.Equal(0x14000002u, thread.InitialRegisters[AArch64Registers.ToTest(2)].Number);
        Assert.Equal(CodeLayout.AddressOf(0, 0), Assert.Single(test.Variables).InitialValues[0].Number);
    }

    [Theory]
    [InlineData(0xD503201F, "NOP")]
    [InlineData(0xD5033FDF, "ISB")]
    [InlineData(0x14000001, "B .+4")]
    [InlineData(0x17FFFFFF, "B .-4")]
    [InlineData(0x54000041, "B.NE .+8")]
    [InlineData(0x35000040, "CBNZ W0,.+8")]
    [InlineData(0x52800029, "MOV W9,#1")]
    [InlineData(0xD65F03C0, "RET X30")]
    [InlineData(0x00000000, "UDF #0")]
    public void Opcodes_as_numbers_are_the_instructions_that_the_manual_says(ulong opcode, string text)
    {
        AArch64Instruction decoded = AArch64Encoding.Decode(opcode)!;
        Assert.Equal(text, decoded.Text);
        Assert.Equal(
            (uint)opcode,
            AArch64Encoding
                .Encode(decoded, decoded.Operands.OfType<AArch64Place>().FirstOrDefault()?.Offset ?? 0)!
                .Value
        );
    }

    [Fact]
    public void A_test_is_not_explored_on_a_core_that_does_not_execute_it()
    {
        LitmusTest test = LitmusText.Parse("AArch64 One\n{ }\nP0 ;\nNOP ;\nforall true");
        Assert.Contains(
            "x86-tso do not execute",
            Assert
                .Throws<LitmusException>(() =>
                    ModelVerdict.Of(
                        test,
                        Crosscore.Model.Cores.CoreKind.X86Tso,
                        cancellation: TestContext.Current.CancellationToken
                    )
                )
                .Message
        );
    }
}
