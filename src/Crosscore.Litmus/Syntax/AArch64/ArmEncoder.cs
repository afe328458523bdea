using System.Numerics;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Syntax.AArch64;

/// <summary>
/// Encodes instructions as an assembler does (Arm ARM C4 and C6). An instruction that has no encoding, or more than one
/// of which the manual prefers none, is not encoded.
/// </summary>
internal static class ArmEncoder
{
    private const uint Wide = 0x8000_0000;

    /// <summary>The opcode of an instruction.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="offset">Bytes from it to the place that it names, if it names one.</param>
    /// <returns>The opcode, or <see langword="null"/>.</returns>
    public static uint? Encode(ArmInstruction instruction, long offset)
    {
        IReadOnlyList<ArmOperand> operands = instruction.Operands;
        return instruction.Opcode switch
        {
            ArmOpcode.Nop => Hint(instruction),
            ArmOpcode.Move or ArmOpcode.MoveKeep => Move(instruction),
            ArmOpcode.Compute => Compute(instruction, (ArmRegister)operands[0], (ArmRegister)operands[1], operands[2]),
            ArmOpcode.Compare => Compute(
                instruction,
                new ArmRegister(ArmRegister.Zero, ((ArmRegister)operands[0]).Width),
                (ArmRegister)operands[0],
                operands[1]
            ),
            ArmOpcode.Select => Select(instruction),
            ArmOpcode.Extend => Extend(instruction),
            ArmOpcode.Address
                when instruction.Mnemonic.Name == "ADR"
                    && operands is [ArmRegister { Width: 8 } to, _]
                    && Fits(offset, 21) => 0x1000_0000
                | ((uint)offset & 3) << 29
                | ((uint)(offset >> 2) & 0x7FFFF) << 5
                | Bits(to),
            ArmOpcode.Load or ArmOpcode.Store => Access(instruction),
            ArmOpcode.LoadPair or ArmOpcode.StorePair => Pair(instruction),
            ArmOpcode.StoreExclusive
            or ArmOpcode.CompareAndSwap
            or ArmOpcode.Swap
            or ArmOpcode.LoadAndModify
            or ArmOpcode.StoreModified => Atomic(instruction),
            ArmOpcode.Branch or ArmOpcode.BranchLink when Words(offset, 26) is uint words => (
                instruction.Opcode == ArmOpcode.Branch ? 0x1400_0000u : 0x9400_0000
            ) | words,
            ArmOpcode.BranchIf when Words(offset, 19) is uint words => 0x5400_0000
                | words << 5
                | (uint)instruction.Mnemonic.Condition,
            ArmOpcode.CompareAndBranch when Words(offset, 19) is uint words && operands[0] is ArmRegister tested =>
                WideBit(tested)
                    | 0x3400_0000
                    | (instruction.Mnemonic.Condition == ArmCondition.Ne ? 0x0100_0000u : 0)
                    | words << 5
                    | Bits(tested),
            ArmOpcode.TestAndBranch
                when Words(offset, 14) is uint words
                    && operands is [ArmRegister tested, ArmImmediate { Value: >= 0 and < 64 } bit, ..]
                    && bit.Value < 8 * tested.Width => 0x3600_0000
                | ((uint)bit.Value >> 5) << 31
                | ((uint)bit.Value & 31) << 19
                | (instruction.Mnemonic.Condition == ArmCondition.Ne ? 0x0100_0000u : 0)
                | words << 5
                | Bits(tested),
            ArmOpcode.BranchRegister when operands is [ArmRegister { Width: 8 } to] => 0xD61F_0000 | Bits(to) << 5,
            ArmOpcode.BranchLinkRegister when operands is [ArmRegister { Width: 8 } to] => 0xD63F_0000 | Bits(to) << 5,
            ArmOpcode.Return => 0xD65F_0000 | (operands is [ArmRegister to] ? Bits(to) : 30) << 5,
            ArmOpcode.Barrier => Barrier(instruction),
            ArmOpcode.CleanCode or ArmOpcode.InvalidateCode or ArmOpcode.InvalidateTranslation => Maintenance(operands),
            ArmOpcode.ReadSystem when operands is [ArmRegister { Width: 8 } to, ArmWord from] => (
                from.Text == "ELR_EL1" ? 0xD538_4020 : 0xD53B_0020
            ) | Bits(to),
            ArmOpcode.WriteSystem when operands is [_, ArmRegister { Width: 8 } from] => 0xD518_4020 | Bits(from),
            ArmOpcode.SupervisorCall when operands is [ArmImmediate { Value: >= 0 and <= 0xFFFF } value] => 0xD400_0001
                | (uint)value.Value << 5,
            ArmOpcode.Undefined when operands is [ArmImmediate { Value: >= 0 and <= 0xFFFF } value] => (uint)
                value.Value,
            ArmOpcode.ExceptionReturn => 0xD69F_03E0,
            _ => null,
        };
    }

    private static uint Bits(ArmRegister register) => (uint)register.Number;

    private static uint WideBit(ArmRegister register) => register.Width == 8 ? Wide : 0;

    private static bool Fits(long value, int bits) => value >= -(1L << (bits - 1)) && value < 1L << (bits - 1);

    private static uint? Words(long offset, int bits) =>
        offset % 4 == 0 && Fits(offset / 4, bits) ? (uint)(offset / 4) & ((1u << bits) - 1) : null;

    private static (string Kind, uint Amount)? ShiftOf(IReadOnlyList<ArmOperand> operands) =>
        operands[^1] is ArmWord word && word.Text.Split(' ') is [string kind, string amount]
            ? (kind, uint.Parse(amount, System.Globalization.CultureInfo.InvariantCulture))
            : null;

    private static uint? Hint(ArmInstruction instruction) =>
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

    private static uint? Barrier(ArmInstruction instruction)
    {
        if (instruction.Mnemonic.Name == "ISB")
        {
            return 0xD503_3FDF;
        }

        string domain = instruction.Operands is [ArmWord word] ? word.Text : "";
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

    private static uint? Maintenance(IReadOnlyList<ArmOperand> operands)
    {
        string what = ((ArmWord)operands[0]).Text;
        uint register = operands is [_, ArmRegister named] ? Bits(named) : ArmRegister.Zero;
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

    private static uint? Move(ArmInstruction instruction)
    {
        IReadOnlyList<ArmOperand> operands = instruction.Operands;
        var to = (ArmRegister)operands[0];
        (string Kind, uint Amount)? shift = ShiftOf(operands);
        string name = instruction.Mnemonic.Name;
        if (operands[1] is ArmRegister from)
        {
            return name == "MOV" && shift is null && from.Width == to.Width
                    ? WideBit(to) | 0x2A00_03E0 | Bits(from) << 16 | Bits(to)
                : name is "MVN" or "NEG"
                && from.Width == to.Width
                && ShiftedRegister(from, shift, to, name == "NEG") is uint shifted
                    ? WideBit(to) | (name == "NEG" ? 0x4B00_03E0u : 0x2A20_03E0u) | shifted | Bits(to)
                : null;
        }

        var constant = (ArmImmediate)operands[1];
        if (name is "MOVZ" or "MOVN" or "MOVK")
        {
            uint amount = shift?.Amount ?? 0;
            uint opcode = name switch
            {
                "MOVN" => 0x1280_0000,
                "MOVZ" => 0x5280_0000,
                _ => 0x7280_0000,
            };
            return
                constant.Value is >= 0 and <= 0xFFFF
                && shift is null or { Kind: "LSL" }
                && amount % 16 == 0
                && amount < 8 * to.Width
                ? WideBit(to) | opcode | amount / 16 << 21 | (uint)constant.Value << 5 | Bits(to)
                : null;
        }

        return name == "MOV" && shift is null ? MoveConstant(to, constant.Value) : null;
    }

    // MOVZ, else MOVN, else ORR with the zero register, as the manual prefers them.
    private static uint? MoveConstant(ArmRegister to, long value)
    {
        ulong bits = DataType.Truncate((ulong)value, to.Width);
        foreach (
            (uint opcode, ulong number) in ((uint, ulong)[])
                [(0x5280_0000, bits), (0x1280_0000, DataType.Truncate(~bits, to.Width))]
        )
        {
            for (int half = 0; half < to.Width / 2; half++)
            {
                if ((number & ~(0xFFFFUL << (16 * half))) == 0)
                {
                    return WideBit(to) | opcode | (uint)half << 21 | (uint)(number >> (16 * half)) << 5 | Bits(to);
                }
            }
        }

        return Bitmask(bits, to.Width) is uint mask ? WideBit(to) | 0x3200_03E0 | mask | Bits(to) : null;
    }

    private static uint? ShiftedRegister(
        ArmRegister operand,
        (string Kind, uint Amount)? shift,
        ArmRegister whole,
        bool isSum
    )
    {
        uint kind = shift?.Kind switch
        {
            null or "LSL" => 0,
            "LSR" => 1,
            "ASR" => 2,
            "ROR" when !isSum => 3,
            _ => uint.MaxValue,
        };
        return kind == uint.MaxValue || shift?.Amount >= 8 * whole.Width || operand.Width != whole.Width
            ? null
            : kind << 22 | Bits(operand) << 16 | (shift?.Amount ?? 0) << 10;
    }

    private static uint? Compute(ArmInstruction instruction, ArmRegister to, ArmRegister left, ArmOperand right)
    {
        ArmFunction function = instruction.Mnemonic.Function;
        (string Kind, uint Amount)? shift = ShiftOf(instruction.Operands);
        if (left.Width != to.Width)
        {
            return null;
        }

        uint registers = WideBit(to) | Bits(left) << 5 | Bits(to);
        return function switch
        {
            ArmFunction.Add or ArmFunction.Sub => Sum(
                function == ArmFunction.Sub,
                instruction.Mnemonic.SetsFlags,
                to,
                left,
                right,
                shift
            )
                is uint sum
                ? registers | sum
                : null,
            ArmFunction.Lsl or ArmFunction.Lsr or ArmFunction.Asr or ArmFunction.Ror when shift is null => Shift(
                function,
                to,
                left,
                right
            )
                is uint shifted
                ? registers | shifted
                : null,
            ArmFunction.Mul when right is ArmRegister factor && factor.Width == to.Width && shift is null => registers
                | 0x1B00_7C00
                | Bits(factor) << 16,
            ArmFunction.And
            or ArmFunction.Orr
            or ArmFunction.Eor
            or ArmFunction.Bic
            or ArmFunction.Orn
            or ArmFunction.Eon => Logical(function, instruction.Mnemonic.SetsFlags, to, right, shift) is uint logical
                ? registers | logical
                : null,
            _ => null,
        };
    }

    private static uint? Sum(
        bool subtracts,
        bool setsFlags,
        ArmRegister to,
        ArmRegister left,
        ArmOperand right,
        (string Kind, uint Amount)? shift
    )
    {
        uint flags = setsFlags ? 0x2000_0000u : 0;
        uint Operation(bool minus) => minus ? 0x4000_0000u : 0;
        if (right is ArmImmediate constant)
        {
            // Number 31 is the stack pointer here, but for the result of a comparison.
            bool minus = subtracts ^ constant.Value < 0;
            ulong value = (ulong)Math.Abs(constant.Value);
            bool high = shift is null && value > 0xFFF && (value & 0xFFF) == 0;
            uint amount = high ? 12 : shift?.Amount ?? 0;
            value = high ? value >> 12 : value;
            return
                left.IsZero
                || (to.IsZero && !setsFlags)
                || value > 0xFFF
                || amount is not (0 or 12)
                || shift is { Kind: not "LSL" }
                ? null
                : 0x1100_0000 | Operation(minus) | flags | (amount == 12 ? 1u << 22 : 0) | (uint)value << 10;
        }

        var operand = (ArmRegister)right;
        if (shift is { Kind: var kind, Amount: var by } && kind[1] == 'X')
        {
            int from = "BHWX".IndexOf(kind[3]);
            uint option = (uint)from | (kind[0] == 'S' ? 4u : 0);
            return left.IsZero || (to.IsZero && !setsFlags) || by > 4 || operand.Width != (from == 3 ? 8 : 4)
                ? null
                : 0x0B20_0000 | Operation(subtracts) | flags | Bits(operand) << 16 | option << 13 | by << 10;
        }

        return ShiftedRegister(operand, shift, to, isSum: true) is uint shifted
            ? 0x0B00_0000 | Operation(subtracts) | flags | shifted
            : null;
    }

    private static uint? Logical(
        ArmFunction function,
        bool setsFlags,
        ArmRegister to,
        ArmOperand right,
        (string Kind, uint Amount)? shift
    )
    {
        bool inverts = function is ArmFunction.Bic or ArmFunction.Orn or ArmFunction.Eon;
        uint operation = setsFlags
            ? 0x6000_0000
            : function switch
            {
                ArmFunction.And or ArmFunction.Bic => 0u,
                ArmFunction.Orr or ArmFunction.Orn => 0x2000_0000,
                _ => 0x4000_0000,
            };
        if (right is ArmImmediate constant)
        {
            ulong value = DataType.Truncate(inverts ? ~(ulong)constant.Value : (ulong)constant.Value, to.Width);
            return shift is null && (!to.IsZero || setsFlags) && Bitmask(value, to.Width) is uint mask
                ? 0x1200_0000 | operation | mask
                : null;
        }

        return ShiftedRegister((ArmRegister)right, shift, to, isSum: false) is uint shifted
            ? 0x0A00_0000 | operation | (inverts ? 0x0020_0000u : 0) | shifted
            : null;
    }

    private static uint? Shift(ArmFunction function, ArmRegister to, ArmRegister left, ArmOperand right)
    {
        if (right is ArmRegister by)
        {
            return by.Width == to.Width
                ? 0x1AC0_2000 | (uint)(function - ArmFunction.Lsl) << 10 | Bits(by) << 16
                : null;
        }

        uint bits = 8 * (uint)to.Width;
        long amount = ((ArmImmediate)right).Value;
        if (amount < 0 || amount >= bits)
        {
            return null;
        }

        uint field = to.Width == 8 ? 1u << 22 : 0;
        uint n = (uint)amount;
        return function switch
        {
            ArmFunction.Lsl => 0x5300_0000 | field | (bits - n) % bits << 16 | (bits - 1 - n) << 10,
            ArmFunction.Lsr => 0x5300_0000 | field | n << 16 | (bits - 1) << 10,
            ArmFunction.Asr => 0x1300_0000 | field | n << 16 | (bits - 1) << 10,
            _ => 0x1380_0000 | field | Bits(left) << 16 | n << 10,
        };
    }

    private static uint? Select(ArmInstruction instruction)
    {
        IReadOnlyList<ArmOperand> operands = instruction.Operands;
        var to = (ArmRegister)operands[0];
        var condition = (uint)ArmMnemonic.FindCondition(((ArmWord)operands[^1]).Text)!.Value;
        string name = instruction.Mnemonic.Name;
        ArmRegister zero = new(ArmRegister.Zero, to.Width);
        ArmRegister then = operands.Count > 2 ? (ArmRegister)operands[1] : zero;
        ArmRegister otherwise = operands.Count > 3 ? (ArmRegister)operands[2] : then;

        // CSET and its kind are other names with the condition turned round, which AL and NV do not have.
        bool turned = operands.Count < 4;
        uint opcode = name switch
        {
            "CSEL" => 0x1A80_0000,
            "CSINC" or "CSET" or "CINC" => 0x1A80_0400,
            "CSINV" or "CSETM" or "CINV" => 0x5A80_0000,
            _ => 0x5A80_0400,
        };
        return
            (turned && condition >= 14)
            || then.Width != to.Width
            || otherwise.Width != to.Width
            || (operands.Count == 3 && then.IsZero)
            ? null
            : WideBit(to)
                | opcode
                | Bits(otherwise) << 16
                | (turned ? condition ^ 1 : condition) << 12
                | Bits(then) << 5
                | Bits(to);
    }

    private static uint? Extend(ArmInstruction instruction)
    {
        var to = (ArmRegister)instruction.Operands[0];
        var from = (ArmRegister)instruction.Operands[1];
        uint last = (uint)(8 * instruction.Mnemonic.AccessWidth) - 1;
        bool signed = instruction.Mnemonic.IsSigned;
        return from.Width != 4 || (signed ? last == 31 && to.Width == 4 : to.Width == 8 || last == 31)
            ? null
            : WideBit(to)
                | (to.Width == 8 ? 1u << 22 : 0)
                | (signed ? 0x1300_0000u : 0x5300_0000)
                | last << 10
                | Bits(from) << 5
                | Bits(to);
    }

    private static uint Size(int width) => (uint)BitOperations.Log2((uint)width) << 30;

    private static uint? Access(ArmInstruction instruction)
    {
        ArmMnemonic mnemonic = instruction.Mnemonic;
        var data = (ArmRegister)instruction.Operands[0];
        var memory = (ArmMemory)instruction.Operands[1];
        int width = mnemonic.AccessWidth != 0 ? mnemonic.AccessWidth : data.Width;
        bool loads = mnemonic.Opcode == ArmOpcode.Load;
        uint common = Size(width) | Bits(memory.Base) << 5 | Bits(data);
        long offset = memory.Offset is ArmImmediate constant ? constant.Value : 0;
        uint imm9 = ((uint)offset & 0x1FF) << 12;
        bool isNear = Fits(offset, 9);
        string name = mnemonic.Name.TrimEnd('B', 'H');
        uint? ordered = name switch
        {
            "LDAR" => 0x08DF_FC00,
            "LDAPR" => 0x38BF_C000,
            "STLR" => 0x089F_FC00,
            "LDXR" => 0x085F_7C00,
            "LDAXR" => 0x085F_FC00,
            _ => null,
        };
        if (data.Width == 8 && mnemonic.AccessWidth != 0 && !mnemonic.IsSigned)
        {
            return null;
        }

        if (ordered is not null)
        {
            return memory is { Indexing: ArmIndexing.None, Offset: null or ArmImmediate { Value: 0 } }
                ? common | ordered
                : null;
        }

        if (name is "LDAPUR" or "STLUR")
        {
            return memory is { Indexing: ArmIndexing.None, Offset: null or ArmImmediate } && isNear
                ? common | (loads ? 0x1940_0000u : 0x1900_0000) | imm9
                : null;
        }

        uint kind =
            !loads ? 0u
            : !mnemonic.IsSigned ? 1u
            : data.Width == 8 ? 2u
            : 3u;
        if (kind == 3 && width == 4)
        {
            return null;
        }

        common |= 0x3800_0000 | kind << 22;
        if (memory.Offset is ArmRegister index)
        {
            string extension = index.Shift?.Kind ?? "LSL";
            uint amount = (uint)(index.Shift?.Amount ?? 0);
            uint option = extension switch
            {
                "UXTW" => 2,
                "SXTW" => 6,
                "SXTX" => 7,
                _ => 3,
            };
            return
                memory.Indexing != ArmIndexing.None
                || index.Width != ((option & 1) == 0 ? 4 : 8)
                || (amount != 0 && amount != BitOperations.Log2((uint)width))
                || mnemonic.Name.Contains("UR", StringComparison.Ordinal)
                ? null
                : common | 0x0020_0800 | Bits(index) << 16 | option << 13 | (amount != 0 ? 1u << 12 : 0);
        }

        return memory.Indexing != ArmIndexing.None
            ? isNear
                ? common | (memory.Indexing == ArmIndexing.Before ? 0xC00u : 0x400) | imm9
                : null
            : !mnemonic.Name.Contains("UR", StringComparison.Ordinal)
            && offset >= 0
            && offset % width == 0
            && offset / width <= 0xFFF
                ? common | 0x0100_0000 | (uint)(offset / width) << 10
                : isNear
                    ? common | imm9
                    : null;
    }

    private static uint? Pair(ArmInstruction instruction)
    {
        var first = (ArmRegister)instruction.Operands[0];
        var second = (ArmRegister)instruction.Operands[1];
        var memory = (ArmMemory)instruction.Operands[2];
        string name = instruction.Mnemonic.Name;
        bool sign = name == "LDPSW";
        int width = sign ? 4 : first.Width;
        long offset = memory.Offset is ArmImmediate constant ? constant.Value : 0;
        bool hinted = name is "LDNP" or "STNP";
        uint mode = memory.Indexing switch
        {
            ArmIndexing.After => 0x2880_0000,
            ArmIndexing.Before => 0x2980_0000,
            _ => hinted ? 0x2800_0000u : 0x2900_0000,
        };
        return
            name is "LDIAPP" or "STILP"
            || memory.Offset is ArmRegister
            || offset % width != 0
            || !Fits(offset / width, 7)
            || (hinted && memory.Indexing != ArmIndexing.None)
            || (sign && first.Width != 8)
            ? null
            : mode
                | (sign ? 0x4000_0000u : WideBit(first))
                | (instruction.Opcode == ArmOpcode.LoadPair ? 0x0040_0000u : 0)
                | ((uint)(offset / width) & 0x7F) << 15
                | Bits(second) << 10
                | Bits(memory.Base) << 5
                | Bits(first);
    }

    private static uint? Atomic(ArmInstruction instruction)
    {
        ArmMnemonic mnemonic = instruction.Mnemonic;
        IReadOnlyList<ArmOperand> operands = instruction.Operands;
        var memory = (ArmMemory)operands[^1];
        var first = (ArmRegister)operands[0];
        ArmRegister second =
            operands.Count > 2 ? (ArmRegister)operands[1] : new ArmRegister(ArmRegister.Zero, first.Width);
        int width = mnemonic.AccessWidth != 0 ? mnemonic.AccessWidth : second.Width;
        uint common = Size(width) | Bits(first) << 16 | Bits(memory.Base) << 5 | Bits(second);
        bool acquires = (mnemonic.LoadOrder & AccessOrder.Acquire) != 0;
        bool releases = (mnemonic.StoreOrder & AccessOrder.Release) != 0;
        if (instruction.Opcode == ArmOpcode.StoreExclusive)
        {
            return first.Width != 4 || (second.Width == 8 && mnemonic.AccessWidth != 0)
                ? null
                : common | 0x0800_7C00 | (releases ? 0x8000u : 0);
        }

        if (first.Width != second.Width || (first.Width == 8 && mnemonic.AccessWidth != 0))
        {
            return null;
        }

        if (instruction.Opcode == ArmOpcode.CompareAndSwap)
        {
            return common | 0x08A0_7C00 | (acquires ? 0x0040_0000u : 0) | (releases ? 0x8000u : 0);
        }

        uint operation =
            instruction.Opcode == ArmOpcode.Swap
                ? 0x8000u
                : mnemonic.Function switch
                {
                    ArmFunction.Add => 0u,
                    ArmFunction.Clr => 1u,
                    ArmFunction.Eor => 2u,
                    ArmFunction.Set => 3u,
                    ArmFunction.Smax => 4u,
                    ArmFunction.Smin => 5u,
                    ArmFunction.Umax => 6u,
                    _ => 7u,
                } << 12;
        return common | 0x3820_0000 | operation | (acquires ? 0x0080_0000u : 0) | (releases ? 0x0040_0000u : 0);
    }

    // A logical constant is a run of ones, rotated within an element that repeats (Arm ARM, DecodeBitMasks): N, immr
    // and imms at their place.
    private static uint? Bitmask(ulong value, int width)
    {
        int bits = 8 * width;
        ulong all = width == 8 ? ulong.MaxValue : (1UL << bits) - 1;
        if (value == 0 || value == all)
        {
            return null;
        }

        int size = bits;
        while (
            size > 2
            && (value & ((1UL << (size / 2)) - 1)) == (value >> (size / 2) & ((1UL << (size / 2)) - 1))
            && Repeats(value, size / 2, bits)
        )
        {
            size /= 2;
        }

        ulong mask = size == 64 ? ulong.MaxValue : (1UL << size) - 1;
        ulong element = value & mask;
        int ones = BitOperations.PopCount(element);
        for (int rotation = 0; rotation < size; rotation++)
        {
            ulong run = (1UL << ones) - 1;
            ulong rotated = rotation == 0 ? run : (run >> rotation | run << (size - rotation)) & mask;
            if (rotated == element)
            {
                uint imms = (uint)(~(2 * size - 1) & 0x3F | (ones - 1));
                return (size == 64 ? 1u << 22 : 0) | (uint)rotation << 16 | (imms & 0x3F) << 10;
            }
        }

        return null;
    }

    private static bool Repeats(ulong value, int size, int bits)
    {
        ulong mask = (1UL << size) - 1;
        for (int at = size; at < bits; at += size)
        {
            if ((value >> at & mask) != (value & mask))
            {
                return false;
            }
        }

        return true;
    }
}
