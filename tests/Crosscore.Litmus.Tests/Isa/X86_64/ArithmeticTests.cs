using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Isa.X86_64.Oracle;

namespace Crosscore.Litmus.Tests.Isa.X86_64;

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

    public static TheoryData<X86_64Opcode, int> Binary { get; } =
        Cross(
            X86_64Opcode.Add,
            X86_64Opcode.Sub,
            X86_64Opcode.And,
            X86_64Opcode.Or,
            X86_64Opcode.Xor,
            X86_64Opcode.Cmp,
            X86_64Opcode.Test
        );

    public static TheoryData<X86_64Opcode, int> Unary { get; } =
        Cross(X86_64Opcode.Inc, X86_64Opcode.Dec, X86_64Opcode.Neg);

    public static TheoryData<X86_64Opcode, int> Shifts { get; } =
        Cross(X86_64Opcode.Shl, X86_64Opcode.Shr, X86_64Opcode.Sar);

    [Theory]
    [MemberData(nameof(Binary))]
    public void Two_operands_give_the_result_and_the_flags_of_the_manual(X86_64Opcode opcode, int width)
    {
        foreach (ulong a in Interesting)
        {
            foreach (ulong b in Interesting)
            {
                var thread = new OracleThread();
                ulong expected = OracleArithmetic.Run(opcode, thread, a, b, width);
                Assert.Equal(Packed(thread), X86_64Arithmetic.Flags(opcode, width)(a, b));
                if (opcode is not (X86_64Opcode.Cmp or X86_64Opcode.Test))
                {
                    Assert.Equal(expected, X86_64Arithmetic.Result(opcode, width)(a, b));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Unary))]
    public void One_operand_gives_the_flags_of_the_manual_and_counting_keeps_the_carry(X86_64Opcode opcode, int width)
    {
        foreach (ulong a in Interesting)
        {
            foreach (bool carry in new[] { false, true })
            {
                var thread = new OracleThread { Carry = carry };
                OracleArithmetic.Run(opcode, thread, a, 0, width);
                ulong flags =
                    opcode == X86_64Opcode.Neg
                        ? X86_64Arithmetic.NegFlags(width)(a, 0)
                        : X86_64Arithmetic.CountingFlags(opcode, width)(
                            a,
                            carry ? X86_64Arithmetic.Carry | X86_64Arithmetic.Zero : X86_64Arithmetic.Sign
                        );
                Assert.Equal(Packed(thread), flags);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Shifts))]
    public void A_shift_gives_the_result_and_the_defined_flags_of_the_manual(X86_64Opcode opcode, int width)
    {
        foreach (ulong a in Interesting)
        {
            for (int count = 0; count < 256; count++)
            {
                var thread = new OracleThread();
                ulong expected = OracleArithmetic.Run(opcode, thread, a, (ulong)count, width);
                Assert.Equal(expected, X86_64Arithmetic.Result(opcode, width)(a, (ulong)count));
                int masked = count & (width == 8 ? 63 : 31);
                if (masked == 0)
                {
                    continue;
                }

                ulong defined =
                    X86_64Arithmetic.Zero
                    | X86_64Arithmetic.Sign
                    | (masked == 1 ? X86_64Arithmetic.Overflow : 0)
                    | (masked < 8 * width || opcode == X86_64Opcode.Sar ? X86_64Arithmetic.Carry : 0);
                Assert.Equal(
                    Packed(thread) & defined,
                    X86_64Arithmetic.ShiftFlags(opcode, width, masked)(a, 0) & defined
                );
            }
        }
    }

    [Fact]
    public void A_condition_holds_for_the_flags_that_it_looks_at_and_no_others()
    {
        foreach (X86_64Condition condition in Enum.GetValues<X86_64Condition>())
        {
            ulong looked = X86_64Arithmetic.FlagsOf(condition);
            for (ulong flags = 0; flags < 16; flags++)
            {
                var thread = new OracleThread
                {
                    Carry = (flags & X86_64Arithmetic.Carry) != 0,
                    Zero = (flags & X86_64Arithmetic.Zero) != 0,
                    Sign = (flags & X86_64Arithmetic.Sign) != 0,
                    Overflow = (flags & X86_64Arithmetic.Overflow) != 0,
                };
                Assert.Equal(
                    OracleArithmetic.Holds(condition, thread) ? 1UL : 0UL,
                    X86_64Arithmetic.Holds(condition)(flags, 0)
                );
                Assert.Equal(
                    X86_64Arithmetic.Holds(condition)(flags & looked, 0),
                    X86_64Arithmetic.Holds(condition)(flags, 0)
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
            X86_64Arithmetic.Merge(width)(0x1122_3344_5566_7788, DataType.Truncate(ulong.MaxValue, width))
        );

    private static TheoryData<X86_64Opcode, int> Cross(params X86_64Opcode[] opcodes)
    {
        var data = new TheoryData<X86_64Opcode, int>();
        foreach (X86_64Opcode opcode in opcodes)
        {
            foreach (int width in new[] { 1, 2, 4, 8 })
            {
                data.Add(opcode, width);
            }
        }

        return data;
    }

    private static ulong Packed(OracleThread thread) =>
        (thread.Carry ? X86_64Arithmetic.Carry : 0)
        | (thread.Zero ? X86_64Arithmetic.Zero : 0)
        | (thread.Sign ? X86_64Arithmetic.Sign : 0)
        | (thread.Overflow ? X86_64Arithmetic.Overflow : 0);
}
