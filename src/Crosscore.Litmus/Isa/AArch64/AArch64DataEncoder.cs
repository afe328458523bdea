using System.Numerics;
using Crosscore.Litmus.Syntax;
using static Crosscore.Litmus.Isa.AArch64.AArch64Fields;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Encodes instructions that compute on registers.</summary>
internal static class AArch64DataEncoder
{
    public static uint? Move(AArch64Instruction instruction)
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

    public static uint? Compute(
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

    public static uint? Select(AArch64Instruction instruction)
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

    public static uint? Extend(AArch64Instruction instruction)
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
