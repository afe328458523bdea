namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// The classic shapes, each thread one or two accesses, with every combination of what may lie between the two:
/// nothing, fences, dependencies, acquires and releases, atomics in place of loads and stores.
/// </summary>
internal static class AArch64Cycles
{
    // Threads separated by spaces; accesses by their direction and location. A location written twice gets 1 and 2, so
    // that the order shows.
    private static readonly (string Name, string Threads)[] Shapes =
    [
        ("MP", "WxWy RyRx"),
        ("SB", "WxRy WyRx"),
        ("LB", "RxWy RyWx"),
        ("S", "WxWy RyWx"),
        ("R", "WxWy WyRx"),
        ("2+2W", "WxWy WyWx"),
        ("WRC", "Wx RxWy RyRx"),
        ("RWC", "Wx RxRy WyRx"),
        ("WWC", "Wx RxWy RyWx"),
        ("ISA2", "WxWy RyWz RzRx"),
        ("Z6.1", "WxWy WyWz RzWx"),
        ("Z6.3", "WxWy WyWz RzRx"),
        ("W+RWC", "WxWy RyRz WzRx"),
        ("3.LB", "RxWy RyWz RzWx"),
        ("3.SB", "WxRy WyRz WzRx"),
        ("3.2W", "WxWy WyWz WzWx"),
        ("IRIW", "Wx RxRy Wy RyRx"),
        ("CoRR", "Wx RxRx"),
        ("CoRW", "Wx RxWx"),
        ("CoWR", "Wx WxRx"),
    ];

    private static readonly string[] Between =
    [
        "po",
        "sy",
        "ld",
        "st",
        "dsb.st",
        "rel",
        "acq",
        "acqpc",
        "addr",
        "data",
        "ctrl",
        "ctrl-isb",
        "pick-data",
        "pick-addr",
        "pick-ctrl",
        "pick-isb",
        "swp",
        "swpal",
        "cas",
        "ldadda",
        "lxsx",
        "rfi-addr",
        "rfi-data",
        "ldxr",
        "cas-first",
        "cas-first-st",
    ];

    /// <summary>The name and text of each test.</summary>
    /// <param name="mostOfShape">How many of a shape; those of larger ones are spread over all combinations.</param>
    public static IEnumerable<(string Name, string Text)> All(int mostOfShape)
    {
        foreach ((string name, string threads) in Shapes)
        {
            string[] columns = threads.Split(' ');
            string[][] kinds =
            [
                .. columns.Select(column =>
                    column.Length == 4 ? [.. Between.Where(kind => Fits(kind, column))] : (string[])["po"]
                ),
            ];
            long combinations = kinds.Aggregate(1L, (product, kind) => product * kind.Length);

            // A step that shares no factor with the number of combinations visits none twice; a prime above all factors
            // does.
            long step = combinations <= mostOfShape ? 1 : 7_919;
            for (
                long taken = 0, at = 0;
                taken < Math.Min(combinations, mostOfShape);
                taken++, at = (at + step) % combinations
            )
            {
                long rest = at;
                string[] chosen = new string[columns.Length];
                for (int index = 0; index < columns.Length; index++)
                {
                    chosen[index] = kinds[index][(int)(rest % kinds[index].Length)];
                    rest /= kinds[index].Length;
                }

                string title = $"{name}+{string.Join('+', chosen.Where((_, index) => columns[index].Length == 4))}";
                yield return (title, Write(title, columns, chosen));
            }
        }
    }

    private static bool Fits(string kind, string column)
    {
        bool fromRead = column[0] == 'R';
        bool toRead = column[2] == 'R';
        return kind switch
        {
            "acq"
            or "acqpc"
            or "addr"
            or "ctrl"
            or "ctrl-isb"
            or "pick-addr"
            or "pick-ctrl"
            or "pick-isb"
            or "ldxr"
            or "cas-first"
            or "cas-first-st" => fromRead,
            "data" or "pick-data" => fromRead && !toRead,
            "rfi-addr" or "rfi-data" => fromRead && column[1] != column[3],
            "rel" => !fromRead || !toRead,
            "lxsx" => !toRead,
            _ => true,
        };
    }

    private static string Write(string title, string[] columns, string[] kinds)
    {
        var written = new Dictionary<char, int>();
        var code = new List<IReadOnlyList<string>>();
        for (int thread = 0; thread < columns.Length; thread++)
        {
            code.Add(Column(columns[thread], kinds[thread], written));
        }

        char[] variables = [.. columns.SelectMany(column => column).Where(char.IsLower).Distinct().Order()];
        string[] registers = ["X11=x", "X12=y", "X13=z", "X14=w", "X7=1", "X8=2", "X9=3", "X10=4"];
        IEnumerable<string> observed = columns.SelectMany(
            (_, thread) => new[] { $"{thread}:X0", $"{thread}:X1", $"{thread}:X5" }
        );
        return AArch64Text.Write(
            title,
            ["int x", "int y", "int z", "int w"],
            [.. columns.Select(_ => registers)],
            code,
            [.. observed, .. variables.Select(variable => variable.ToString())]
        );
    }

    private static List<string> Column(string column, string kind, Dictionary<char, int> written)
    {
        var lines = new List<string>();
        string Value(char variable) => $"W{7 + (written[variable] = written.GetValueOrDefault(variable) + 1) - 1}";
        string Place(char variable) => $"X{11 + "xyzw".IndexOf(variable, StringComparison.Ordinal)}";
        char second = column.Length == 4 ? column[2] : ' ';
        string to = column.Length == 4 ? Place(column[3]) : "";
        string where = $"[{to}]";
        string? source = null;

        bool first = column[0] == 'R';
        string at = $"[{Place(column[1])}]";
        lines.Add(
            first
                ? kind.StartsWith("cas-first", StringComparison.Ordinal)
                    ? $"CAS W0,W10,{at}"
                    : $"{(kind is "acq" ? "LDAR" : kind is "acqpc" ? "LDAPR" : kind is "ldxr" ? "LDXR" : "LDR")} "
                        + $"W0,{at}"
                : $"{(kind is "rel" && second == 'R' ? "STLR" : "STR")} {Value(column[1])},{at}"
        );
        switch (kind)
        {
            case "sy":
                lines.Add("DMB SY");
                break;
            case "ld":
                lines.Add("DMB ISHLD");
                break;
            case "st" or "cas-first-st":
                lines.Add("DMB ST");
                break;
            case "dsb.st":
                lines.Add("DSB ISHST");
                break;
            case "addr":
                lines.Add("EOR W5,W0,W0");
                where = $"[{to},W5,SXTW]";
                break;
            case "data":
                lines.Add("EOR W5,W0,W0");
                source = $"ADD W5,W5,{Value(column[3])}";
                break;
            case "ctrl" or "ctrl-isb":
                lines.AddRange(["CBNZ W0,L", "L:"]);
                break;
            case "pick-data":
                string value = Value(column[3]);
                lines.Add("CMP W0,#1");
                source = $"CSEL W5,{value},{value},EQ";
                break;
            case "pick-addr":
                lines.AddRange(["CMP W0,#1", "CSEL W5,WZR,WZR,EQ"]);
                where = $"[{to},W5,SXTW]";
                break;
            case "pick-ctrl" or "pick-isb":
                lines.AddRange(["CMP W0,#1", "CSEL W5,W7,W8,EQ", "CBNZ W5,L", "L:"]);
                break;
            case "rfi-data":
                lines.AddRange(["EOR W5,W0,W0", "ADD W5,W5,#1", "STR W5,[X14]", "LDR W5,[X14]", "EOR W5,W5,W5"]);
                where = $"[{to},W5,SXTW]";
                break;
            case "rfi-addr":
                lines.AddRange(["EOR W5,W0,W0", "STR W7,[X14,W5,SXTW]", "LDR W5,[X14]", "EOR W5,W5,W5"]);
                where = $"[{to},W5,SXTW]";
                break;
        }

        if (kind is "ctrl-isb" or "pick-isb")
        {
            lines.Add("ISB");
        }

        if (second == ' ')
        {
            return lines;
        }

        if (source is not null)
        {
            lines.AddRange([source, $"STR W5,{where}"]);
            return lines;
        }

        string operand =
            kind is "swp" or "swpal" or "cas" or "ldadda" && second == 'R' ? "W9"
            : second == 'R' ? ""
            : Value(column[3]);
        lines.AddRange(
            kind switch
            {
                "swp" => [$"SWP {operand},W1,{where}"],
                "swpal" => [$"SWPAL {operand},W1,{where}"],
                "cas" => [$"CAS W1,{operand},{where}"],
                "ldadda" => [$"LDADDA {operand},W1,{where}"],
                "lxsx" => [$"LDXR W1,{where}", $"STXR W5,{operand},{where}"],
                "rel" => [second == 'R' ? $"LDAR W1,{where}" : $"STLR {operand},{where}"],
                _ => (string[])[second == 'R' ? $"LDR W1,{where}" : $"STR {operand},{where}"],
            }
        );
        return lines;
    }
}
