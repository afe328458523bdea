using System.Globalization;

namespace Crosscore.Litmus.Syntax.AArch64;

/// <summary>
/// The opcodes of the instructions that code may be changed to and from (Arm ARM C4), as far as tests write them down. What is not encoded here can be executed but
/// not be stored or read as data.
/// </summary>
public static class ArmEncoding
{
    private const uint NopCode = 0xD503201F;
    private const uint IsbCode = 0xD5033FDF;

    /// <summary>The opcode of an instruction.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="offset">Bytes from it to the place that it names, if it names one.</param>
    /// <returns>The opcode, or <see langword="null"/>.</returns>
    public static uint? Encode(ArmInstruction instruction, long offset)
    {
        IReadOnlyList<ArmOperand> operands = instruction.Operands;
        uint words = (uint)(offset / 4);
        return (instruction.Opcode, operands) switch
        {
            (ArmOpcode.Nop, _) when instruction.Mnemonic.Name == "NOP" => NopCode,
            (ArmOpcode.Barrier, _) when instruction.Mnemonic.Name == "ISB" => IsbCode,
            (ArmOpcode.Branch, _) => 0x14000000 | (words & 0x3FFFFFF),
            (ArmOpcode.BranchLink, _) => 0x94000000 | (words & 0x3FFFFFF),
            (ArmOpcode.BranchIf, _) => 0x54000000 | ((words & 0x7FFFF) << 5) | (uint)instruction.Mnemonic.Condition,
            (ArmOpcode.CompareAndBranch, [ArmRegister register, ..]) =>
                (register.Width == 8 ? 0xB4000000 : 0x34000000u) | (instruction.Mnemonic.Condition == ArmCondition.Ne ? 0x01000000u : 0) | ((words & 0x7FFFF) << 5) | (uint)register.Number,
            (ArmOpcode.BranchRegister, [ArmRegister register]) => 0xD61F0000 | ((uint)register.Number << 5),
            (ArmOpcode.BranchLinkRegister, [ArmRegister register]) => 0xD63F0000 | ((uint)register.Number << 5),
            (ArmOpcode.Return, []) => 0xD65F03C0,
            (ArmOpcode.Return, [ArmRegister register]) => 0xD65F0000 | ((uint)register.Number << 5),
            (ArmOpcode.Move, [ArmRegister register, ArmImmediate { Value: >= 0 and <= 0xFFFF } value]) when instruction.Mnemonic.Name is "MOV" or "MOVZ" =>
                (register.Width == 8 ? 0xD2800000 : 0x52800000u) | ((uint)value.Value << 5) | (uint)register.Number,
            (ArmOpcode.SupervisorCall, [ArmImmediate value]) => 0xD4000001 | ((uint)value.Value << 5),
            (ArmOpcode.Undefined, [ArmImmediate value]) => (uint)value.Value & 0xFFFF,
            (ArmOpcode.ExceptionReturn, _) => 0xD69F03E0,
            _ => null,
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
        ArmPlace Near(int bits, int shift) => new(null, 4 * ((long)(code >> shift & ((1u << bits) - 1)) << (64 - bits) >> (64 - bits)));
        return code switch
        {
            NopCode => Make("NOP"),
            IsbCode => Make("ISB"),
            _ when code >> 26 == 0x05 => Make("B", Near(26, 0)),
            _ when code >> 26 == 0x25 => Make("BL", Near(26, 0)),
            _ when code >> 24 == 0x54 && (code & 16) == 0 => Make("B." + ((ArmCondition)(code & 15)).ToString().ToUpperInvariant(), Near(19, 5)),
            _ when (code & 0x7E000000) == 0x34000000 => Make((code & 0x01000000) != 0 ? "CBNZ" : "CBZ", Low(code >> 31 != 0), Near(19, 5)),
            _ when (code & 0xFFFFFC1F) == 0xD61F0000 => Make("BR", Middle()),
            _ when (code & 0xFFFFFC1F) == 0xD63F0000 => Make("BLR", Middle()),
            _ when (code & 0xFFFFFC1F) == 0xD65F0000 => Make("RET", Middle()),
            _ when (code & 0x7FE00000) == 0x52800000 => Make("MOV", Low(code >> 31 != 0), new ArmImmediate(code >> 5 & 0xFFFF)),
            _ when (code & 0xFFE0001F) == 0xD4000001 => Make("SVC", new ArmImmediate(code >> 5 & 0xFFFF)),
            <= 0xFFFF => Make("UDF", new ArmImmediate(code)),
            0xD69F03E0 => Make("ERET"),
            _ => null,
        };
    }

    private static ArmInstruction Make(string name, params ArmOperand[] operands) => new()
    {
        Mnemonic = ArmMnemonic.Find(name)!,
        Operands = operands,
        Position = default,
        Text = operands.Length == 0 ? name : $"{name} {string.Join(",", operands.Select(Write))}",
    };

    private static string Write(ArmOperand operand) => operand switch
    {
        ArmRegister register => $"{(register.Width == 8 ? 'X' : 'W')}{register.Number}",
        ArmImmediate value => $"#{value.Value.ToString(CultureInfo.InvariantCulture)}",
        ArmPlace place => $".{place.Offset.ToString("+0;-0", CultureInfo.InvariantCulture)}",
        _ => "",
    };
}
