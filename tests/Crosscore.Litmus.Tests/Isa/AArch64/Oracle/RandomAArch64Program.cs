namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// What a random AArch64 program may contain besides loads, stores, fences and the dependencies between them.
/// </summary>
[Flags]
public enum AArch64Ingredients
{
    Plain = 0,

    /// <summary>SWP, LD&lt;op&gt;, ST&lt;op&gt; and CAS in all their orders.</summary>
    Atomics = 1,

    /// <summary>Load-exclusive and store-exclusive.</summary>
    Exclusives = 2,

    /// <summary>CSEL and its kin, on flags that come from memory.</summary>
    Picks = 4,

    /// <summary>Branches that leave something out.</summary>
    Branches = 8,

    /// <summary>Pairs, pre- and post-index, scaled and extended offsets, in an array.</summary>
    Addressing = 16,

    /// <summary>Accesses of several widths to the same bytes.</summary>
    MixedSizes = 32,

    /// <summary>Loops that end of themselves.</summary>
    Loops = 64,
}

/// <summary>
/// A small random AArch64 test as text. It is made of a seed, which a failure prints, and shrinks by losing lines;
/// labels stay, so that every jump keeps its target. Registers: X0 to X3 are loaded, X4 to X6 computed, X7 to X9 are 1,
/// 2 and 0, X11 to X13 the addresses of x, y and z, X14 and X15 copies that indexing changes.
/// </summary>
public sealed record RandomAArch64Program(
    int Seed,
    AArch64Ingredients Ingredients,
    IReadOnlyList<IReadOnlyList<string>> Columns
)
{
    public string Text => Print();

    public override string ToString() => $"seed {Seed}, {Ingredients}\n{Text}";

    /// <summary>The program of a seed.</summary>
    public static RandomAArch64Program Make(int seed, AArch64Ingredients ingredients)
    {
        var maker = new Maker(new Random(seed), ingredients);
        return new RandomAArch64Program(seed, ingredients, RandomColumns.Make(maker.Chance(30), maker.Column));
    }

    /// <summary>The program with one line less, for each of its lines.</summary>
    public static IEnumerable<RandomAArch64Program> Shrink(RandomAArch64Program program) =>
        RandomColumns.WithoutOneLine(program.Columns).Select(columns => program with { Columns = columns });

    private string Print()
    {
        string[] memory =
            Ingredients.HasFlag(AArch64Ingredients.MixedSizes) ? ["uint64_t x", "uint64_t y", "uint64_t z"]
            : Ingredients.HasFlag(AArch64Ingredients.Addressing) ? ["int x[2]", "int y[2]", "int z[2]"]
            : ["int x", "int y", "int z"];
        string[] registers = ["X7=1", "X8=2", "X9=0", "X11=x", "X12=y", "X13=z", "X14=x", "X15=y"];
        string[] variables =
            Ingredients.HasFlag(AArch64Ingredients.Addressing) && !Ingredients.HasFlag(AArch64Ingredients.MixedSizes)
                ? ["x[0]", "x[1]", "y[0]", "y[1]", "z[0]", "z[1]"]
                : ["x", "y", "z"];
        IEnumerable<string> observed = Columns.SelectMany(
            (_, thread) => Enumerable.Range(0, 7).Select(register => $"{thread}:X{register}")
        );
        return AArch64Text.Write(
            $"Random-{Seed}",
            memory,
            [.. Columns.Select(_ => registers)],
            Columns,
            [.. observed, .. variables]
        );
    }

    private sealed class Maker(Random random, AArch64Ingredients ingredients)
    {
        private readonly List<string> _loaded = [];
        private int _labels;
        private int _next;

        public bool Chance(int percent) => random.Next(100) < percent;

        public List<string> Column(int most)
        {
            _loaded.Clear();
            _next = 0;
            var lines = new List<string>();
            int count = random.Next(2, most + 1);
            if (ingredients.HasFlag(AArch64Ingredients.Loops) && Chance(50))
            {
                Loop(lines);
                count--;
            }

            for (int index = 0; index < count; index++)
            {
                Add(lines);
            }

            return lines;
        }

        private string Pick(params string[] choices) => choices[random.Next(choices.Length)];

        private string Place() => Pick("X11", "X11", "X12", "X12", "X13");

        // Something that came from memory, if there is anything; X0 is zero before the first load.
        private string Loaded() => _loaded.Count > 0 ? _loaded[random.Next(_loaded.Count)] : "W0";

        private string Target()
        {
            string target = $"W{_next++ % 4}";
            _loaded.Add(target);
            return target;
        }

        private string Value() => Chance(25) ? Loaded() : Pick("W7", "W8");

        private bool Has(AArch64Ingredients ingredient) => ingredients.HasFlag(ingredient);

        private void Add(List<string> lines)
        {
            if (Has(AArch64Ingredients.Atomics) && Chance(35))
            {
                Atomic(lines, $"[{Place()}]");
            }
            else if (Has(AArch64Ingredients.Exclusives) && Chance(35))
            {
                Exclusive(lines);
            }
            else if (Has(AArch64Ingredients.Addressing) && Chance(40))
            {
                Addressing(lines);
            }
            else if (Has(AArch64Ingredients.MixedSizes) && Chance(50))
            {
                MixedSize(lines);
            }
            else if (Has(AArch64Ingredients.Branches) && Chance(25))
            {
                string label = $"F{_labels++}";
                lines.Add(
                    Chance(50)
                        ? $"{Pick("CBZ", "CBNZ")} {Loaded()},{label}"
                        : $"TBNZ {Loaded()},#{random.Next(2)},{label}"
                );
                Simple(lines);
                lines.Add(label + ":");
            }
            else
            {
                Simple(lines);
            }
        }

        private void Simple(List<string> lines)
        {
            switch (random.Next(10))
            {
                case 0 or 1:
                    lines.Add($"{Pick("LDR", "LDR", "LDR", "LDAR", "LDAPR")} {Target()},[{Place()}]");
                    break;
                case 2 or 3:
                    lines.Add($"{Pick("STR", "STR", "STR", "STLR")} {Value()},[{Place()}]");
                    break;
                case 4:
                    lines.Add(
                        Pick(
                            "DMB SY",
                            "DMB ISH",
                            "DMB LD",
                            "DMB ISHLD",
                            "DMB ST",
                            "DMB ISHST",
                            "DSB SY",
                            "DSB LD",
                            "DSB ST",
                            "ISB"
                        )
                    );
                    Access(lines, null);
                    break;
                case 5:
                    Control(lines);
                    Access(lines, null);
                    break;
                default:
                    Access(lines, Dependency(lines));
                    break;
            }
        }

        // A register that is zero and depends on something loaded.
        private string? Dependency(List<string> lines)
        {
            string loaded = Loaded();
            if (Has(AArch64Ingredients.Picks) && Chance(50))
            {
                lines.Add($"CMP {loaded},#{random.Next(3)}");
                string other = Chance(30) ? Loaded() : "W9";
                lines.Add(
                    Pick($"CSEL W4,W9,{other},EQ", $"CSEL W4,{other},W9,NE", "CSET W4,LT", $"CSINC W4,W9,{other},GE")
                );
                lines.Add(Pick("EOR W4,W4,W4", "AND W4,W4,#0", "SUB W4,W4,W4"));
            }
            else
            {
                lines.Add(Pick($"EOR W4,{loaded},{loaded}", $"AND W4,{loaded},WZR", $"SUBS W4,{loaded},{loaded}"));
            }

            return "W4";
        }

        private void Control(List<string> lines)
        {
            string label = $"C{_labels++}";
            string loaded = Loaded();
            if (Has(AArch64Ingredients.Picks) && Chance(50))
            {
                lines.AddRange([$"CMP {loaded},#1", "CSEL W5,W7,W8,EQ", $"CBNZ W5,{label}"]);
            }
            else if (Chance(50))
            {
                lines.AddRange([$"CMP {loaded},#1", $"B.{Pick("EQ", "NE", "LO", "GT")} {label}"]);
            }
            else
            {
                lines.Add($"CBZ {loaded},{label}");
            }

            lines.Add(label + ":");
            if (Chance(30))
            {
                lines.Add("ISB");
            }
        }

        // An access whose address or value hangs on a register that is zero, if there is one.
        private void Access(List<string> lines, string? zero)
        {
            string place = Place();
            bool load = Chance(50);
            if (zero is not null && !load && Chance(50))
            {
                lines.Add($"{Pick("ADD", "ORR")} W5,{zero},#{random.Next(1, 3)}");
                lines.Add($"STR W5,[{place}]");
                return;
            }

            string where = zero is null
                ? $"[{place}]"
                : Pick($"[{place},W4,SXTW]", $"[{place},W4,UXTW #2]", $"[{place},X4]");
            lines.Add(load ? $"LDR {Target()},{where}" : $"STR {Value()},{where}");
        }

        private void Atomic(List<string> lines, string where)
        {
            string order = Pick("", "A", "L", "AL");
            switch (random.Next(4))
            {
                case 0:
                    lines.Add($"SWP{order} {Value()},{(Chance(25) ? "WZR" : Target())},{where}");
                    break;
                case 1:
                    lines.Add(
                        Chance(25)
                            ? $"ST{Pick("ADD", "SET", "CLR")}{Pick("", "L")} {Value()},{where}"
                            : $"LD{Pick("ADD", "SET", "EOR", "CLR", "SMAX", "UMIN")}{order} "
                                + $"{Value()},{(Chance(25) ? "WZR" : Target())},{where}"
                    );
                    break;
                case 2:
                    // The compared register is loaded, or what it was before.
                    lines.Add($"CAS{order} {Loaded()},{Value()},{where}");
                    break;
                default:
                    if (Chance(50))
                    {
                        string target = Target();
                        lines.AddRange([$"MOV {target},#{random.Next(2)}", $"CAS{order} {target},{Value()},{where}"]);
                    }
                    else
                    {
                        lines.Add($"CAS{order} WZR,{Value()},{where}");
                    }

                    break;
            }
        }

        private void Exclusive(List<string> lines)
        {
            string place = Place();
            lines.Add($"{Pick("LDXR", "LDAXR")} {Target()},[{place}]");
            if (Chance(25))
            {
                Simple(lines);
            }

            lines.Add($"{Pick("STXR", "STLXR")} W6,{Value()},[{place}]");
            if (Chance(30))
            {
                string label = $"E{_labels++}";
                lines.AddRange([$"CBNZ W6,{label}", label + ":"]);
                Access(lines, null);
            }
        }

        private void Addressing(List<string> lines)
        {
            string register = Pick("X14", "X15");
            switch (random.Next(7))
            {
                case 0:
                    lines.Add($"LDP {Target()},{Target()},[{Place()}]");
                    break;
                case 1:
                    lines.Add($"STP {Value()},{Value()},[{Place()}]");
                    break;
                case 2:
                    lines.Add($"{Pick("LDR", "LDUR")} {Target()},[{Place()},#4]");
                    break;
                case 3:
                    lines.Add($"STR {Value()},[{Place()},W7,UXTW #2]");
                    break;
                case 4:
                    lines.Add(Chance(50) ? $"LDR {Target()},[{register}],#4" : $"STR {Value()},[{register}],#4");
                    lines.Add($"LDR {Target()},[{register},#-4]!");
                    break;
                case 5:
                    lines.Add(
                        Chance(50)
                            ? $"LDIAPP {Target()},{Target()},[{Place()}]"
                            : $"STILP {Value()},{Value()},[{Place()}]"
                    );
                    break;
                default:
                    string loaded = Loaded().Replace('W', 'X');
                    lines.Add($"EOR X4,{loaded},{loaded}");
                    lines.Add($"ADD {register},{register},X4");
                    lines.Add($"STR {Value()},[{register}]");
                    break;
            }
        }

        private void MixedSize(List<string> lines)
        {
            int log = random.Next(4);
            int offset = random.Next(8 >> log) << log;
            string suffix =
                log == 0 ? "B"
                : log == 1 ? "H"
                : "";
            string Name(string register) => log == 3 ? register.Replace('W', 'X') : register;
            string where = $"[{Pick("X11", "X11", "X12")}{(offset == 0 ? "" : $",#{offset}")}]";
            switch (random.Next(offset == 0 ? 5 : 3))
            {
                case 0 or 1:
                    lines.Add($"LDR{suffix} {Name(Target())},{where}");
                    break;
                case 2:
                    lines.Add($"STR{suffix} {Name(Value())},{where}");
                    break;
                case 3:
                    lines.Add($"{Pick("LDAR", "LDAPR")}{suffix} {Name(Target())},{where}");
                    break;
                default:
                    lines.Add($"STLR{suffix} {Name(Value())},{where}");
                    break;
            }
        }

        // Twice round, with an access in each.
        private void Loop(List<string> lines)
        {
            string label = $"R{_labels++}";
            lines.AddRange(["MOV W6,#2", label + ":"]);
            lines.Add(Pick("LDR W0,[X11]", "STR W6,[X12]", "LDADD W7,W0,[X11]", "LDAPR W1,[X12]"));
            lines.AddRange(["SUBS W6,W6,#1", $"B.NE {label}"]);
        }
    }
}
