using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Model.Oracle;

namespace Crosscore.Litmus.Tests.Model;

/// <summary>What instructions compute, against the definitions in numbers of any size.</summary>
public class ArithmeticTests
{
    private static readonly ulong[] Interesting =
    [
        0,
        1,
        2,
        3,
        0x7E,
        0x7F,
        0x80,
        0x81,
        0xFE,
        0xFF,
        0x100,
        0x7FFF,
        0x8000,
        0xFFFF,
        0x1_0000,
        0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFFF,
        0x1_0000_0000,
        0x7FFF_FFFF_FFFF_FFFF,
        0x8000_0000_0000_0000,
        0xFFFF_FFFF_FFFF_FFFF,
        0x1122_3344_5566_7788,
        0x8877_6655_4433_2211,
    ];

    public static TheoryData<X86Opcode, int> Binary { get; } =
        Cross(X86Opcode.Add, X86Opcode.Sub, X86Opcode.And, X86Opcode.Or, X86Opcode.Xor, X86Opcode.Cmp, X86Opcode.Test);

    public static TheoryData<X86Opcode, int> Unary { get; } = Cross(X86Opcode.Inc, X86Opcode.Dec, X86Opcode.Neg);

    public static TheoryData<X86Opcode, int> Shifts { get; } = Cross(X86Opcode.Shl, X86Opcode.Shr, X86Opcode.Sar);

    [Theory]
    [MemberData(nameof(Binary))]
    public void Two_operands_give_the_result_and_the_flags_of_the_manual(X86Opcode opcode, int width)
    {
        foreach (ulong a in Interesting)
        {
            foreach (ulong b in Interesting)
            {
                var thread = new OracleThread();
                ulong expected = OracleArithmetic.Run(opcode, thread, a, b, width);
                Assert.Equal(Packed(thread), X86Arithmetic.Flags(opcode, width)(a, b));
                if (opcode is not (X86Opcode.Cmp or X86Opcode.Test))
                {
                    Assert.Equal(expected, X86Arithmetic.Result(opcode, width)(a, b));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Unary))]
    public void One_operand_gives_the_flags_of_the_manual_and_counting_keeps_the_carry(X86Opcode opcode, int width)
    {
        foreach (ulong a in Interesting)
        {
            foreach (bool carry in new[] { false, true })
            {
                var thread = new OracleThread { Carry = carry };
                OracleArithmetic.Run(opcode, thread, a, 0, width);
                ulong flags =
                    opcode == X86Opcode.Neg
                        ? X86Arithmetic.NegFlags(width)(a, 0)
                        : X86Arithmetic.CountingFlags(opcode, width)(
                            a,
                            carry ? X86Arithmetic.Carry | X86Arithmetic.Zero : X86Arithmetic.Sign
                        );
                Assert.Equal(Packed(thread), flags);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shifts))]
    public void A_shift_gives_the_result_and_the_defined_flags_of_the_manual(X86Opcode opcode, int width)
    {
        foreach (ulong a in Interesting)
        {
            for (int count = 0; count < 256; count++)
            {
                var thread = new OracleThread();
                ulong expected = OracleArithmetic.Run(opcode, thread, a, (ulong)count, width);
                Assert.Equal(expected, X86Arithmetic.Result(opcode, width)(a, (ulong)count));
                int masked = count & (width == 8 ? 63 : 31);
                if (masked == 0)
                {
                    continue;
                }

                ulong defined =
                    X86Arithmetic.Zero
                    | X86Arithmetic.Sign
                    | (masked == 1 ? X86Arithmetic.Overflow : 0)
                    | (masked < 8 * width || opcode == X86Opcode.Sar ? X86Arithmetic.Carry : 0);
                Assert.Equal(Packed(thread) & defined, X86Arithmetic.ShiftFlags(opcode, width, masked)(a, 0) & defined);
            }
        }
    }

    [Fact]
    public void A_condition_holds_for_the_flags_that_it_looks_at_and_no_others()
    {
        foreach (X86Condition condition in Enum.GetValues<X86Condition>())
        {
            ulong looked = X86Arithmetic.FlagsOf(condition);
            for (ulong flags = 0; flags < 16; flags++)
            {
                var thread = new OracleThread
                {
                    Carry = (flags & X86Arithmetic.Carry) != 0,
                    Zero = (flags & X86Arithmetic.Zero) != 0,
                    Sign = (flags & X86Arithmetic.Sign) != 0,
                    Overflow = (flags & X86Arithmetic.Overflow) != 0,
                };
                Assert.Equal(
                    OracleArithmetic.Holds(condition, thread) ? 1UL : 0UL,
                    X86Arithmetic.Holds(condition)(flags, 0)
                );
                Assert.Equal(
                    X86Arithmetic.Holds(condition)(flags & looked, 0),
                    X86Arithmetic.Holds(condition)(flags, 0)
                );
            }
        }
    }

    [Theory]
    [InlineData(1, 0x1122_3344_5566_77FF)]
    [InlineData(2, 0x1122_3344_5566_FFFF)]
    [InlineData(4, 0x0000_0000_FFFF_FFFF)]
    [InlineData(8, 0xFFFF_FFFF_FFFF_FFFF)]
    public void Four_bytes_clear_the_upper_half_of_a_register_and_fewer_leave_the_rest(int width, ulong expected) =>
        Assert.Equal(
            expected,
            X86Arithmetic.Merge(width)(0x1122_3344_5566_7788, DataType.Truncate(ulong.MaxValue, width))
        );

    private static TheoryData<X86Opcode, int> Cross(params X86Opcode[] opcodes)
    {
        var data = new TheoryData<X86Opcode, int>();
        foreach (X86Opcode opcode in opcodes)
        {
            foreach (int width in new[] { 1, 2, 4, 8 })
            {
                data.Add(opcode, width);
            }
        }

        return data;
    }

    private static ulong Packed(OracleThread thread) =>
        (thread.Carry ? X86Arithmetic.Carry : 0)
        | (thread.Zero ? X86Arithmetic.Zero : 0)
        | (thread.Sign ? X86Arithmetic.Sign : 0)
        | (thread.Overflow ? X86Arithmetic.Overflow : 0);
}
