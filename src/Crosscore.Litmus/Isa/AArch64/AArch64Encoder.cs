using System.Numerics;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>
/// Encodes instructions as an assembler does (Arm ARM C4 and C6). An instruction that has no encoding, or more than one
/// of which the manual prefers none, is not encoded.
/// </summary>
internal static class AArch64Encoder
{
    private const uint Wide = 0x8000_0000;

    /// <summary>The opcode of an instruction.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="offset">Bytes from it to the place that it names, if it names one.</param>
    /// <returns>The opcode, or <see langword="null"/>.</returns>
    public static uint? Encode(AArch64Instruction instruction, long offset)
    {
        IReadOnlyList<AArch64Operand> operands = instruction.Operands;
        return instruction.Opcode switch
        {
            AArch64Opcode.Nop => Hint(instruction),
            AArch64Opcode.Move or AArch64Opcode.MoveKeep => Move(instruction),
            AArch64Opcode.Compute => Compute(
                instruction,
                (AArch64Register)operands[0],
                (AArch64Register)operands[1],
                operands[2]
            ),
            AArch64Opcode.Compare => Compute(
                instruction,
                new AArch64Register(AArch64Register.Zero, ((AArch64Register)operands[0]).Width),
                (AArch64Register)operands[0],
                operands[1]
            ),
            AArch64Opcode.Select => Select(instruction),
            AArch64Opcode.Extend => Extend(instruction),
            AArch64Opcode.Address
                when instruction.Mnemonic.Name == "ADR"
                    && operands is [AArch64Register { Width: 8 } to, _]
                    && Fits(offset, 21) => 0x1000_0000
                | ((uint)offset & 3) << 29
                | ((uint)(offset >> 2) & 0x7FFFF) << 5
                | Bits(to),
            AArch64Opcode.Load or AArch64Opcode.Store => Access(instruction),
            AArch64Opcode.LoadPair or AArch64Opcode.StorePair => Pair(instruction),
            AArch64Opcode.StoreExclusive
            or AArch64Opcode.CompareAndSwap
            or AArch64Opcode.Swap
            or AArch64Opcode.LoadAndModify
            or AArch64Opcode.StoreModified => Atomic(instruction),
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

    private static uint Bits(AArch64Register register) => (uint)register.Number;

    private static uint WideBit(AArch64Register register) => register.Width == 8 ? Wide : 0;

    private static bool Fits(long value, int bits) => value >= -(1L << (bits - 1)) && value < 1L << (bits - 1);

    private static uint? Words(long offset, int bits) =>
        offset % 4 == 0 && Fits(offset / 4, bits) ? (uint)(offset / 4) & ((1u << bits) - 1) : null;

    private static (string Kind, uint Amount)? ShiftOf(IReadOnlyList<AArch64Operand> operands) =>
        operands[^1] is AArch64Word word && word.Text.Split(' ') is [string kind, string amount]
            ? (kind, uint.Parse(amount, System.Globalization.CultureInfo.InvariantCulture))
            : null;

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

    private static uint? Move(AArch64Instruction instruction)
    {
        IReadOnlyList<AArch64Operand> operands = instruction.Operands;
        var to = (AArch64Register)operands[0];
        (string Kind, uint Amount)? shift = ShiftOf(operands);
        string name = instruction.Mnemonic.Name;
        if (operands[1] is AArch64Register from)
        {
            return name == "MOV" && shift is null && from.Width == to.Width
                    ? WideBit(to) | 0x2A00_03E0 | Bits(from) << 16 | Bits(to)
                : name is "MVN" or "NEG"
                && from.Width == to.Width
                && ShiftedRegister(from, shift, to, name == "NEG") is uint shifted
                    ? WideBit(to) | (name == "NEG" ? 0x4B00_03E0u : 0x2A20_03E0u) | shifted | Bits(to)
                : null;
        }

        var constant = (AArch64Immediate)operands[1];
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
    private static uint? MoveConstant(AArch64Register to, long value)
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
        AArch64Register operand,
        (string Kind, uint Amount)? shift,
        AArch64Register whole,
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

    private static uint? Compute(
        AArch64Instruction instruction,
        AArch64Register to,
        AArch64Register left,
        AArch64Operand right
    )
    {
        AArch64Function function = instruction.Mnemonic.Function;
        (string Kind, uint Amount)? shift = ShiftOf(instruction.Operands);
        if (left.Width != to.Width)
        {
            return null;
        }

        uint registers = WideBit(to) | Bits(left) << 5 | Bits(to);
        return function switch
        {
            AArch64Function.Add or AArch64Function.Sub => Sum(
                function == AArch64Function.Sub,
                instruction.Mnemonic.SetsFlags,
                to,
                left,
                right,
                shift
            )
                is uint sum
                ? registers | sum
                : null,
            AArch64Function.Lsl
            or AArch64Function.Lsr
            or AArch64Function.Asr
            or AArch64Function.Ror when shift is null => Shift(function, to, left, right) is uint shifted
                ? registers | shifted
                : null,
            AArch64Function.Mul when right is AArch64Register factor && factor.Width == to.Width && shift is null =>
                registers | 0x1B00_7C00 | Bits(factor) << 16,
            AArch64Function.And
            or AArch64Function.Orr
            or AArch64Function.Eor
            or AArch64Function.Bic
            or AArch64Function.Orn
            or AArch64Function.Eon => Logical(function, instruction.Mnemonic.SetsFlags, to, right, shift)
                is uint logical
                ? registers | logical
                : null,
            _ => null,
        };
    }

    private static uint? Sum(
        bool subtracts,
        bool setsFlags,
        AArch64Register to,
        AArch64Register left,
        AArch64Operand right,
        (string Kind, uint Amount)? shift
    )
    {
        uint flags = setsFlags ? 0x2000_0000u : 0;
        uint Operation(bool minus) => minus ? 0x4000_0000u : 0;
        if (right is AArch64Immediate constant)
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

        var operand = (AArch64Register)right;
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
        AArch64Function function,
        bool setsFlags,
        AArch64Register to,
        AArch64Operand right,
        (string Kind, uint Amount)? shift
    )
    {
        bool inverts = function is AArch64Function.Bic or AArch64Function.Orn or AArch64Function.Eon;
        uint operation = setsFlags
            ? 0x6000_0000
            : function switch
            {
                AArch64Function.And or AArch64Function.Bic => 0u,
                AArch64Function.Orr or AArch64Function.Orn => 0x2000_0000,
                _ => 0x4000_0000,
            };
        if (right is AArch64Immediate constant)
        {
            ulong value = DataType.Truncate(inverts ? ~(ulong)constant.Value : (ulong)constant.Value, to.Width);
            return shift is null && (!to.IsZero || setsFlags) && Bitmask(value, to.Width) is uint mask
                ? 0x1200_0000 | operation | mask
                : null;
        }

        return ShiftedRegister((AArch64Register)right, shift, to, isSum: false) is uint shifted
            ? 0x0A00_0000 | operation | (inverts ? 0x0020_0000u : 0) | shifted
            : null;
    }

    private static uint? Shift(AArch64Function function, AArch64Register to, AArch64Register left, AArch64Operand right)
    {
        if (right is AArch64Register by)
        {
            return by.Width == to.Width
                ? 0x1AC0_2000 | (uint)(function - AArch64Function.Lsl) << 10 | Bits(by) << 16
                : null;
        }

        uint bits = 8 * (uint)to.Width;
        long amount = ((AArch64Immediate)right).Value;
        if (amount < 0 || amount >= bits)
        {
            return null;
        }

        uint field = to.Width == 8 ? 1u << 22 : 0;
        uint n = (uint)amount;
        return function switch
        {
            AArch64Function.Lsl => 0x5300_0000 | field | (bits - n) % bits << 16 | (bits - 1 - n) << 10,
            AArch64Function.Lsr => 0x5300_0000 | field | n << 16 | (bits - 1) << 10,
            AArch64Function.Asr => 0x1300_0000 | field | n << 16 | (bits - 1) << 10,
            _ => 0x1380_0000 | field | Bits(left) << 16 | n << 10,
        };
    }

    private static uint? Select(AArch64Instruction instruction)
    {
        IReadOnlyList<AArch64Operand> operands = instruction.Operands;
        var to = (AArch64Register)operands[0];
        var condition = (uint)AArch64Mnemonic.FindCondition(((AArch64Word)operands[^1]).Text)!.Value;
        string name = instruction.Mnemonic.Name;
        AArch64Register zero = new(AArch64Register.Zero, to.Width);
        AArch64Register then = operands.Count > 2 ? (AArch64Register)operands[1] : zero;
        AArch64Register otherwise = operands.Count > 3 ? (AArch64Register)operands[2] : then;

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

    private static uint? Extend(AArch64Instruction instruction)
    {
        var to = (AArch64Register)instruction.Operands[0];
        var from = (AArch64Register)instruction.Operands[1];
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

    private static uint? Access(AArch64Instruction instruction)
    {
        AArch64Mnemonic mnemonic = instruction.Mnemonic;
        var data = (AArch64Register)instruction.Operands[0];
        var memory = (AArch64Memory)instruction.Operands[1];
        int width = mnemonic.AccessWidth != 0 ? mnemonic.AccessWidth : data.Width;
        bool loads = mnemonic.Opcode == AArch64Opcode.Load;
        uint common = Size(width) | Bits(memory.Base) << 5 | Bits(data);
        long offset = memory.Offset is AArch64Immediate constant ? constant.Value : 0;
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
            return memory is { Indexing: AArch64Indexing.None, Offset: null or AArch64Immediate { Value: 0 } }
                ? common | ordered
                : null;
        }

        if (name is "LDAPUR" or "STLUR")
        {
            return memory is { Indexing: AArch64Indexing.None, Offset: null or AArch64Immediate } && isNear
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
        if (memory.Offset is AArch64Register index)
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
                memory.Indexing != AArch64Indexing.None
                || index.Width != ((option & 1) == 0 ? 4 : 8)
                || (amount != 0 && amount != BitOperations.Log2((uint)width))
                || mnemonic.Name.Contains("UR", StringComparison.Ordinal)
                ? null
                : common | 0x0020_0800 | Bits(index) << 16 | option << 13 | (amount != 0 ? 1u << 12 : 0);
        }

        return memory.Indexing != AArch64Indexing.None
            ? isNear
                ? common | (memory.Indexing == AArch64Indexing.Before ? 0xC00u : 0x400) | imm9
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

    private static uint? Pair(AArch64Instruction instruction)
    {
        var first = (AArch64Register)instruction.Operands[0];
        var second = (AArch64Register)instruction.Operands[1];
        var memory = (AArch64Memory)instruction.Operands[2];
        string name = instruction.Mnemonic.Name;
        bool sign = name == "LDPSW";
        int width = sign ? 4 : first.Width;
        long offset = memory.Offset is AArch64Immediate constant ? constant.Value : 0;
        bool hinted = name is "LDNP" or "STNP";
        uint mode = memory.Indexing switch
        {
            AArch64Indexing.After => 0x2880_0000,
            AArch64Indexing.Before => 0x2980_0000,
            _ => hinted ? 0x2800_0000u : 0x2900_0000,
        };
        return
            name is "LDIAPP" or "STILP"
            || memory.Offset is AArch64Register
            || offset % width != 0
            || !Fits(offset / width, 7)
            || (hinted && memory.Indexing != AArch64Indexing.None)
            || (sign && first.Width != 8)
            ? null
            : mode
                | (sign ? 0x4000_0000u : WideBit(first))
                | (instruction.Opcode == AArch64Opcode.LoadPair ? 0x0040_0000u : 0)
                | ((uint)(offset / width) & 0x7F) << 15
                | Bits(second) << 10
                | Bits(memory.Base) << 5
                | Bits(first);
    }

    private static uint? Atomic(AArch64Instruction instruction)
    {
        AArch64Mnemonic mnemonic = instruction.Mnemonic;
        IReadOnlyList<AArch64Operand> operands = instruction.Operands;
        var memory = (AArch64Memory)operands[^1];
        var first = (AArch64Register)operands[0];
        AArch64Register second =
            operands.Count > 2 ? (AArch64Register)operands[1] : new AArch64Register(AArch64Register.Zero, first.Width);
        int width = mnemonic.AccessWidth != 0 ? mnemonic.AccessWidth : second.Width;
        uint common = Size(width) | Bits(first) << 16 | Bits(memory.Base) << 5 | Bits(second);
        bool acquires = (mnemonic.LoadOrder & AccessOrder.Acquire) != 0;
        bool releases = (mnemonic.StoreOrder & AccessOrder.Release) != 0;
        if (instruction.Opcode == AArch64Opcode.StoreExclusive)
        {
            return first.Width != 4 || (second.Width == 8 && mnemonic.AccessWidth != 0)
                ? null
                : common | 0x0800_7C00 | (releases ? 0x8000u : 0);
        }

        if (first.Width != second.Width || (first.Width == 8 && mnemonic.AccessWidth != 0))
        {
            return null;
        }

        if (instruction.Opcode == AArch64Opcode.CompareAndSwap)
        {
            return common | 0x08A0_7C00 | (acquires ? 0x0040_0000u : 0) | (releases ? 0x8000u : 0);
        }

        uint operation =
            instruction.Opcode == AArch64Opcode.Swap
                ? 0x8000u
                : mnemonic.Function switch
                {
                    AArch64Function.Add => 0u,
                    AArch64Function.Clr => 1u,
                    AArch64Function.Eor => 2u,
                    AArch64Function.Set => 3u,
                    AArch64Function.Smax => 4u,
                    AArch64Function.Smin => 5u,
                    AArch64Function.Umax => 6u,
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
