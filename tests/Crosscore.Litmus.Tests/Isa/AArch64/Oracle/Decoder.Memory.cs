using System.Text.RegularExpressions;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>Loads, stores, exclusives and atomics.</summary>
internal static partial class Decoder
{
    [GeneratedRegex("^(LD|ST)(ADD|CLR|EOR|SET|SMAX|SMIN|UMAX|UMIN)(A|L|AL|)(B|H|)$")]
    private static partial Regex AtomicName();

    [GeneratedRegex("^(SWP|CAS)(A|L|AL|)(B|H|)$")]
    private static partial Regex SwapName();

    private static Instruction? DecodeMemory(string name, string[] operands)
    {
        if (name is "LDP" or "LDNP" or "LDIAPP" or "STP" or "STNP" or "STILP")
        {
            (int first, bool wide) = Register(operands[0]);
            int second = Register(operands[1]).Number;
            Address where = Where(operands[2..]);
            int size = wide ? 8 : 4;
            return name[0] == 'L'
                ? new Load(
                    [first, second],
                    where,
                    size,
                    value => value,
                    name == "LDIAPP" ? Annotation.AcquirePc : Annotation.None,
                    false,
                    name == "LDIAPP"
                )
                : new Store(
                    [first, second],
                    where,
                    size,
                    name == "STILP" ? Annotation.Release : Annotation.None,
                    name == "STILP"
                );
        }

        string kind = name.TrimEnd('B', 'H');
        if (
            kind
            is not (
                "LDR"
                or "LDUR"
                or "LDRS"
                or "LDURS"
                or "LDRSW"
                or "LDURSW"
                or "LDAR"
                or "LDAPR"
                or "LDXR"
                or "LDAXR"
                or "STR"
                or "STUR"
                or "STLR"
                or "STXR"
                or "STLXR"
            )
        )
        {
            return null;
        }

        // The status register of a store-exclusive comes first.
        int data =
            name.StartsWith("STXR", StringComparison.Ordinal) || name.StartsWith("STLXR", StringComparison.Ordinal)
                ? 1
                : 0;
        int width =
            name.EndsWith('B') ? 1
            : name.EndsWith('H') ? 2
            : name is not ("LDRSW" or "LDURSW") && Register(operands[data]).Wide ? 8
            : 4;
        switch (kind)
        {
            case "LDR" or "LDUR" or "LDRS" or "LDURS" or "LDRSW" or "LDURSW":
                bool signed = kind.Contains('S', StringComparison.Ordinal);
                bool wide = Register(operands[0]).Wide;
                return new Load(
                    [Register(operands[0]).Number],
                    Where(operands[1..]),
                    width,
                    signed ? value => Low(Signed(value, width), wide ? 8 : 4) : value => value,
                    Annotation.None,
                    false,
                    false
                );
            case "LDAR" or "LDAPR" or "LDXR" or "LDAXR":
                Annotation acquire = kind switch
                {
                    "LDAR" or "LDAXR" => Annotation.Acquire,
                    "LDAPR" => Annotation.AcquirePc,
                    _ => Annotation.None,
                };
                return new Load(
                    [Register(operands[0]).Number],
                    Where(operands[1..]),
                    width,
                    value => value,
                    acquire,
                    kind is "LDXR" or "LDAXR",
                    false
                );
            case "STR" or "STUR" or "STLR":
                return new Store(
                    [Register(operands[0]).Number],
                    Where(operands[1..]),
                    width,
                    kind == "STLR" ? Annotation.Release : Annotation.None,
                    false
                );
            default:
                return new StoreExclusive(
                    Register(operands[0]).Number,
                    Register(operands[1]).Number,
                    Where(operands[2..]),
                    width,
                    kind == "STLXR" ? Annotation.Release : Annotation.None
                );
        }
    }

    private static Instruction? DecodeAtomic(string name, string[] operands)
    {
        Match match = SwapName().Match(name);
        bool operation = !match.Success;
        if (operation && !(match = AtomicName().Match(name)).Success)
        {
            return null;
        }

        bool store = match.Groups[1].Value == "ST";
        string order = match.Groups[operation ? 3 : 2].Value;
        string narrow = match.Groups[operation ? 4 : 3].Value;
        (int operand, bool wide) = Register(operands[0]);
        int other = store ? Instruction.Zero : Register(operands[1]).Number;
        int size =
            narrow == "B" ? 1
            : narrow == "H" ? 2
            : wide ? 8
            : 4;
        Annotation annotation =
            (order.Contains('A', StringComparison.Ordinal) ? Annotation.Acquire : 0)
            | (order.Contains('L', StringComparison.Ordinal) ? Annotation.Release : 0);
        Address where = Where(operands[(store ? 1 : 2)..]);
        if (match.Groups[1].Value == "CAS")
        {
            return new CompareSwap(operand, other, where, size, annotation);
        }

        if (match.Groups[1].Value == "SWP")
        {
            return new Atomic(operand, other, where, size, (_, value) => Low(value, size), true, annotation);
        }

        Func<ulong, ulong, ulong> update = match.Groups[2].Value switch
        {
            "ADD" => (old, value) => old + value,
            "CLR" => (old, value) => old & ~value,
            "EOR" => (old, value) => old ^ value,
            "SET" => (old, value) => old | value,
            "SMAX" => (old, value) => (ulong)Math.Max((long)Signed(old, size), (long)Signed(value, size)),
            "SMIN" => (old, value) => (ulong)Math.Min((long)Signed(old, size), (long)Signed(value, size)),
            "UMAX" => (old, value) => Math.Max(Low(old, size), Low(value, size)),
            _ => (old, value) => Math.Min(Low(old, size), Low(value, size)),
        };
        return new Atomic(
            operand,
            other,
            where,
            size,
            (old, value) => Low(update(old, value), size),
            false,
            annotation
        );
    }

    // [Xn], [Xn,#k], [Xn,#k]!, [Xn],#k, [Xn,Xm,LSL #k], [Xn,Wm,SXTW #k].
    private static Address Where(string[] operands)
    {
        string inside = operands[0];
        bool before = inside.EndsWith('!');
        inside = inside.TrimEnd('!').Trim();
        if (!inside.StartsWith('[') || !inside.EndsWith(']'))
        {
            throw new FormatException(inside);
        }

        string[] parts = inside[1..^1].Split(',', StringSplitOptions.TrimEntries);
        (int start, bool wide) = Register(parts[0]);
        if (!wide)
        {
            throw new FormatException(inside);
        }

        if (operands.Length == 2)
        {
            return Address.Of(start) with { WriteBack = (long)Number(operands[1]) };
        }

        if (parts.Length == 1)
        {
            return Address.Of(start);
        }

        if (parts[1].StartsWith('#'))
        {
            long offset = (long)Number(parts[1]);
            return Address.Of(start) with { Offset = offset, WriteBack = before ? offset : null };
        }

        return new Address(
            start,
            Register(parts[1]).Number,
            parts.Length == 3 ? Modifier(parts[2]) : value => value,
            0,
            null
        );
    }
}
