using System.Globalization;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// Instructions from their text, by hand and from the manual's tables; what is not here is refused by its name.
/// </summary>
internal static partial class Decoder
{
    public static Instruction Decode(string text)
    {
        string[] halves = text.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries);
        string name = halves[0].ToUpperInvariant();
        string[] operands = halves.Length == 2 ? Operands(halves[1]) : [];
        try
        {
            return DecodeControl(name, operands)
                ?? DecodeMemory(name, operands)
                ?? DecodeAtomic(name, operands)
                ?? DecodeArithmetic(name, operands)
                ?? throw new OracleRefusal($"it uses the instruction {name}");
        }
        catch (Exception exception) when (exception is IndexOutOfRangeException or FormatException or ArgumentException)
        {
            throw new OracleRefusal($"it uses a form that is not known here: {text}");
        }
    }

    private static string[] Operands(string text)
    {
        var operands = new List<string>();
        int depth = 0;
        int start = 0;
        for (int index = 0; index <= text.Length; index++)
        {
            if (index == text.Length || (text[index] == ',' && depth == 0))
            {
                operands.Add(text[start..index].Trim().ToUpperInvariant());
                start = index + 1;
            }
            else
            {
                depth +=
                    text[index] == '[' ? 1
                    : text[index] == ']' ? -1
                    : 0;
            }
        }

        return [.. operands];
    }

    /// <summary>A general-purpose register and whether it is named as 64 bits.</summary>
    public static (int Number, bool Wide) Register(string text)
    {
        text = text.Trim().ToUpperInvariant();
        if (text is "XZR" or "WZR")
        {
            return (Instruction.Zero, text[0] == 'X');
        }

        return
            text.Length > 1
            && text[0] is 'X' or 'W'
            && int.TryParse(text.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && number <= 30
            ? (number, text[0] == 'X')
            : throw new FormatException(text);
    }

    public static ulong Number(string text)
    {
        text = text.Trim().TrimStart('#');
        bool negative = text.StartsWith('-');
        text = text.TrimStart('-');
        ulong value = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? ulong.Parse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
            : ulong.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
        return negative ? 0 - value : value;
    }

    private static ulong Low(ulong value, int bytes) => bytes == 8 ? value : value & ((1UL << (8 * bytes)) - 1);

    private static ulong Signed(ulong value, int bytes) =>
        (ulong)((long)(value << (64 - (8 * bytes))) >> (64 - (8 * bytes)));

    // "SXTW #2", "LSL #3": what becomes of a register used as the last operand.
    private static Func<ulong, ulong> Modifier(string text)
    {
        string[] words = text.Split((char[])[' ', '#'], StringSplitOptions.RemoveEmptyEntries);
        int amount = words.Length == 2 ? (int)Number(words[1]) : 0;
        return words[0] switch
        {
            "LSL" => value => value << amount,
            "UXTB" => value => Low(value, 1) << amount,
            "UXTH" => value => Low(value, 2) << amount,
            "UXTW" => value => Low(value, 4) << amount,
            "UXTX" => value => value << amount,
            "SXTB" => value => Signed(value, 1) << amount,
            "SXTH" => value => Signed(value, 2) << amount,
            "SXTW" => value => Signed(value, 4) << amount,
            "SXTX" => value => value << amount,
            _ => throw new FormatException(text),
        };
    }

    private static Func<ulong, bool> Condition(string name)
    {
        Func<ulong, bool> positive = name switch
        {
            "EQ" or "NE" => flags => (flags & 4) != 0,
            "CS" or "HS" or "CC" or "LO" => flags => (flags & 2) != 0,
            "MI" or "PL" => flags => (flags & 8) != 0,
            "VS" or "VC" => flags => (flags & 1) != 0,
            "HI" or "LS" => flags => (flags & 6) == 2,
            "GE" or "LT" => flags => ((flags >> 3) & 1) == (flags & 1),
            "GT" or "LE" => flags => (flags & 4) == 0 && ((flags >> 3) & 1) == (flags & 1),
            "AL" => _ => true,
            _ => throw new FormatException(name),
        };
        return name is "NE" or "CC" or "LO" or "PL" or "VC" or "LS" or "LT" or "LE"
            ? flags => !positive(flags)
            : positive;
    }

    private static Instruction? DecodeControl(string name, string[] operands)
    {
        if (name is "NOP" or "YIELD")
        {
            return new Barrier(BarrierKind.None);
        }

        if (name is "DMB" or "DSB")
        {
            string option = operands[0];
            string domain =
                option.Length > 2 && option[^2..] is "LD" or "ST" ? option[..^2]
                : option is "LD" or "ST" ? "SY"
                : option;
            if (domain is not ("SY" or "ISH" or "OSH"))
            {
                throw new OracleRefusal($"it uses {name} {option}, which does not reach all observers");
            }

            bool load = option.EndsWith("LD", StringComparison.Ordinal);
            bool store = option.EndsWith("ST", StringComparison.Ordinal);
            return new Barrier(
                name == "DMB"
                    ? load
                        ? BarrierKind.DmbLoad
                        : store
                            ? BarrierKind.DmbStore
                            : BarrierKind.DmbFull
                    : load
                        ? BarrierKind.DsbLoad
                        : store
                            ? BarrierKind.DsbStore
                            : BarrierKind.DsbFull
            );
        }

        if (name == "ISB")
        {
            return new Barrier(BarrierKind.Isb);
        }

        if (name == "B")
        {
            return new Jump(operands[0], Instruction.Zero, _ => true, false);
        }

        if (name.StartsWith("B.", StringComparison.Ordinal))
        {
            return new Jump(operands[0], Instruction.Flags, Condition(name[2..]), true);
        }

        if (name is "CBZ" or "CBNZ")
        {
            (int register, bool wide) = Register(operands[0]);
            return new Jump(operands[1], register, value => (Low(value, wide ? 8 : 4) == 0) == (name == "CBZ"), true);
        }

        if (name is "TBZ" or "TBNZ")
        {
            int bit = (int)Number(operands[1]);
            return new Jump(
                operands[2],
                Register(operands[0]).Number,
                value => ((value >> bit) & 1) == (name == "TBZ" ? 0UL : 1UL),
                true
            );
        }

        return null;
    }
}
