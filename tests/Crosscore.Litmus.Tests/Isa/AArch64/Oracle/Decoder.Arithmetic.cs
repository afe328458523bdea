namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>Moves, arithmetic, comparisons and conditional selects.</summary>
internal static partial class Decoder
{
    private static Instruction? DecodeArithmetic(string name, string[] operands)
    {
        switch (name)
        {
            case "MOV" or "MVN" or "NEG":
            {
                (int target, bool wide) = Register(operands[0]);
                int size = wide ? 8 : 4;
                (int[] sources, Func<ulong[], ulong> last) = LastOperand([], operands[1..], size);
                return new Operate(
                    target,
                    sources,
                    name switch
                    {
                        "MOV" => values => Low(last(values), size),
                        "MVN" => values => Low(~last(values), size),
                        _ => values => Low(0 - last(values), size),
                    }
                );
            }

            case "MOVZ"
            or "MOVN"
            or "MOVK":
            {
                (int target, bool wide) = Register(operands[0]);
                int shift =
                    operands.Length == 3 ? (int)Number(operands[2].Replace("LSL", "", StringComparison.Ordinal)) : 0;
                ulong part = Number(operands[1]) << shift;
                return name == "MOVK"
                    ? new Operate(
                        target,
                        [target],
                        values => Low((values[0] & ~(0xFFFFUL << shift)) | part, wide ? 8 : 4)
                    )
                    : new Operate(target, [], _ => Low(name == "MOVN" ? ~part : part, wide ? 8 : 4));
            }

            case "CMP"
            or "CMN"
            or "TST":
                return ThreeOperands(
                    name == "CMP" ? "SUBS"
                        : name == "CMN" ? "ADDS"
                        : "ANDS",
                    [Register(operands[0]).Wide ? "XZR" : "WZR", .. operands]
                );

            case "LSL"
            or "LSR"
            or "ASR":
            {
                (int target, bool wide) = Register(operands[0]);
                int size = wide ? 8 : 4;
                (int[] sources, Func<ulong[], ulong> last) = LastOperand(
                    [Register(operands[1]).Number],
                    operands[2..],
                    size
                );
                return new Operate(
                    target,
                    sources,
                    values =>
                    {
                        int amount = (int)(last(values) & (ulong)((8 * size) - 1));
                        ulong value = Low(values[0], size);
                        return Low(
                            name == "LSL" ? value << amount
                                : name == "LSR" ? value >> amount
                                : (ulong)((long)Signed(value, size) >> amount),
                            size
                        );
                    }
                );
            }

            case "UXTB"
            or "UXTH"
            or "UXTW"
            or "SXTB"
            or "SXTH"
            or "SXTW":
            {
                (int target, bool wide) = Register(operands[0]);
                Func<ulong, ulong> extend = Modifier(name);
                return new Operate(
                    target,
                    [Register(operands[1]).Number],
                    values => Low(extend(values[0]), wide ? 8 : 4)
                );
            }

            default:
                return name.StartsWith("CS", StringComparison.Ordinal) || name is "CINC" or "CINV" or "CNEG"
                    ? DecodeSelect(name, operands)
                    : ThreeOperands(name, operands);
        }
    }

    private static Operate? ThreeOperands(string name, string[] operands)
    {
        bool setsFlags = name is "ADDS" or "SUBS" or "ANDS" or "BICS";
        string operation = setsFlags ? name[..^1] : name;
        if (operation is not ("ADD" or "SUB" or "AND" or "ORR" or "EOR" or "BIC" or "ORN" or "EON"))
        {
            return null;
        }

        (int target, bool wide) = Register(operands[0]);
        int size = wide ? 8 : 4;
        (int[] sources, Func<ulong[], ulong> last) = LastOperand([Register(operands[1]).Number], operands[2..], size);
        ulong Result(ulong[] values)
        {
            ulong right = last(values);
            return Low(
                operation switch
                {
                    "ADD" => values[0] + right,
                    "SUB" => values[0] - right,
                    "AND" => values[0] & right,
                    "ORR" => values[0] | right,
                    "EOR" => values[0] ^ right,
                    "BIC" => values[0] & ~right,
                    "ORN" => values[0] | ~right,
                    _ => values[0] ^ ~right,
                },
                size
            );
        }

        ulong NewFlags(ulong[] values)
        {
            ulong left = Low(values[0], size);
            ulong right = Low(last(values), size);
            ulong result = Result(values);
            int top = (8 * size) - 1;
            ulong flags = (((result >> top) & 1) << 3) | (result == 0 ? 4UL : 0);
            if (operation is "ADD")
            {
                flags |= (result < left ? 2UL : 0) | ((~(left ^ right) & (left ^ result)) >> top & 1);
            }
            else if (operation is "SUB")
            {
                flags |= (left >= right ? 2UL : 0) | (((left ^ right) & (left ^ result)) >> top & 1);
            }

            return flags;
        }

        return new Operate(target, sources, Result, setsFlags ? NewFlags : null);
    }

    // The last operand: a number, shifted or not, or a register, shifted or extended. It is appended to the sources
    // when it is a register.
    private static (int[] Sources, Func<ulong[], ulong> Value) LastOperand(int[] before, string[] operands, int size)
    {
        Func<ulong, ulong> modify = operands.Length == 2 ? ShiftOrExtend(operands[1], size) : value => value;
        if (operands[0].StartsWith('#'))
        {
            ulong number = modify(Number(operands[0]));
            return (before, _ => number);
        }

        int index = before.Length;
        return ([.. before, Register(operands[0]).Number], values => modify(Low(values[index], size)));
    }

    private static Func<ulong, ulong> ShiftOrExtend(string text, int size)
    {
        string[] words = text.Split((char[])[' ', '#'], StringSplitOptions.RemoveEmptyEntries);
        return words[0] switch
        {
            "LSR" => value => value >> (int)Number(words[1]),
            "ASR" => value => (ulong)((long)Signed(value, size) >> (int)Number(words[1])),
            _ => Modifier(text),
        };
    }

    private static Select? DecodeSelect(string name, string[] operands)
    {
        (int target, bool wide) = Register(operands[0]);
        int size = wide ? 8 : 4;
        Func<ulong, ulong> same = value => Low(value, size);
        Func<ulong, ulong> plusOne = value => Low(value + 1, size);
        Func<ulong, ulong> inverse = value => Low(~value, size);
        Func<ulong, ulong> negative = value => Low(0 - value, size);
        if (name is "CSET" or "CSETM")
        {
            return new Select(
                target,
                Instruction.Zero,
                Instruction.Zero,
                Condition(operands[1]),
                name == "CSET" ? plusOne : inverse,
                same
            );
        }

        int first = Register(operands[1]).Number;
        if (name is "CINC" or "CINV" or "CNEG")
        {
            return new Select(
                target,
                first,
                first,
                Condition(operands[2]),
                name == "CINC" ? plusOne
                    : name == "CINV" ? inverse
                    : negative,
                same
            );
        }

        Func<ulong, ulong>? otherwise = name switch
        {
            "CSEL" => same,
            "CSINC" => plusOne,
            "CSINV" => inverse,
            "CSNEG" => negative,
            _ => null,
        };
        return otherwise is null
            ? null
            : new Select(target, first, Register(operands[2]).Number, Condition(operands[3]), same, otherwise);
    }
}
