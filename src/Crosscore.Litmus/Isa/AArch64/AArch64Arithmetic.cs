using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>
/// What AArch64 instructions compute (Arm ARM C6). Condition flags are a number: N 8, Z 4, C 2, V 1, as in the upper
/// bits of PSTATE.
/// </summary>
internal static class AArch64Arithmetic
{
    /// <summary>Gets a function of two values of a width.</summary>
    public static ValueFunction Of(AArch64Function function, int width)
    {
        int bits = 8 * width;
        ulong Cut(ulong value) => DataType.Truncate(value, width);
        int Amount(ulong value) => (int)(value & (ulong)(bits - 1));
        long Signed(ulong value) => (long)(value << (64 - bits)) >> (64 - bits);
        return function switch
        {
            AArch64Function.Add => (a, b) => Cut(a + b),
            AArch64Function.Sub => (a, b) => Cut(a - b),
            AArch64Function.And => (a, b) => Cut(a & b),
            AArch64Function.Orr or AArch64Function.Set => (a, b) => Cut(a | b),
            AArch64Function.Eor => (a, b) => Cut(a ^ b),
            AArch64Function.Bic or AArch64Function.Clr => (a, b) => Cut(a & ~b),
            AArch64Function.Orn => (a, b) => Cut(a | ~b),
            AArch64Function.Eon => (a, b) => Cut(a ^ ~b),
            AArch64Function.Lsl => (a, b) => Cut(a << Amount(b)),
            AArch64Function.Lsr => (a, b) => Cut(a) >> Amount(b),
            AArch64Function.Asr => (a, b) => Cut((ulong)(Signed(a) >> Amount(b))),
            AArch64Function.Ror => (a, b) =>
                Amount(b) == 0 ? Cut(a) : Cut((Cut(a) >> Amount(b)) | (a << (bits - Amount(b)))),
            AArch64Function.Mul => (a, b) => Cut(a * b),
            AArch64Function.Smax => (a, b) => Signed(a) >= Signed(b) ? Cut(a) : Cut(b),
            AArch64Function.Smin => (a, b) => Signed(a) <= Signed(b) ? Cut(a) : Cut(b),
            AArch64Function.Umax => (a, b) => Math.Max(Cut(a), Cut(b)),
            AArch64Function.Umin => (a, b) => Math.Min(Cut(a), Cut(b)),
            _ => throw new InvalidOperationException($"Crosscore bug: {function} computes nothing."),
        };
    }

    /// <summary>Gets the flags after a function of two values.</summary>
    public static ValueFunction Flags(AArch64Function function, int width)
    {
        ulong sign = 1UL << ((8 * width) - 1);
        ValueFunction compute = Of(function, width);
        return (a, b) =>
        {
            (a, b) = (DataType.Truncate(a, width), DataType.Truncate(b, width));
            ulong result = compute(a, b);
            ulong flags = ((result & sign) != 0 ? 8UL : 0) | (result == 0 ? 4UL : 0);
            return function switch
            {
                AArch64Function.Add => flags
                    | (result < a ? 2UL : 0)
                    | ((~(a ^ b) & (a ^ result) & sign) != 0 ? 1UL : 0),
                AArch64Function.Sub => flags | (a >= b ? 2UL : 0) | (((a ^ b) & (a ^ result) & sign) != 0 ? 1UL : 0),
                _ => flags,
            };
        };
    }

    /// <summary>1 where a condition holds of the flags, 0 otherwise.</summary>
    public static ValueFunction Holds(AArch64Condition condition) =>
        (flags, _) =>
        {
            bool n = (flags & 8) != 0;
            bool z = (flags & 4) != 0;
            bool c = (flags & 2) != 0;
            bool v = (flags & 1) != 0;
            bool holds = condition switch
            {
                AArch64Condition.Eq => z,
                AArch64Condition.Ne => !z,
                AArch64Condition.Cs => c,
                AArch64Condition.Cc => !c,
                AArch64Condition.Mi => n,
                AArch64Condition.Pl => !n,
                AArch64Condition.Vs => v,
                AArch64Condition.Vc => !v,
                AArch64Condition.Hi => c && !z,
                AArch64Condition.Ls => !c || z,
                AArch64Condition.Ge => n == v,
                AArch64Condition.Lt => n != v,
                AArch64Condition.Gt => !z && n == v,
                AArch64Condition.Le => z || n != v,
                _ => true,
            };
            return holds ? 1UL : 0;
        };

    /// <summary>Gets what a shift or an extension makes of a register of a width.</summary>
    public static ValueFunction Shifted(AArch64Shift shift, int width)
    {
        int amount = shift.Amount;
        if (shift.Kind is "LSL" or "LSR" or "ASR" or "ROR")
        {
            ValueFunction function = Of(Enum.Parse<AArch64Function>(shift.Kind, ignoreCase: true), width);
            return (a, _) => function(a, (ulong)amount);
        }

        int from = shift.Kind[^1] switch
        {
            'B' => 1,
            'H' => 2,
            'W' => 4,
            _ => 8,
        };
        bool signed = shift.Kind[0] == 'S';
        return (a, _) => (signed ? SignExtend(a, from) : DataType.Truncate(a, from)) << amount;
    }

    public static ulong SignExtend(ulong value, int width) =>
        (ulong)((long)(value << (64 - (8 * width))) >> (64 - (8 * width)));
}
