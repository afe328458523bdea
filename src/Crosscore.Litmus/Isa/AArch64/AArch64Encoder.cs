using static Crosscore.Litmus.Isa.AArch64.AArch64Fields;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>
/// Encodes instructions as an assembler does (Arm ARM C4 and C6). An instruction that has no encoding, or more than one
/// of which the manual prefers none, is not encoded.
/// </summary>
internal static class AArch64Encoder
{
    /// <summary>Gets the opcode of an instruction.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="offset">Bytes from it to the place that it names, if it names one.</param>
    /// <returns>The opcode, or <see langword="null"/>.</returns>
    public static uint? Encode(AArch64Instruction instruction, long offset)
    {
        IReadOnlyList<AArch64Operand> operands = instruction.Operands;
        return instruction.Opcode switch
        {
            AArch64Opcode.Nop => Hint(instruction),
            AArch64Opcode.Move or AArch64Opcode.MoveKeep => AArch64DataEncoder.Move(instruction),
            AArch64Opcode.Compute => AArch64DataEncoder.Compute(
                instruction,
                (AArch64Register)operands[0],
                (AArch64Register)operands[1],
                operands[2]
            ),
            AArch64Opcode.Compare => AArch64DataEncoder.Compute(
                instruction,
                new AArch64Register(AArch64Register.Zero, ((AArch64Register)operands[0]).Width),
                (AArch64Register)operands[0],
                operands[1]
            ),
            AArch64Opcode.Select => AArch64DataEncoder.Select(instruction),
            AArch64Opcode.Extend => AArch64DataEncoder.Extend(instruction),
            AArch64Opcode.Address
                when instruction.Mnemonic.Name == "ADR"
                    && operands is [AArch64Register { Width: 8 } to, _]
                    && Fits(offset, 21) => 0x1000_0000
                | ((uint)offset & 3) << 29
                | ((uint)(offset >> 2) & 0x7FFFF) << 5
                | Bits(to),
            AArch64Opcode.Load or AArch64Opcode.Store => AArch64AccessEncoder.Access(instruction),
            AArch64Opcode.LoadPair or AArch64Opcode.StorePair => AArch64AccessEncoder.Pair(instruction),
            AArch64Opcode.StoreExclusive
            or AArch64Opcode.CompareAndSwap
            or AArch64Opcode.Swap
            or AArch64Opcode.LoadAndModify
            or AArch64Opcode.StoreModified => AArch64AccessEncoder.Atomic(instruction),
            AArch64Opcode.Branch or AArch64Opcode.BranchLink when Words(offset, 26) is uint words => (
                instruction.Opcode == AArch64Opcode.Branch ? 0x1400_0000u : 0x9400_0000
            ) | words,
            AArch64Opcode.BranchIf when Words(offset, 19) is uint words => 0x5400_0000
                | words << 5
                | (uint)instruction.Mnemonic.Condition,
            AArch64Opcode.CompareAndBranch
                when Words(offset, 19) is uint words && operands[0] is AArch64Register tested => WideBit(tested)
                | 0x3400_0000
                | (instruction.Mnemonic.Condition == AArch64Condition.Ne ? 0x0100_0000u : 0)
                | words << 5
                | Bits(tested),
            AArch64Opcode.TestAndBranch
                when Words(offset, 14) is uint words
                    && operands is [AArch64Register tested, AArch64Immediate { Value: >= 0 and < 64 } bit, ..]
                    && bit.Value < 8 * tested.Width => 0x3600_0000
                | ((uint)bit.Value >> 5) << 31
                | ((uint)bit.Value & 31) << 19
                | (instruction.Mnemonic.Condition == AArch64Condition.Ne ? 0x0100_0000u : 0)
                | words << 5
                | Bits(tested),
            AArch64Opcode.BranchRegister when operands is [AArch64Register { Width: 8 } to] => 0xD61F_0000
                | Bits(to) << 5,
            AArch64Opcode.BranchLinkRegister when operands is [AArch64Register { Width: 8 } to] => 0xD63F_0000
                | Bits(to) << 5,
            AArch64Opcode.Return => 0xD65F_0000 | (operands is [AArch64Register to] ? Bits(to) : 30) << 5,
            AArch64Opcode.Barrier => Barrier(instruction),
            AArch64Opcode.CleanCode or AArch64Opcode.InvalidateCode or AArch64Opcode.InvalidateTranslation =>
                Maintenance(operands),
            AArch64Opcode.ReadSystem when operands is [AArch64Register { Width: 8 } to, AArch64Word from] => (
                from.Text == "ELR_EL1" ? 0xD538_4020 : 0xD53B_0020
            ) | Bits(to),
            AArch64Opcode.WriteSystem when operands is [_, AArch64Register { Width: 8 } from] => 0xD518_4020
                | Bits(from),
            AArch64Opcode.SupervisorCall when operands is [AArch64Immediate { Value: >= 0 and <= 0xFFFF } value] =>
                0xD400_0001 | (uint)value.Value << 5,
            AArch64Opcode.Undefined when operands is [AArch64Immediate { Value: >= 0 and <= 0xFFFF } value] => (uint)
                value.Value,
            AArch64Opcode.ExceptionReturn => 0xD69F_03E0,
            _ => null,
        };
    }

    private static uint? Hint(AArch64Instruction instruction) =>
        instruction.Mnemonic.Name switch
        {
            "NOP" => 0xD503_201F,
            "YIELD" => 0xD503_203F,
            "WFE" => 0xD503_205F,
            "WFI" => 0xD503_207F,
            "SEV" => 0xD503_209F,
            "SEVL" => 0xD503_20BF,
            "BTI" when instruction.Operands.Count == 0 => 0xD503_241F,
            "DMB" or "DSB" => Barrier(instruction),
            _ => null,
        };

    private static uint? Barrier(AArch64Instruction instruction)
    {
        if (instruction.Mnemonic.Name == "ISB")
        {
            return 0xD503_3FDF;
        }

        string domain = instruction.Operands is [AArch64Word word] ? word.Text : "";
        uint shareability =
            domain.StartsWith("ISH", StringComparison.Ordinal) ? 2u
            : domain.StartsWith("NSH", StringComparison.Ordinal) ? 1u
            : domain.StartsWith("OSH", StringComparison.Ordinal) ? 0u
            : 3u;
        uint kind =
            domain.EndsWith("LD", StringComparison.Ordinal) ? 1u
            : domain.EndsWith("ST", StringComparison.Ordinal) ? 2u
            : 3u;
        return (instruction.Mnemonic.Name == "DMB" ? 0xD503_30BF : 0xD503_309F) | (shareability << 2 | kind) << 8;
    }

    private static uint? Maintenance(IReadOnlyList<AArch64Operand> operands)
    {
        string what = ((AArch64Word)operands[0]).Text;
        uint register = operands is [_, AArch64Register named] ? Bits(named) : AArch64Register.Zero;
        uint? whole = what switch
        {
            "CVAU" => 0xD50B_7B20,
            "CIVAC" => 0xD50B_7E20,
            "CVAC" => 0xD50B_7A20,
            "IVAU" => 0xD50B_7520,
            "IALLU" => 0xD508_7500,
            "IALLUIS" => 0xD508_7100,
            _ => null,
        };
        if (whole is not null)
        {
            return whole | register;
        }

        uint domain =
            what.EndsWith("IS", StringComparison.Ordinal) ? 0x300u
            : what.EndsWith("OS", StringComparison.Ordinal) ? 0x100u
            : 0x700u;
        uint? kind = (domain == 0x700 ? what : what[..^2]) switch
        {
            "VMALLE1" => 0x00,
            "VAE1" => 0x20,
            "ASIDE1" => 0x40,
            "VAAE1" => 0x60,
            "VALE1" => 0xA0,
            "VAALE1" => 0xE0,
            _ => null,
        };
        return kind is null ? null : 0xD508_8000 | domain | kind | register;
    }
}
