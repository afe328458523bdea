namespace Crosscore.Isa;

/// <summary>
/// Which opcodes exist, and which of them carry what. A set of opcodes is four words of 64 bits; bit n of word w stands
/// for the opcode 64 w + n. Source: Intel SDM vol. 2, appendix A; AMD APM vol. 3, appendix A (XOP, and the instructions
/// Intel does not have). An opcode counts as known when some combination of prefixes and ModRM is defined; what is
/// undefined beside it has the same length and faults.
/// </summary>
/// <remarks>
/// Left out on purpose, because processors disagree on their length: UD0 and UD1 (0F FF, 0F B9). Left out because no
/// processor in use has them: 3DNow!'s suffixes (0F 0F), JMPE (0F B8), APX (D5, EVEX map 4), VEX map 7.
/// </remarks>
internal static class X86_64OpcodeTables
{
    /// <summary>Whether a one-byte opcode exists in 64-bit mode. Prefixes and escapes are not opcodes.</summary>
    public static bool IsPrimary(byte opcode) =>
        Has(opcode, 0x3F3F3F3F3F3F3F3F, 0xFFFFFF08FFFF0000, 0xFFFFFFFFFBFFFFFB, 0xFFF2FBFFFF8FBFCF);

    public static bool Is0F(byte opcode) =>
        Has(opcode, 0x00BFFF0FFFFF6BEF, 0xF3FFFFFFFFFFFFFF, 0xFDFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFF);

    public static bool Is0F38(byte opcode) =>
        Has(opcode, 0xFFBF0F3F70B10FFF, 0x0000000000000003, 0x0000000000000007, 0x1F630000F900BF00);

    public static bool Is0F3A(byte opcode) =>
        Has(opcode, 0x0000000700F0FF00, 0x0000000F00000017, 0x0000000000000000, 0x000100008000D000);

    public static bool IsVex(int map, byte opcode) =>
        map switch
        {
            1 => Has(opcode, 0x0000FF0000FF0000, 0xF0FFFFFFFFFF0CF6, 0x00004000030F0000, 0x7FFFFFFFFFFF0074),
            2 => Has(opcode, 0xFFFFFF3F77C8FFFF, 0x03041000570F0AE3, 0xFFF3FFC0FFCF5000, 0x00ECFFFFFC0CB800),
            3 => Has(opcode, 0x030F000723F0FF77, 0xFF00FF0FF0001F57, 0x0000000000000000, 0x00010000C000C000),
            _ => false,
        };

    public static bool IsEvex(int map, byte opcode) =>
        map switch
        {
            1 => Has(opcode, 0x0000FF0000FF0000, 0xCF7FFFFFFFF20000, 0x0000000000000000, 0x7F7EFFFFFF7E0074),
            2 => Has(opcode, 0xFFFF3FFFFF7F3811, 0xFFEF017C0F3FF0FD, 0xFFF0FFCFFFCFAF08, 0x00000000F000BDD0),
            3 => Has(opcode, 0xCF0000EFEFF08F3B, 0x000F00C000F3001C, 0x0000000000000000, 0x000000000000C004),
            5 => Has(opcode, 0x0000F40020030000, 0x7F004000FF020000, 0x0000000000000000, 0x0000000000000000),
            6 => Has(opcode, 0x0000300000080000, 0x0000000000C0F00C, 0xFFC0FFC0FFC00000, 0x0000000000C00000),
            _ => false,
        };

    public static bool IsXop(int map, byte opcode) =>
        map switch
        {
            8 => Has(opcode, 0, 0, 0x0040004CC0E0C0E0, 0x0000F0000000F00F),
            9 => Has(opcode, 0x0000000000040006, 0, 0x000000000FFF000F, 0x0000000E08CE08CE),
            10 => Has(opcode, 0x0000000000050000, 0, 0, 0),
            _ => false,
        };

    /// <summary>Whether a one-byte opcode is followed by ModRM.</summary>
    public static bool PrimaryHasModRm(byte opcode) =>
        opcode switch
        {
            < 0x40 => (opcode & 7) < 4,
            0x63 or 0x69 or 0x6B => true,
            >= 0x80 and <= 0x8F => true,
            0xC0 or 0xC1 or 0xC6 or 0xC7 => true,
            >= 0xD0 and <= 0xD3 or >= 0xD8 and <= 0xDF => true,
            0xF6 or 0xF7 or 0xFE or 0xFF => true,
            _ => false,
        };

    /// <summary>Whether an opcode behind 0F is followed by ModRM.</summary>
    public static bool Map0FHasModRm(byte opcode) =>
        opcode switch
        {
            >= 0x05 and <= 0x09 or 0x0B or 0x0E => false,
            >= 0x30 and <= 0x37 or 0x77 => false,
            >= 0x80 and <= 0x8F => false,
            >= 0xA0 and <= 0xA2 or >= 0xA8 and <= 0xAA => false,
            >= 0xC8 and <= 0xCF => false,
            _ => true,
        };

    /// <summary>
    /// The immediate of an opcode behind 0F, VEX map 1 or EVEX map 1, in bytes; 0F 78 and 0F 80 to 8F are looked at
    /// elsewhere.
    /// </summary>
    public static int Map0FImmediate(byte opcode) =>
        opcode is (>= 0x70 and <= 0x73) or 0xA4 or 0xAC or 0xBA or 0xC2 or 0xC4 or 0xC5 or 0xC6 ? 1 : 0;

    /// <summary>
    /// Whether LOCK may stand before an opcode whose operand is memory. Source: Intel SDM vol. 2, "LOCK".
    /// </summary>
    /// <param name="map">The opcode's table.</param>
    /// <param name="opcode">The opcode.</param>
    /// <param name="register">The middle three bits of its ModRM byte.</param>
    public static bool TakesLock(X86_64OpcodeMap map, byte opcode, int register) =>
        (map, opcode) switch
        {
            (X86_64OpcodeMap.Primary, < 0x38) => (opcode & 6) == 0, // add, or, adc, sbb, and, sub, xor; not cmp
            (X86_64OpcodeMap.Primary, 0x80 or 0x81 or 0x83) => register != 7,
            (X86_64OpcodeMap.Primary, 0x86 or 0x87) => true, // xchg
            (X86_64OpcodeMap.Primary, 0xF6 or 0xF7) => register is 2 or 3, // not, neg
            (X86_64OpcodeMap.Primary, 0xFE or 0xFF) => register < 2, // inc, dec
            (X86_64OpcodeMap.Map0F, 0xAB or 0xB3 or 0xBB) => true, // bts, btr, btc
            (X86_64OpcodeMap.Map0F, 0xBA) => register > 4,
            (X86_64OpcodeMap.Map0F, 0xB0 or 0xB1 or 0xC0 or 0xC1) => true, // cmpxchg, xadd
            (X86_64OpcodeMap.Map0F, 0xC7) => register == 1, // cmpxchg8b, cmpxchg16b
            _ => false,
        };

    private static bool Has(byte opcode, ulong first, ulong second, ulong third, ulong fourth) =>
        (
            (opcode >> 6) switch
            {
                0 => first,
                1 => second,
                2 => third,
                _ => fourth,
            } >> (opcode & 63)
            & 1
        ) != 0;
}
