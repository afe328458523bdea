using System.Numerics;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Tests.Model.Oracle;

/// <summary>
/// What instructions compute, by the definitions of the manual in numbers of any size: carry is "the unsigned result
/// does not fit", overflow is "the signed result does not fit". No bit tricks, so that it shares no mistake with the
/// model.
/// </summary>
internal static class OracleArithmetic
{
    public static ulong Cut(BigInteger value, int width) => (ulong)(value & ((BigInteger.One << (8 * width)) - 1));

    public static BigInteger Signed(ulong value, int width)
    {
        BigInteger unsigned = Cut(value, width);
        return unsigned >= BigInteger.One << ((8 * width) - 1) ? unsigned - (BigInteger.One << (8 * width)) : unsigned;
    }

    /// <summary>The result of an instruction that has one, and its flags put into the thread.</summary>
    public static ulong Run(X86Opcode opcode, OracleThread thread, ulong destination, ulong source, int width)
    {
        BigInteger unsignedLeft = Cut(destination, width);
        BigInteger unsignedRight = Cut(source, width);
        BigInteger left = Signed(destination, width);
        BigInteger right = Signed(source, width);
        switch (opcode)
        {
            case X86Opcode.Add or X86Opcode.Xadd:
                return Finish(thread, unsignedLeft + unsignedRight, left + right, width);
            case X86Opcode.Sub or X86Opcode.Cmp:
                return Finish(thread, unsignedLeft - unsignedRight, left - right, width);
            case X86Opcode.Neg:
                return Finish(thread, -unsignedLeft, -left, width);
            case X86Opcode.Inc or X86Opcode.Dec:
                bool carry = thread.Carry;
                int one = opcode == X86Opcode.Inc ? 1 : -1;
                ulong counted = Finish(thread, unsignedLeft + one, left + one, width);
                thread.Carry = carry;
                return counted;
            case X86Opcode.And or X86Opcode.Test:
                return Finish(thread, unsignedLeft & unsignedRight, left & right, width);
            case X86Opcode.Or:
                return Finish(thread, unsignedLeft | unsignedRight, left | right, width);
            case X86Opcode.Xor:
                return Finish(thread, unsignedLeft ^ unsignedRight, left ^ right, width);
            case X86Opcode.Not:
                return Cut(-left - 1, width);
            case X86Opcode.Shl or X86Opcode.Shr or X86Opcode.Sar:
                return Shift(opcode, thread, destination, (int)(source & (width == 8 ? 63UL : 31UL)), width);
            default:
                throw new InvalidOperationException($"The oracle does not know {opcode}.");
        }
    }

    // One place at a time: the carry is the bit that fell out last, and the overflow, which only a shift by one
    // defines, is a change of sign.
    private static ulong Shift(X86Opcode opcode, OracleThread thread, ulong value, int count, int width)
    {
        BigInteger current = opcode == X86Opcode.Sar ? Signed(value, width) : Cut(value, width);
        BigInteger limit = BigInteger.One << (8 * width);
        for (int place = 0; place < count; place++)
        {
            bool signBefore = Signed(Cut(current, width), width) < 0;
            if (opcode == X86Opcode.Shl)
            {
                current *= 2;
                thread.Carry = current >= limit;
                current %= limit;
            }
            else
            {
                thread.Carry = !current.IsEven;
                current >>= 1;
            }

            ulong result = Cut(current, width);
            thread.Overflow = signBefore != (Signed(result, width) < 0);
            thread.Zero = result == 0;
            thread.Sign = Signed(result, width) < 0;
        }

        return Cut(current, width);
    }

    public static bool Holds(X86Condition condition, OracleThread thread) =>
        condition switch
        {
            X86Condition.O => thread.Overflow,
            X86Condition.No => !thread.Overflow,
            X86Condition.B => thread.Carry,
            X86Condition.Ae => !thread.Carry,
            X86Condition.E => thread.Zero,
            X86Condition.Ne => !thread.Zero,
            X86Condition.Be => thread.Carry | thread.Zero,
            X86Condition.A => !(thread.Carry | thread.Zero),
            X86Condition.S => thread.Sign,
            X86Condition.Ns => !thread.Sign,
            X86Condition.L => thread.Sign ^ thread.Overflow,
            X86Condition.Ge => !(thread.Sign ^ thread.Overflow),
            X86Condition.Le => (thread.Sign ^ thread.Overflow) | thread.Zero,
            X86Condition.G => !((thread.Sign ^ thread.Overflow) | thread.Zero),
            _ => throw new InvalidOperationException($"The oracle does not know {condition}."),
        };

    private static ulong Finish(OracleThread thread, BigInteger unsigned, BigInteger signed, int width)
    {
        ulong result = Cut(signed, width);
        thread.Carry = unsigned < 0 || unsigned >= BigInteger.One << (8 * width);
        thread.Zero = result == 0;
        thread.Sign = Signed(result, width) < 0;
        thread.Overflow = signed != Signed(result, width);
        return result;
    }
}
