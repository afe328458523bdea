using Crosscore.Litmus.Isa.AArch64;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Tests.Isa.AArch64;

/// <summary>Opcodes: every instruction that a test can read as data is encoded as an assembler encodes it.</summary>
public class AArch64EncodingTests
{
    // Opcodes of an assembler (LLVM 14), with the instruction in herd's notation.
    private const string Assembled = """
        2A0103E0 MOV W0,W1
        AA1E03E2 MOV X2,X30
        AA1F03E3 MOV X3,XZR
        52800029 MOV W9,#1
        D2A00029 MOV X9,#65536
        12800009 MOV W9,#-1
        92800029 MOV X9,#-2
        32009FE9 MOV W9,#0xff00ff
        B200F3E9 MOV X9,#0x5555555555555555
        D2BFFFE1 MOV X1,#0xffff0000
        D2C000E1 MOVZ X1,#7,LSL #32
        128000E1 MOVN W1,#7
        F2FFFFE1 MOVK X1,#65535,LSL #48
        2A2103E0 MVN W0,W1
        AA210FE0 MVN X0,X1,LSL #3
        CB0103E0 NEG X0,X1
        4B8117E0 NEG W0,W1,ASR #5
        11000884 ADD W4,W4,#2
        91004042 ADD X2,X2,#16
        D1004042 ADD X2,X2,#-16
        91400442 ADD X2,X2,#4096
        313FFCA4 ADDS W4,W5,#4095
        D1000462 SUB X2,X3,#1
        F100047F SUBS XZR,X3,#1
        0B020020 ADD W0,W1,W2
        8B020C20 ADD X0,X1,X2,LSL #3
        6B827C20 SUBS W0,W1,W2,ASR #31
        8B22C820 ADD X0,X1,W2,SXTW #2
        CB226C20 SUB X0,X1,X2,UXTX #3
        12001C20 AND W0,W1,#255
        927CEC20 AND X0,X1,#0xfffffffffffffff0
        B2410420 ORR X0,X1,#0x8000000000000001
        5200F020 EOR W0,W1,#0x55555555
        6A020020 ANDS W0,W1,W2
        EA220020 BICS X0,X1,X2
        4A030063 EOR W3,W3,W3
        CA200001 EON X1,X0,X0
        2AE21C20 ORN W0,W1,W2,ROR #7
        AA020020 ORR X0,X1,X2
        531D7020 LSL W0,W1,#3
        D3410020 LSL X0,X1,#63
        D34CFC20 LSR X0,X1,#12
        1AC22420 LSR W0,W1,W2
        9341FC20 ASR X0,X1,#1
        131F7C20 ASR W0,W1,#31
        93C11420 ROR X0,X1,#5
        1AC22C20 ROR W0,W1,W2
        9B027C20 MUL X0,X1,X2
        1B027C20 MUL W0,W1,W2
        6B01005F CMP W2,W1
        F100145F CMP X2,#5
        3100145F CMN W2,#5
        7200001F TST W0,#1
        EA01001F TST X0,X1
        EB21401F CMP X0,W1,UXTW
        9A820020 CSEL X0,X1,X2,EQ
        1A82B420 CSINC W0,W1,W2,LT
        DA821020 CSINV X0,X1,X2,NE
        5A828420 CSNEG W0,W1,W2,HI
        1A9F17E3 CSET W3,EQ
        DA9FB3E3 CSETM X3,GE
        9A812420 CINC X0,X1,CC
        5A815020 CINV W0,W1,MI
        DA817420 CNEG X0,X1,VS
        13001C20 SXTB W0,W1
        93401C20 SXTB X0,W1
        93403C20 SXTH X0,W1
        93407C20 SXTW X0,W1
        53001C20 UXTB W0,W1
        53003C20 UXTH W0,W1
        10000020 ADR X0,.+4
        10FFFFC3 ADR X3,.-8
        B9400020 LDR W0,[X1]
        F9400420 LDR X0,[X1,#8]
        F85F8020 LDR X0,[X1,#-8]
        B8403020 LDR W0,[X1,#3]
        B8404420 LDR W0,[X1],#4
        F85F0C20 LDR X0,[X1,#-16]!
        B862C820 LDR W0,[X1,W2,SXTW]
        B862D820 LDR W0,[X1,W2,SXTW #2]
        F8626820 LDR X0,[X1,X2]
        F8627820 LDR X0,[X1,X2,LSL #3]
        39400420 LDRB W0,[X1,#1]
        78626820 LDRH W0,[X1,X2]
        39C00020 LDRSB W0,[X1]
        39800020 LDRSB X0,[X1]
        79C00420 LDRSH W0,[X1,#2]
        B9800420 LDRSW X0,[X1,#4]
        B8801020 LDURSW X0,[X1,#1]
        F8401020 LDUR X0,[X1,#1]
        38400020 LDURB W0,[X1]
        B9000020 STR W0,[X1]
        F8008C20 STR X0,[X1,#8]!
        38001420 STRB W0,[X1],#1
        79000420 STRH W0,[X1,#2]
        B81FC020 STUR W0,[X1,#-4]
        88DFFC20 LDAR W0,[X1]
        08DFFC20 LDARB W0,[X1]
        F8BFC020 LDAPR X0,[X1]
        D95F8020 LDAPUR X0,[X1,#-8]
        99004020 STLUR W0,[X1,#4]
        C89FFC20 STLR X0,[X1]
        489FFC20 STLRH W0,[X1]
        885F7C20 LDXR W0,[X1]
        C85FFC20 LDAXR X0,[X1]
        88027C20 STXR W2,W0,[X1]
        C802FC20 STLXR W2,X0,[X1]
        4803FC20 STLXRH W3,W0,[X1]
        29400820 LDP W0,W2,[X1]
        A9410820 LDP X0,X2,[X1,#16]
        A8FF0820 LDP X0,X2,[X1],#-16
        69400820 LDPSW X0,X2,[X1]
        A8410820 LDNP X0,X2,[X1,#16]
        29810820 STP W0,W2,[X1,#8]!
        A8810820 STP X0,X2,[X1],#16
        28000820 STNP W0,W2,[X1]
        88A07C22 CAS W0,W2,[X1]
        C8E07C22 CASA X0,X2,[X1]
        88A0FC22 CASL W0,W2,[X1]
        08E0FC22 CASALB W0,W2,[X1]
        B8208022 SWP W0,W2,[X1]
        F8E08022 SWPAL X0,X2,[X1]
        78A08022 SWPAH W0,W2,[X1]
        B8200022 LDADD W0,W2,[X1]
        F8A00022 LDADDA X0,X2,[X1]
        B8601022 LDCLRL W0,W2,[X1]
        38202022 LDEORB W0,W2,[X1]
        B8E03022 LDSETAL W0,W2,[X1]
        F8204022 LDSMAX X0,X2,[X1]
        78205022 LDSMINH W0,W2,[X1]
        B8206022 LDUMAX W0,W2,[X1]
        B8207022 LDUMIN W0,W2,[X1]
        B820003F STADD W0,[X1]
        F860103F STCLRL X0,[X1]
        3820703F STUMINB W0,[X1]
        14000002 B .+8
        17FFFFFF B .-4
        94000002 BL .+8
        54000040 B.EQ .+8
        54FFFFC3 B.LO .-8
        B4000060 CBZ X0,.+12
        35FFFFA0 CBNZ W0,.-12
        36180040 TBZ W0,#3,.+8
        B7FFFFC0 TBNZ X0,#63,.-8
        D61F00A0 BR X5
        D63F00A0 BLR X5
        D65F03C0 RET
        D65F00A0 RET X5
        D503201F NOP
        D503203F YIELD
        D503205F WFE
        D503207F WFI
        D503209F SEV
        D50320BF SEVL
        D503241F BTI
        D5033FBF DMB SY
        D5033DBF DMB LD
        D5033EBF DMB ST
        D5033BBF DMB ISH
        D50339BF DMB ISHLD
        D5033ABF DMB ISHST
        D50333BF DMB OSH
        D50332BF DMB OSHST
        D50337BF DMB NSH
        D5033F9F DSB SY
        D5033B9F DSB ISH
        D5033A9F DSB ISHST
        D503359F DSB NSHLD
        D5033FDF ISB
        D50B7B20 DC CVAU,X0
        D50B7E21 DC CIVAC,X1
        D50B7A22 DC CVAC,X2
        D50B7520 IC IVAU,X0
        D508751F IC IALLU
        D508711F IC IALLUIS
        D508871F TLBI VMALLE1
        D508831F TLBI VMALLE1IS
        D5088720 TLBI VAE1,X0
        D5088320 TLBI VAE1IS,X0
        D5088361 TLBI VAAE1IS,X1
        D50883A1 TLBI VALE1IS,X1
        D50881E1 TLBI VAALE1OS,X1
        D5088341 TLBI ASIDE1IS,X1
        D5384020 MRS X0,ELR_EL1
        D53B0021 MRS X1,CTR_EL0
        D5184023 MSR ELR_EL1,X3
        D4000001 SVC #0
        D4000841 SVC #66
        00000000 UDF #0
        00000007 UDF #7
        D69F03E0 ERET
        """;

    [Fact]
    public void Instructions_have_the_opcodes_that_an_assembler_gives_them()
    {
        string[] rows = Assembled.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        Assert.True(rows.Length > 180);
        Assert.All(
            rows,
            row =>
                Assert.Equal(
                    (row[9..], row[..8]),
                    (row[9..], Encode(row[9..]) is uint opcode ? $"{opcode:X8}" : "none")
                )
        );
    }

    [Theory]
    [InlineData("ADD W0,WZR,#1")]
    [InlineData("ADD W0,W1,#4097")]
    [InlineData("AND W0,W1,#5")]
    [InlineData("MOV X0,#0x123456789")]
    [InlineData("LDR X0,[X1,#4097]")]
    [InlineData("TBZ W0,#32,.+8")]
    [InlineData("STP X0,X2,[X1,#4]")]
    [InlineData("ADRP X0,.+4")]
    [InlineData("LDIAPP X0,X2,[X1]")]
    public void What_has_no_opcode_or_none_that_is_known_gets_no_number(string instruction) =>
        Assert.Null(Encode(instruction));

    [Fact]
    public void Opcodes_that_are_decoded_are_encoded_as_they_were()
    {
        foreach (
            string row in Assembled.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        )
        {
            ulong opcode = Convert.ToUInt64(row[..8], 16);
            if (AArch64Encoding.Decode(opcode) is AArch64Instruction decoded)
            {
                Assert.Equal(
                    (uint)opcode,
                    AArch64Encoding.Encode(
                        decoded,
                        decoded.Operands.OfType<AArch64Place>().FirstOrDefault()?.Offset ?? 0
                    )
                );
            }
        }
    }

    private static uint? Encode(string text)
    {
        AArch64Instruction instruction = new AArch64Parser(new LitmusScanner(text, "")).Parse();
        return AArch64Encoding.Encode(
            instruction,
            instruction.Operands.OfType<AArch64Place>().FirstOrDefault()?.Offset ?? 0
        );
    }
}
