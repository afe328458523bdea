using System.Globalization;

namespace Crosscore.Litmus.Syntax.AArch64;

/// <summary>
/// The opcodes of the instructions that code may be changed to and from (Arm ARM C4), and their text. Every instruction
/// that can be encoded can be read as data; what is decoded from a bare number is what tests change code to.
/// </summary>
public static class ArmEncoding
{
    private const uint NopCode = 0xD503201F;
    private const uint IsbCode = 0xD5033FDF;

    /// <summary>The opcode of an instruction.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="offset">Bytes from it to the place that it names, if it names one.</param>
    /// <returns>The opcode, or <see langword="null"/> for an instruction that is not encoded here.</returns>
    public static uint? Encode(ArmInstruction instruction, long offset) => ArmEncoder.Encode(instruction, offset);

    /// <summary>An instruction as it is wherever it stands: a label that it names is an offset.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="offset">Bytes from it to the place that it names, if it names one.</param>
    public static ArmInstruction Relocatable(ArmInstruction instruction, long offset)
    {
        ArmOperand[] operands =
        [
            .. instruction.Operands.Select(operand => operand is ArmPlace ? new ArmPlace(null, offset) : operand),
        ];
        return new ArmInstruction
        {
            Mnemonic = instruction.Mnemonic,
            Operands = operands,
            Position = instruction.Position,
            Text = Write(instruction.Mnemonic.Name, operands),
        };
    }

    /// <summary>The instruction that an opcode is, or <see langword="null"/> for one that is not known here.</summary>
    /// <param name="opcode">The opcode.</param>
    public static ArmInstruction? Decode(ulong opcode)
    {
        if (opcode > uint.MaxValue)
        {
            return null;
        }

        uint code = (uint)opcode;
        ArmRegister Low(bool wide) => new((int)(code & 31), wide ? 8 : 4);
        ArmRegister Middle() => new((int)(code >> 5 & 31), 8);
        ArmPlace Near(int bits, int shift) =>
            new(null, 4 * ((long)(code >> shift & ((1u << bits) - 1)) << (64 - bits) >> (64 - bits)));
        return code switch
        {
            NopCode => Make("NOP"),
            IsbCode => Make("ISB"),
            _ when code >> 26 == 0x05 => Make("B", Near(26, 0)),
            _ when code >> 26 == 0x25 => Make("BL", Near(26, 0)),
            _ when code >> 24 == 0x54 && (code & 16) == 0 => Make(
                "B." + ((ArmCondition)(code & 15)).ToString().ToUpperInvariant(),
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
                new ArmImmediate(code >> 5 & 0xFFFF)
            ),
            _ when (code & 0xFFE0001F) == 0xD4000001 => Make("SVC", new ArmImmediate(code >> 5 & 0xFFFF)),
            <= 0xFFFF => Make("UDF", new ArmImmediate(code)),
            0xD69F03E0 => Make("ERET"),
            _ => null,
        };
    }

    private static ArmInstruction Make(string name, params ArmOperand[] operands) =>
        new()
        {
            Mnemonic = ArmMnemonic.Find(name)!,
            Operands = operands,
            Position = default,
            Text = Write(name, operands),
        };

    // As herd writes instructions: capitals, no blank behind a comma.
    private static string Write(string name, ArmOperand[] operands) =>
        operands.Length == 0 ? name : $"{name} {string.Join(",", operands.Select(Write))}";

    private static string Write(ArmOperand operand) =>
        operand switch
        {
            ArmRegister register => Write(register),
            ArmImmediate value => $"#{value.Value.ToString(CultureInfo.InvariantCulture)}",
            ArmPlace place => $".{place.Offset.ToString("+0;-0", CultureInfo.InvariantCulture)}",
            ArmWord word => word.Text.Replace(" ", " #", StringComparison.Ordinal),
            ArmMemory memory => Write(memory),
            _ => throw new InvalidOperationException($"Crosscore bug: unknown operand {operand}"),
        };

    private static string Write(ArmRegister register)
    {
        string name =
            (register.Width == 8 ? "X" : "W")
            + (register.IsZero ? "ZR" : register.Number.ToString(CultureInfo.InvariantCulture));
        return register.Shift is ArmShift shift
            ? $"{name},{shift.Kind} #{shift.Amount.ToString(CultureInfo.InvariantCulture)}"
            : name;
    }

    private static string Write(ArmMemory memory)
    {
        string @base = Write(memory.Base);
        string offset = memory.Offset is null ? "" : "," + Write(memory.Offset);
        return memory.Indexing switch
        {
            ArmIndexing.After => $"[{@base}]{offset}",
            ArmIndexing.Before => $"[{@base}{offset}]!",
            _ => $"[{@base}{offset}]",
        };
    }
}
