using System.Globalization;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>
/// The opcodes of the instructions that code may be changed to and from (Arm ARM C4), and their text. Every instruction
/// that can be encoded can be read as data; what is decoded from a bare number is what tests change code to.
/// </summary>
internal static class AArch64Encoding
{
    private const uint NopCode = 0xD503201F;
    private const uint IsbCode = 0xD5033FDF;

    /// <summary>Gets the opcode of an instruction.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="offset">Bytes from it to the place that it names, if it names one.</param>
    /// <returns>The opcode, or <see langword="null"/> for an instruction that is not encoded here.</returns>
    public static uint? Encode(AArch64Instruction instruction, long offset) =>
        AArch64Encoder.Encode(instruction, offset);

    /// <summary>Gets an instruction as it is wherever it stands: a label that it names is an offset.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="offset">Bytes from it to the place that it names, if it names one.</param>
    public static AArch64Instruction Relocatable(AArch64Instruction instruction, long offset)
    {
        AArch64Operand[] operands =
        [
            .. instruction.Operands.Select(operand =>
                operand is AArch64Place ? new AArch64Place(null, offset) : operand
            ),
        ];
        return new AArch64Instruction
        {
            Mnemonic = instruction.Mnemonic,
            Operands = operands,
            Position = instruction.Position,
            Text = Write(instruction.Mnemonic.Name, operands),
        };
    }

    /// <summary>Gets the instruction that an opcode is, or <see langword="null"/> for one that is not known
    /// here.</summary>
    /// <param name="opcode">The opcode.</param>
    public static AArch64Instruction? Decode(ulong opcode)
    {
        if (opcode > uint.MaxValue)
        {
            return null;
        }

        uint code = (uint)opcode;
        AArch64Register Low(bool wide) => new((int)(code & 31), wide ? 8 : 4);
        AArch64Register Middle() => new((int)(code >> 5 & 31), 8);
        AArch64Place Near(int bits, int shift) =>
            new(null, 4 * ((long)(code >> shift & ((1u << bits) - 1)) << (64 - bits) >> (64 - bits)));
        return code switch
        {
            NopCode => Make("NOP"),
            IsbCode => Make("ISB"),
            _ when code >> 26 == 0x05 => Make("B", Near(26, 0)),
            _ when code >> 26 == 0x25 => Make("BL", Near(26, 0)),
            _ when code >> 24 == 0x54 && (code & 16) == 0 => Make(
                "B." + ((AArch64Condition)(code & 15)).ToString().ToUpperInvariant(),
                Near(19, 5)
            ),
            _ when (code & 0x7E000000) == 0x34000000 => Make(
                (code & 0x01000000) != 0 ? "CBNZ" : "CBZ",
                Low(code >> 31 != 0),
                Near(19, 5)
            ),
            _ when (code & 0xFFFFFC1F) == 0xD61F0000 => Make("BR", Middle()),
            _ when (code & 0xFFFFFC1F) == 0xD63F0000 => Make("BLR", Middle()),
            _ when (code & 0xFFFFFC1F) == 0xD65F0000 => Make("RET", Middle()),
            _ when (code & 0x7FE00000) == 0x52800000 => Make(
                "MOV",
                Low(code >> 31 != 0),
                new AArch64Immediate(code >> 5 & 0xFFFF)
            ),
            _ when (code & 0xFFE0001F) == 0xD4000001 => Make("SVC", new AArch64Immediate(code >> 5 & 0xFFFF)),
            <= 0xFFFF => Make("UDF", new AArch64Immediate(code)),
            0xD69F03E0 => Make("ERET"),
            _ => null,
        };
    }

    private static AArch64Instruction Make(string name, params AArch64Operand[] operands) =>
        new()
        {
            Mnemonic = AArch64Mnemonic.Find(name)!,
            Operands = operands,
            Position = default,
            Text = Write(name, operands),
        };

    // As herd writes instructions: capitals, no blank behind a comma.
    private static string Write(string name, AArch64Operand[] operands) =>
        operands.Length == 0 ? name : $"{name} {string.Join(",", operands.Select(Write))}";

    private static string Write(AArch64Operand operand) =>
        operand switch
        {
            AArch64Register register => Write(register),
            AArch64Immediate value => $"#{value.Value.ToString(CultureInfo.InvariantCulture)}",
            AArch64Place place => $".{place.Offset.ToString("+0;-0", CultureInfo.InvariantCulture)}",
            AArch64Word word => word.Text.Replace(" ", " #", StringComparison.Ordinal),
            AArch64Memory memory => Write(memory),
            _ => throw new InvalidOperationException($"Crosscore bug: unknown operand {operand}"),
        };

    private static string Write(AArch64Register register)
    {
        string name =
            (register.Width == 8 ? "X" : "W")
            + (register.IsZero ? "ZR" : register.Number.ToString(CultureInfo.InvariantCulture));
        return register.Shift is AArch64Shift shift
            ? $"{name},{shift.Kind} #{shift.Amount.ToString(CultureInfo.InvariantCulture)}"
            : name;
    }

    private static string Write(AArch64Memory memory)
    {
        string @base = Write(memory.Base);
        string offset = memory.Offset is null ? "" : "," + Write(memory.Offset);
        return memory.Indexing switch
        {
            AArch64Indexing.After => $"[{@base}]{offset}",
            AArch64Indexing.Before => $"[{@base}{offset}]!",
            _ => $"[{@base}{offset}]",
        };
    }
}
