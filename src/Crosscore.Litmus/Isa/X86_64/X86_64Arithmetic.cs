using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// What x86 instructions compute, as pure functions of 64-bit values: results zero-extended, flags packed into one
/// number (Intel SDM vol. 1, 3.4.3.1 and the pages of the instructions in vol. 2). Parity and auxiliary carry are left
/// out: no instruction here looks at them.
/// </summary>
internal static class X86_64Arithmetic
{
    /// <summary>The carry flag in a packed number.</summary>
    public const ulong Carry = 1;

    /// <summary>The zero flag.</summary>
    public const ulong Zero = 2;

    /// <summary>The sign flag.</summary>
    public const ulong Sign = 4;

    /// <summary>The overflow flag.</summary>
    public const ulong Overflow = 8;

    /// <summary>
    /// Gets the result of an instruction of two operands: <c>a</c> is the destination, <c>b</c> the source.
    /// </summary>
    public static ValueFunction Result(X86_64Opcode opcode, int width) =>
        opcode switch
        {
            X86_64Opcode.Add => (a, b) => DataType.Truncate(a + b, width),
            X86_64Opcode.Sub => (a, b) => DataType.Truncate(a - b, width),
            X86_64Opcode.And or X86_64Opcode.Test => (a, b) => DataType.Truncate(a & b, width),
            X86_64Opcode.Or => (a, b) => DataType.Truncate(a | b, width),
            X86_64Opcode.Xor => (a, b) => DataType.Truncate(a ^ b, width),
            X86_64Opcode.Shl => (a, b) => DataType.Truncate(a << Count(b, width), width),
            X86_64Opcode.Shr => (a, b) => DataType.Truncate(a, width) >> Count(b, width),
            X86_64Opcode.Sar => (a, b) =>
                DataType.Truncate((ulong)((long)SignExtend(a, width) >> Count(b, width)), width),
            _ => throw new InvalidOperationException($"Crosscore bug: {opcode} computes nothing of two operands."),
        };

    /// <summary>Gets the flags after an instruction of two operands.</summary>
    public static ValueFunction Flags(X86_64Opcode opcode, int width) =>
        opcode switch
        {
            X86_64Opcode.Add => (a, b) => AddFlags(a, b, width),
            X86_64Opcode.Sub or X86_64Opcode.Cmp => (a, b) => SubFlags(a, b, width),
            X86_64Opcode.And or X86_64Opcode.Test or X86_64Opcode.Or or X86_64Opcode.Xor => LogicFlags(
                Result(opcode, width),
                width
            ),
            _ => throw new InvalidOperationException(
                $"Crosscore bug: the flags of {opcode} are not a function of its operands."
            ),
        };

    /// <summary>Gets the flags after an increment or decrement: the carry (in <c>b</c>, the flags before)
    /// stays.</summary>
    public static ValueFunction CountingFlags(X86_64Opcode opcode, int width) =>
        opcode == X86_64Opcode.Inc
            ? (a, b) => (AddFlags(a, 1, width) & ~Carry) | (b & Carry)
            : (a, b) => (SubFlags(a, 1, width) & ~Carry) | (b & Carry);

    /// <summary>Gets the flags after negating <c>a</c>.</summary>
    public static ValueFunction NegFlags(int width) => (a, _) => SubFlags(0, a, width);

    /// <summary>
    /// Gets the flags after shifting <c>a</c> by a constant count that is not zero after masking. The overflow flag is
    /// defined only for a count of one; for others the lowering forbids to look at it.
    /// </summary>
    public static ValueFunction ShiftFlags(X86_64Opcode opcode, int width, int count)
    {
        ValueFunction result = Result(opcode, width);
        return (a, _) =>
        {
            ulong shifted = result(a, (ulong)count);
            ulong operand = opcode == X86_64Opcode.Sar ? SignExtend(a, width) : DataType.Truncate(a, width);
            ulong carry =
                opcode == X86_64Opcode.Shl
                    ? (count <= 8 * width ? (operand >> ((8 * width) - count)) & 1 : 0)
                    : (opcode == X86_64Opcode.Sar ? (ulong)((long)operand >> (count - 1)) : operand >> (count - 1)) & 1;
            ulong overflow = opcode switch
            {
                X86_64Opcode.Shl => TopBit(shifted, width) ^ carry,
                X86_64Opcode.Shr => TopBit(operand, width),
                _ => 0,
            };
            return carry | (ZeroAndSign(shifted, width)) | (overflow != 0 ? Overflow : 0);
        };
    }

    /// <summary>Whether a condition holds for packed flags, as 1 or 0.</summary>
    public static ValueFunction Holds(X86_64Condition condition) =>
        (flags, _) => Evaluate(condition, flags) ? 1UL : 0UL;

    /// <summary>Gets the flags that a condition looks at.</summary>
    public static ulong FlagsOf(X86_64Condition condition) =>
        condition switch
        {
            X86_64Condition.O or X86_64Condition.No => Overflow,
            X86_64Condition.B or X86_64Condition.Ae => Carry,
            X86_64Condition.E or X86_64Condition.Ne => Zero,
            X86_64Condition.Be or X86_64Condition.A => Carry | Zero,
            X86_64Condition.S or X86_64Condition.Ns => Sign,
            X86_64Condition.L or X86_64Condition.Ge => Sign | Overflow,
            _ => Zero | Sign | Overflow,
        };

    /// <summary>
    /// Gets a register after an instruction wrote its lowest bytes: a write of 4 bytes zeroes the upper half, narrower
    /// ones leave the rest (Intel SDM vol. 1, 3.4.1.1). <c>a</c> is the register before, <c>b</c> the bytes.
    /// </summary>
    public static ValueFunction Merge(int width) =>
        width >= 4 ? (_, b) => b : (a, b) => (a & ~((1UL << (8 * width)) - 1)) | DataType.Truncate(b, width);

    /// <summary>Gets the lowest bytes of a value, extended by their top bit.</summary>
    public static ulong SignExtend(ulong value, int width)
    {
        int unused = 64 - (8 * width);
        return (ulong)((long)(value << unused) >> unused);
    }

    // The count is taken modulo 32, or 64 for 8 bytes.
    private static int Count(ulong count, int width) => (int)(count & (width == 8 ? 63UL : 31UL));

    private static ulong TopBit(ulong value, int width) => (value >> ((8 * width) - 1)) & 1;

    private static ulong ZeroAndSign(ulong result, int width) =>
        (DataType.Truncate(result, width) == 0 ? Zero : 0) | (TopBit(result, width) != 0 ? Sign : 0);

    private static ulong AddFlags(ulong a, ulong b, int width)
    {
        ulong left = DataType.Truncate(a, width);
        ulong right = DataType.Truncate(b, width);
        ulong sum = DataType.Truncate(left + right, width);
        bool overflow = TopBit(~(left ^ right) & (left ^ sum), width) != 0;
        return (sum < left ? Carry : 0) | ZeroAndSign(sum, width) | (overflow ? Overflow : 0);
    }

    private static ulong SubFlags(ulong a, ulong b, int width)
    {
        ulong left = DataType.Truncate(a, width);
        ulong right = DataType.Truncate(b, width);
        ulong difference = DataType.Truncate(left - right, width);
        bool overflow = TopBit((left ^ right) & (left ^ difference), width) != 0;
        return (left < right ? Carry : 0) | ZeroAndSign(difference, width) | (overflow ? Overflow : 0);
    }

    private static ValueFunction LogicFlags(ValueFunction result, int width) =>
        (a, b) => ZeroAndSign(result(a, b), width);

    private static bool Evaluate(X86_64Condition condition, ulong flags)
    {
        bool carry = (flags & Carry) != 0;
        bool zero = (flags & Zero) != 0;
        bool sign = (flags & Sign) != 0;
        bool overflow = (flags & Overflow) != 0;
        return condition switch
        {
            X86_64Condition.O => overflow,
            X86_64Condition.No => !overflow,
            X86_64Condition.B => carry,
            X86_64Condition.Ae => !carry,
            X86_64Condition.E => zero,
            X86_64Condition.Ne => !zero,
            X86_64Condition.Be => carry || zero,
            X86_64Condition.A => !carry && !zero,
            X86_64Condition.S => sign,
            X86_64Condition.Ns => !sign,
            X86_64Condition.L => sign != overflow,
            X86_64Condition.Ge => sign == overflow,
            X86_64Condition.Le => zero || sign != overflow,
            _ => !zero && sign == overflow,
        };
    }
}
