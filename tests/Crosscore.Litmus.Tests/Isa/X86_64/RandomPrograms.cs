using System.Text;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using FsCheck;
using FsCheck.Fluent;

namespace Crosscore.Litmus.Tests.Isa.X86_64;

/// <summary>What a random program may contain.</summary>
[Flags]
public enum Ingredients
{
    /// <summary>Moves, fences, exchanges, locked and unlocked read-modify-writes, arithmetic, forward jumps.</summary>
    Plain = 0,

    /// <summary>Accesses of several widths to the same bytes.</summary>
    MixedSizes = 1,

    /// <summary>Backward jumps around instructions that leave a finite number of states.</summary>
    Loops = 2,

    /// <summary>The membarrier call, in any column.</summary>
    Membarrier = 4,

    /// <summary>Accesses through registers that hold addresses.</summary>
    Pointers = 8,
}

/// <summary>
/// A small random test, as text: so each one goes through the parser and the lowering as well. It is made of a seed,
/// which a failure prints, and shrinks by losing lines; labels stay, so that every jump keeps its target.
/// </summary>
public sealed record RandomProgram(int Seed, Ingredients Ingredients, IReadOnlyList<IReadOnlyList<string>> Columns)
{
    private static readonly string[] Registers = ["rax", "rbx", "rcx", "rdx"];

    public string Text => Print();

    internal LitmusTest Parse() => LitmusParser.Parse(Text, $"seed-{Seed}.litmus");

    public override string ToString() => $"seed {Seed}, {Ingredients}\n{Text}";

    /// <summary>Random programs with their shrinker.</summary>
    public static Arbitrary<RandomProgram> Arbitrary(Ingredients ingredients) =>
        Arb.From(Gen.Choose(0, int.MaxValue - 1).Select(seed => Make(seed, ingredients)), Shrink);

    /// <summary>The program of a seed.</summary>
    public static RandomProgram Make(int seed, Ingredients ingredients)
    {
        var maker = new Maker(new Random(seed), ingredients);
        return new RandomProgram(seed, ingredients, RandomColumns.Make(maker.Chance(30), maker.Column));
    }

    private static IEnumerable<RandomProgram> Shrink(RandomProgram program) =>
        RandomColumns.WithoutOneLine(program.Columns).Select(columns => program with { Columns = columns });

    private string Print()
    {
        var text = new StringBuilder("X86_64 Random\n{");
        text.Append(
            Ingredients.HasFlag(Ingredients.MixedSizes)
                ? " uint64_t x=0x0102030405060708; uint32_t y;"
                : " int x; int y;"
        );
        for (int thread = 0; thread < Columns.Count; thread++)
        {
            foreach (string register in Registers)
            {
                text.Append(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $" uint64_t {thread}:{register}{(register == "rbx" ? "=0x1122334455667788" : "")};"
                );
            }

            text.Append(
                System.Globalization.CultureInfo.InvariantCulture,
                $" {thread}:rsi={(thread == 0 ? "x" : "y")};"
            );
        }

        text.Append(" }\n");
        text.AppendJoin(" | ", Columns.Select((_, thread) => $"P{thread}")).Append(" ;\n");
        for (int row = 0; row < Columns.Max(column => column.Count); row++)
        {
            text.AppendJoin(" | ", Columns.Select(column => row < column.Count ? column[row] : "")).Append(" ;\n");
        }

        text.Append("locations [")
            .AppendJoin(";", Columns.SelectMany((_, thread) => Registers.Select(register => $"{thread}:{register}")))
            .Append(";x;y]\nforall true\n");
        return text.ToString();
    }

    private sealed class Maker(Random random, Ingredients ingredients)
    {
        private static readonly string[] Suffixes = ["b", "w", "l", "q"];
        private static readonly string[][] Names =
        [
            ["al", "ax", "eax", "rax"],
            ["bl", "bx", "ebx", "rbx"],
            ["cl", "cx", "ecx", "rcx"],
            ["dl", "dx", "edx", "rdx"],
        ];

        private static readonly string[] ConditionNames =
        [
            "e",
            "ne",
            "b",
            "ae",
            "a",
            "be",
            "s",
            "ns",
            "l",
            "ge",
            "g",
            "le",
            "o",
            "no",
        ];
        private int _labels;

        public bool Chance(int percent) => random.Next(100) < percent;

        public List<string> Column(int most)
        {
            var lines = new List<string>();
            int count = random.Next(2, most + 1);
            if (ingredients.HasFlag(Ingredients.Loops) && Chance(70))
            {
                Loop(lines);
                count--;
            }

            for (int index = 0; index < count; index++)
            {
                Straight(lines);
            }

            return lines;
        }

        private string Pick(params string[] choices) => choices[random.Next(choices.Length)];

        private int Log() => ingredients.HasFlag(Ingredients.MixedSizes) ? random.Next(4) : 2;

        private string Register(int log) => "%" + Names[random.Next(4)][log];

        private string Constant(int log) =>
            "$"
            + (
                log == 0 ? Pick("1", "2", "-1", "0x7f")
                : log == 1 ? Pick("1", "0x0201")
                : Pick("1", "2", "1", "2", "-1", "0x04030201")
            );

        private string Memory(int log)
        {
            if (ingredients.HasFlag(Ingredients.Pointers) && log == 2 && Chance(40))
            {
                return "(%rsi)";
            }

            bool x = Chance(50) || log == 3;
            int offset = !ingredients.HasFlag(Ingredients.MixedSizes) ? 0 : random.Next((x ? 8 : 4) - (1 << log) + 1);
            return (offset == 0 ? "" : offset.ToString(System.Globalization.CultureInfo.InvariantCulture))
                + (x ? "(x)" : "(y)");
        }

        // A loop must leave a finite number of states, and of waiting stores: no counting, and no store without a fence
        // behind it.
        private void Loop(List<string> lines)
        {
            string label = $"L{_labels++}";
            lines.Add(label + ":");
            lines.Add(
                Pick(
                    "movl (x),%eax",
                    "movl (y),%eax",
                    "xchgl %eax,(x)",
                    "movl (x),%ecx",
                    "lock; xorl $1,(y)",
                    "xorl $1,%ecx"
                )
            );
            if (Chance(40))
            {
                lines.Add(Pick("movl $1,(y)", "movl $1,(x)", "movl %eax,(y)"));
                lines.Add("mfence");
            }

            lines.Add(Pick("cmpl $1,%eax", "testl %eax,%eax", "cmpl $0,%ecx", "cmpl $1,(x)"));
            lines.Add($"j{Pick("e", "ne")} {label}");
        }

        private void Straight(List<string> lines)
        {
            int log = Log();
            string suffix = Suffixes[log];
            switch (random.Next(ingredients.HasFlag(Ingredients.Membarrier) ? 24 : 20))
            {
                case 0 or 1 or 2 or 3:
                    lines.Add($"mov{suffix} {(log == 3 ? Register(log) : Constant(log))},{Memory(log)}");
                    break;
                case 4 or 5 or 6 or 7:
                    lines.Add($"mov{suffix} {Memory(log)},{Register(log)}");
                    break;
                case 8:
                    lines.Add($"mov{suffix} {Register(log)},{Memory(log)}");
                    break;
                case 9:
                    lines.Add(Pick("mfence", "mfence", "sfence", "lfence"));
                    break;
                case 10:
                    lines.Add($"xchg{suffix} {Register(log)},{Memory(log)}");
                    break;
                case 11:
                    lines.Add(
                        $"lock; {Pick("add", "sub", "xor", "and", "or")}{suffix} "
                            + $"{(log == 3 ? "$1" : Constant(log))},{Memory(log)}"
                    );
                    break;
                case 12:
                    lines.Add($"{Pick("lock; ", "lock; ", "")}xadd{suffix} {Register(log)},{Memory(log)}");
                    break;
                case 13:
                    lines.Add($"{Pick("lock; ", "lock; ", "")}cmpxchg{suffix} {Register(log)},{Memory(log)}");
                    break;
                case 14:
                    lines.Add($"{Pick("inc", "dec", "neg", "not", "lock; inc")}{suffix} {Memory(log)}");
                    break;
                case 15:
                    lines.Add($"{Pick("add", "sub", "and", "or", "xor")}{suffix} {Memory(log)},{Register(log)}");
                    break;
                case 16:
                    lines.Add($"{Pick("add", "sub", "cmp", "xor", "test")}{suffix} {Register(log)},{Register(log)}");
                    lines.Add($"{Pick("set", "set")}{Pick(ConditionNames)} {Register(0)}");
                    break;
                case 17:
                    lines.Add($"{Pick("inc", "dec", "neg", "not")}{suffix} {Register(log)}");
                    break;
                case 18:
                    lines.Add($"cmp{suffix} {(log == 3 ? "$1" : Constant(log))},{Memory(log)}");
                    lines.Add(
                        Chance(50)
                            ? $"cmov{Pick(ConditionNames)}l {Register(2)},{Register(2)}"
                            : $"set{Pick(ConditionNames)} {Register(0)}"
                    );
                    break;
                case 19:
                    string label = $"F{_labels++}";
                    lines.Add($"cmp{suffix} {(log == 3 ? "$1" : Constant(log))},{Register(log)}");
                    lines.Add($"j{Pick(ConditionNames)} {label}");
                    Straight(lines);
                    lines.Add(label + ":");
                    break;
                default:
                    lines.Add(
                        "membarrier "
                            + Pick(
                                "private_expedited",
                                "global",
                                "MEMBARRIER_CMD_GLOBAL_EXPEDITED",
                                "private_expedited_sync_core"
                            )
                    );
                    break;
            }
        }
    }
}
