using System.Numerics;
using Crosscore.Litmus.Isa.X86_64;

namespace Crosscore.Litmus.Tests.Isa.X86_64.Oracle;

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
    public static ulong Run(X86_64Opcode opcode, OracleThread thread, ulong destination, ulong source, int width)
    {
        BigInteger unsignedLeft = Cut(destination, width);
        BigInteger unsignedRight = Cut(source, width);
        BigInteger left = Signed(destination, width);
        BigInteger right = Signed(source, width);
        switch (opcode)
        {
            case X86_64Opcode.Add or X86_64Opcode.Xadd:
                return Finish(thread, unsignedLeft + unsignedRight, left + right, width);
            case X86_64Opcode.Sub or X86_64Opcode.Cmp:
                return Finish(thread, unsignedLeft - unsignedRight, left - right, width);
            case X86_64Opcode.Neg:
                return Finish(thread, -unsignedLeft, -left, width);
            case X86_64Opcode.Inc or X86_64Opcode.Dec:
                bool carry = thread.Carry;
                int one = opcode == X86_64Opcode.Inc ? 1 : -1;
                ulong counted = Finish(thread, unsignedLeft + one, left + one, width);
                thread.Carry = carry;
                return counted;
            case X86_64Opcode.And or X86_64Opcode.Test:
                return Finish(thread, unsignedLeft & unsignedRight, left & right, width);
            case X86_64Opcode.Or:
                return Finish(thread, unsignedLeft | unsignedRight, left | right, width);
            case X86_64Opcode.Xor:
                return Finish(thread, unsignedLeft ^ unsignedRight, left ^ right, width);
            case X86_64Opcode.Not:
                return Cut(-left - 1, width);
            case X86_64Opcode.Shl or X86_64Opcode.Shr or X86_64Opcode.Sar:
                return Shift(opcode, thread, destination, (int)(source & (width == 8 ? 63UL : 31UL)), width);
            default:
                throw new InvalidOperationException($"The oracle does not know {opcode}.");
        }
    }

    // One place at a time: the carry is the bit that fell out last, and the overflow, which only a shift by one
    // defines, is a change of sign.
    private static ulong Shift(X86_64Opcode opcode, OracleThread thread, ulong value, int count, int width)
    {
        BigInteger current = opcode == X86_64Opcode.Sar ? Signed(value, width) : Cut(value, width);
        BigInteger limit = BigInteger.One << (8 * width);
        for (int place = 0; place < count; place++)
        {
            bool signBefore = Signed(Cut(current, width), width) < 0;
            if (opcode == X86_64Opcode.Shl)
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

    public static bool Holds(X86_64Condition condition, OracleThread thread) =>
        condition switch
        {
            X86_64Condition.O => thread.Overflow,
            X86_64Condition.No => !thread.Overflow,
            X86_64Condition.B => thread.Carry,
            X86_64Condition.Ae => !thread.Carry,
            X86_64Condition.E => thread.Zero,
            X86_64Condition.Ne => !thread.Zero,
            X86_64Condition.Be => thread.Carry | thread.Zero,
            X86_64Condition.A => !(thread.Carry | thread.Zero),
            X86_64Condition.S => thread.Sign,
            X86_64Condition.Ns => !thread.Sign,
            X86_64Condition.L => thread.Sign ^ thread.Overflow,
            X86_64Condition.Ge => !(thread.Sign ^ thread.Overflow),
            X86_64Condition.Le => (thread.Sign ^ thread.Overflow) | thread.Zero,
            X86_64Condition.G => !((thread.Sign ^ thread.Overflow) | thread.Zero),
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
