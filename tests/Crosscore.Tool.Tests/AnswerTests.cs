namespace Crosscore.Tool.Tests;

/// <summary>Single answers of the model that were wrong or missing, as a user sees them.</summary>
public class AnswerTests
{
    private const string Stilp = "{ int64_t t[2]; 0:X2=t; 1:X2=t; int64_t 1:X0; int64_t 1:X1; }\n";

    [Theory]
    [InlineData(
        "ADD X2,X2,#16 | LDR X1,[X2] ;\nMOV X0,#1 | DMB LD ;\nMOV X1,#2 | LDR "
            + "X0,[X2,#8] ;\nSTILP X0,X1,[X2,#-16]! | ;\nexists (1:X1=1 /\\ 1:X0=0)",
        "Never"
    )]
    [InlineData(
        "ADD X2,X2,#16 | LDR X1,[X2,#8] ;\nMOV X0,#1 | DMB LD ;\nMOV X1,#2 | "
            + "LDR X0,[X2] ;\nSTILP X0,X1,[X2,#-16]! | ;\nexists (1:X1=2 /\\ 1:X0=0)",
        "Sometimes"
    )]
    [InlineData(
        "MOV X0,#1 | LDR X1,[X2,#8] ;\nMOV X1,#2 | DMB LD ;\nSTILP "
            + "X0,X1,[X2] | LDR X0,[X2] ;\nexists (1:X1=2 /\\ 1:X0=0)",
        "Never"
    )]
    [InlineData(
        "MOV X0,#1 | LDR X1,[X2] ;\nMOV X1,#2 | DMB LD ;\nSTILP "
            + "X0,X1,[X2] | LDR X0,[X2,#8] ;\nexists (1:X1=1 /\\ 1:X0=0)",
        "Sometimes"
    )]
    [InlineData(
        "ADD X2,X2,#16 | LDR X1,[X2] ;\nMOV X0,#1 | DMB LD ;\nMOV X1,#2 | LDR "
            + "X0,[X2,#8] ;\nSTP X0,X1,[X2,#-16]! | ;\nexists (1:X1=1 /\\ 1:X0=0)",
        "Sometimes"
    )]
    public void The_two_stores_of_STILP_are_ordered_by_its_form(string rest, string verdict) =>
        AssertVerdict($"AArch64 Stilp\n{Stilp}P0 | P1 ;\n{rest}", verdict);

    [Theory]
    [InlineData("B e | C1: ADR X0,C2", "| C2: ADR X0,e", "Always")]
    [InlineData("B e | C1: ADR X0,C2", "| C2: ADR X0,C1", "Never")]
    [InlineData("B e | C1: ADD W0,W0,#1", "| C2: ADD W0,W0,#1", "Always")]
    [InlineData("B e | C1: LDR W0,[X3]", "| C2: LDR W0,[X3]", "Always")]
    [InlineData("B e | C1: LDR W0,[X3]", "| C2: LDR X0,[X3]", "Never")]
    [InlineData("B e | C1: CBZ X0,C2", "| C2: CBZ X0,e", "Always")]
    [InlineData("B e | C1: DMB ISH", "| C2: DMB ISHST", "Never")]
    public void Opcodes_that_are_read_as_data_are_those_of_the_instructions(string first, string second, string verdict)
    {
        string[] one = first.Split(" | ");
        AssertVerdict(
            $"AArch64 Opcodes\n{{ 0:X8=P1:C1; 0:X9=P1:C2; }}\nP0 | P1 ;\nLDR W1,[X8] | {one[0]} "
                + $";\nLDR W2,[X9] | {one[1]} ;\nCMP W1,W2 {second} ;\nCSET W3,EQ | e: ;\nforall (0:X3=1)",
            verdict
        );
    }

    [Fact]
    public void An_opcode_that_is_not_encoded_is_refused_where_it_is_read_and_not_where_it_is_executed()
    {
        const string Text = "AArch64 Unknown\n{ 0:X8=P1:C1; }\nP0 | P1 ;\nNOP | C1: LDIAPP X0,X1,[X2] ;\nforall true";
        AssertVerdict(
            Text.Replace("[X2]", "[X8]", StringComparison.Ordinal)
                .Replace("{ 0:X8", "{ 1:X8=t; int64_t t[2]; 0:X8", StringComparison.Ordinal),
            "Always"
        );
        AssertError(
            Text.Replace("[X2]", "[X8]", StringComparison.Ordinal)
                .Replace("{ 0:X8", "{ 1:X8=t; int64_t t[2]; 0:X8", StringComparison.Ordinal)
                .Replace("NOP", "LDR W1,[X8]", StringComparison.Ordinal),
            ":4:1: found LDR W1,[X8] in P0: It reads the opcode of LDIAPP X0,X1,[X8] as data"
        );
    }

    [Theory]
    [InlineData("0:X1=d;", "BR X1", "leads to d")]
    [InlineData("0:X1=0;", "BR X1", "leads to 0")]
    [InlineData("0:X1=NOP;", "BR X1", "leads to the opcode of NOP")]
    [InlineData("0:X1=d;", "BLR X1", "leads to d")]
    [InlineData("0:X1=7;", "RET X1", "leads to 7")]
    [InlineData("", "RET", "leads to 0")]
    [InlineData("", "ERET", "leads to 0")]
    [InlineData("0:X1=P0:L0;", "ADD X1,X1,#400 ;\nBR X1", "leads to instruction 10")]
    public void A_branch_to_what_is_no_code_is_an_error(string initial, string branch, string message) =>
        AssertError($"AArch64 Nowhere\n{{ {initial} }}\nP0 ;\n{branch} ;\nL0: MOV W0,#1 ;\nforall true", message);

    [Theory]
    [InlineData("0:X1=P0:L0;", "BR X1")]
    [InlineData("0:X30=P0:L0;", "RET")]
    [InlineData("0:X1=P1:L9;", "BR X1")]
    [InlineData("0:X1=P1:L9;", "RET X1")]
    [InlineData("", "ADR X1,.+8 ;\nBR X1")]
    [InlineData("0:X1=P0:L0;", "MSR ELR_EL1,X1 ;\nERET")]
    public void A_branch_to_code_is_none(string initial, string branch) =>
        AssertVerdict(
            $"AArch64 Somewhere\n{{ {initial} }}\nP0 | P1 ;\n{branch.Replace(" ;", " | ;", StringComparison.Ordinal)} "
                + "| NOP ;\nL0: MOV W0,#1 | L9: MOV W0,#1 ;\nforall (0:X0=1)",
            "Always"
        );

    [Fact]
    public void A_changed_branch_out_of_its_column_is_an_error() =>
        AssertError(
            "AArch64 Out\n{ 0:X1=P0:S; 0:X3=P0:L0; }\nP0 ;\nLDR W2,[X3] ;\nL0: B L1 ;\nNOP ;\nL1: STR W2,[X1] "
                + ";\nDC CVAU,X1 ;\nDSB ISH ;\nIC IVAU,X1 ;\nDSB ISH ;\nISB ;\nS: B out ;\nout: ;\nforall true",
            "became B .+8, which leads out of its column"
        );

    [Theory]
    [InlineData("exists ([PTE(z)]=(oa:PA(x)))")]
    [InlineData("exists ([pte_z]=(oa:PA(x)))")]
    [InlineData("exists ([PTE(x)]=(oa:PA(z)))")]
    [InlineData("exists (0:X1=z)")]
    [InlineData("exists (0:X1=PTE(z))")]
    [InlineData("exists ([z]=1)")]
    [InlineData("locations [PTE(z);] exists (0:X1=x)")]
    [InlineData("filter ([PTE(z)]=(oa:PA(x))) exists (0:X1=x)")]
    [InlineData("exists (fault(P0,PTE(z)))")]
    [InlineData("exists (fault(P0,z))")]
    public void A_name_that_only_the_question_has_is_an_error_wherever_it_stands(string question) =>
        AssertError(
            $"AArch64 Asked\n{{ 0:X1=x; [PTE(x)]=(oa:PA(x)); }}\nP0 ;\nLDR W0,[X1] ;\n{question}",
            question.Contains("fault", StringComparison.Ordinal)
                ? "z"
                : "found 'z', which neither the initial state nor an instruction names"
        );

    [Theory]
    [InlineData("EON X1,X0,X0", "0:X1=0xffffffff", "Always", true)]
    [InlineData("EON X1,X0,X0", "0:X1=-1", "Always", false)]
    [InlineData("MOV W0,#-1 ;\nMOV X1,X0", "0:X1=-1", "Always", true)]
    [InlineData("MOV X1,#0x100000001", "0:X1=1", "Always", true)]
    [InlineData("MOV X1,#0x100000001", "0:X1=2", "Never", false)]
    public void An_undeclared_register_is_an_int_as_in_herd_and_a_note_says_where_that_matters(
        string code,
        string proposition,
        string verdict,
        bool noted
    )
    {
        using var file = new LitmusFile(
            $"AArch64 Types\n{{ }}\nP0 "
                + $";\n{code.Replace("#0x100000001", "#1 ;\nMOVK X1,#1,LSL #32", StringComparison.Ordinal)} "
                + $";\nforall ({proposition})"
        );
        Command run = Command.Run("explore", file.Name);
        Assert.Contains($"\nmodel\t{verdict}\n", run.Output, StringComparison.Ordinal);
        Assert.Equal(noted, run.Output.Contains("registers without a type are read as int", StringComparison.Ordinal));
    }

    [Fact]
    public void A_declared_register_is_read_as_it_was_declared()
    {
        AssertVerdict("AArch64 Types\n{ int64_t 0:X1; }\nP0 ;\nMOV W0,#-1 ;\nMOV X1,X0 ;\nforall (0:X1=-1)", "Never");
        AssertVerdict(
            "X86_64 Types\n{ int64_t 0:rax; }\nP0 ;\nmovl $-1,%ebx ;\nmovq %rbx,%rax ;\nforall (0:rax=-1)",
            "Never"
        );
        AssertVerdict("X86_64 Types\n{ }\nP0 ;\nmovl $-1,%ebx ;\nmovq %rbx,%rax ;\nforall (0:rax=-1)", "Always");
    }

    private static void AssertVerdict(string text, string verdict)
    {
        using var file = new LitmusFile(text);
        Command run = Command.Run("explore", file.Name);
        Assert.Equal("", run.Errors);
        Assert.Contains($"\nmodel\t{verdict}\n", run.Output, StringComparison.Ordinal);
    }

    private static void AssertError(string text, string message)
    {
        using var file = new LitmusFile(text);
        Command run = Command.Run("explore", file.Name);
        Assert.Equal(2, run.Status);
        Assert.Contains(message, run.Errors, StringComparison.Ordinal);
    }
}
