using System.Globalization;
using System.Text.RegularExpressions;

namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>Reads herd's AArch64 format, as far as it is about data.</summary>
internal sealed partial class OracleReader
{
    private static readonly Dictionary<string, (int Width, bool Signed)> Types = new()
    {
        ["int"] = (4, true),
        ["char"] = (1, true),
        ["short"] = (2, true),
        ["long"] = (8, true),
        ["int8_t"] = (1, true),
        ["int16_t"] = (2, true),
        ["int32_t"] = (4, true),
        ["int64_t"] = (8, true),
        ["uint8_t"] = (1, false),
        ["uint16_t"] = (2, false),
        ["uint32_t"] = (4, false),
        ["uint64_t"] = (8, false),
    };

    private readonly List<OracleVariable> _variables = [];
    private readonly Dictionary<(int Thread, int Register), string> _registers = [];
    private readonly Dictionary<(int Thread, int Register), int> _widths = [];

    [GeneratedRegex(@"\(\*.*?\*\)", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(
        @"^\s*(locations\b|filter\b|exists\b|~\s*exists\b|forall\b|not\s+exists\b)",
        RegexOptions.Multiline
    )]
    private static partial Regex Question();

    [GeneratedRegex(@"^(?:(?<type>\w+)\s+)?(?<thread>\d+)\s*:\s*(?<register>\w+)(?:\s*=\s*(?<value>.+))?$")]
    private static partial Regex RegisterItem();

    [GeneratedRegex(
        @"^(?:(?<type>\w+)\s+)?(?:\[(?<name>\w+)\]|(?<name>\w+))(?:\[(?<count>\d+)\])?(?:\s*=\s*(?<value>.+))?$",
        RegexOptions.Singleline
    )]
    private static partial Regex VariableItem();

    [GeneratedRegex(
        @"\b(TLBI|DC|IC|AT|SVC|HVC|ERET|MSR|MRS|UDF|BR|BLR|ADR)\b|\binstr:|\bPTE\(|\bpteval_t\b|\bins_t\b|\bfault\("
    )]
    private static partial Regex BeyondData();

    public static OracleTest Read(string text) => new OracleReader().ReadTest(text);

    /// <summary>The register of a name, and how many bytes of it the name says.</summary>
    public static int RegisterNumber(string text) => Decoder.Register(text).Number;

    public OracleVariable Variable(string name)
    {
        OracleVariable? variable = _variables.Find(variable => variable.Name == name);
        if (variable is null)
        {
            variable = new OracleVariable(name, NextAddress(), 4, true, false, [0]);
            _variables.Add(variable);
        }

        return variable;
    }

    public int RegisterWidth(int thread, int register) => _widths.GetValueOrDefault((thread, register), 4);

    private ulong NextAddress() => 0x10000 * ((ulong)_variables.Count + 1);

    private OracleTest ReadTest(string text)
    {
        text = Comment().Replace(text, " ");
        int open = text.IndexOf('{', StringComparison.Ordinal);
        if (!text.TrimStart().StartsWith("AArch64", StringComparison.Ordinal) || open < 0)
        {
            throw new OracleRefusal("it is no AArch64 litmus test");
        }

        string[] header = text[..open]
            .Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (
            Array.Find(header, line => line.StartsWith("variant", StringComparison.OrdinalIgnoreCase)) is string variant
        )
        {
            throw new OracleRefusal($"its header asks for {variant}");
        }

        int close = Close(text, open);
        ReadState(text[(open + 1)..close]);
        string rest = text[(close + 1)..];
        Match question = Question().Match(rest);
        if (!question.Success)
        {
            throw new OracleRefusal("it asks no question");
        }

        if (BeyondData().Match(text[open..]) is { Success: true } beyond)
        {
            throw new OracleRefusal($"it uses {beyond.Value}");
        }

        List<(List<Instruction> Code, Dictionary<string, int> Labels)> columns = ReadColumns(rest[..question.Index]);
        var conditions = new ConditionReader(this, rest[question.Index..]);
        conditions.Read();
        return new OracleTest
        {
            Name = header[0][7..].Trim(),
            Threads =
            [
                .. columns.Select(
                    (column, thread) =>
                        new OracleThread(
                            column.Code,
                            column.Labels,
                            _registers
                                .Where(pair => pair.Key.Thread == thread)
                                .ToDictionary(pair => pair.Key.Register, pair => Value(pair.Value))
                        )
                ),
            ],
            Variables = _variables,
            Observables = conditions.Observables,
            Quantifier = conditions.Quantifier,
            Condition = conditions.Condition,
            Filter = conditions.Filter,
        };
    }

    private static int Close(string text, int open)
    {
        int depth = 0;
        for (int index = open; index < text.Length; index++)
        {
            depth +=
                text[index] == '{' ? 1
                : text[index] == '}' ? -1
                : 0;
            if (depth == 0)
            {
                return index;
            }
        }

        throw new OracleRefusal("its initial state has no end");
    }

    private void ReadState(string state)
    {
        foreach (
            string item in state.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
        )
        {
            if (RegisterItem().Match(item) is { Success: true } register)
            {
                (int, int) key = (
                    int.Parse(register.Groups["thread"].Value, CultureInfo.InvariantCulture),
                    RegisterNumber(register.Groups["register"].Value)
                );
                if (register.Groups["type"].Success)
                {
                    _widths[key] = Type(register.Groups["type"].Value).Width;
                }

                if (register.Groups["value"].Success)
                {
                    _registers[key] = register.Groups["value"].Value;
                }
            }
            else if (VariableItem().Match(item) is { Success: true } variable)
            {
                ReadVariable(variable);
            }
            else
            {
                throw new OracleRefusal($"its initial state says {item}");
            }
        }

        // Variables that are only mentioned, as the address in a register.
        foreach (string value in _registers.Values)
        {
            Value(value);
        }
    }

    private void ReadVariable(Match item)
    {
        (int width, bool signed) = item.Groups["type"].Success ? Type(item.Groups["type"].Value) : (4, true);
        string value = item.Groups["value"].Value.Trim();
        bool array = item.Groups["count"].Success;
        ulong[] initial = array ? new ulong[int.Parse(item.Groups["count"].Value, CultureInfo.InvariantCulture)] : [0];
        string[] values = value.Length == 0 ? [] : value.Trim('{', '}').Split(',');
        for (int index = 0; index < values.Length; index++)
        {
            initial[index] = Decoder.Number(values[index]);
        }

        _variables.Add(new OracleVariable(item.Groups["name"].Value, NextAddress(), width, signed, array, initial));
    }

    private static (int Width, bool Signed) Type(string name) =>
        Types.TryGetValue(name, out (int, bool) type) ? type : throw new OracleRefusal($"it uses the type {name}");

    private ulong Value(string text)
    {
        text = text.Trim();
        if (text.Contains(':', StringComparison.Ordinal))
        {
            throw new OracleRefusal($"its initial state says {text}, the address of code");
        }

        return char.IsDigit(text[0]) || text[0] == '-' ? Decoder.Number(text)
            : text.All(letter => char.IsLetterOrDigit(letter) || letter == '_') ? Variable(text).Address
            : throw new OracleRefusal($"its initial state says {text}");
    }

    private static List<(List<Instruction> Code, Dictionary<string, int> Labels)> ReadColumns(string program)
    {
        string[] rows = program.Split(';');
        int count = rows[0].Split('|').Length;
        List<(List<Instruction> Code, Dictionary<string, int> Labels)> columns =
        [
            .. Enumerable.Range(0, count).Select(_ => (new List<Instruction>(), new Dictionary<string, int>())),
        ];
        foreach (string row in rows[1..])
        {
            string[] cells = row.Split('|');
            for (int index = 0; index < Math.Min(cells.Length, count); index++)
            {
                string cell = cells[index].Trim();
                while (cell.IndexOf(':', StringComparison.Ordinal) is int colon && colon >= 0)
                {
                    columns[index].Labels.Add(cell[..colon].Trim().ToUpperInvariant(), columns[index].Code.Count);
                    cell = cell[(colon + 1)..].Trim();
                }

                if (cell.Length > 0)
                {
                    columns[index].Code.Add(Decoder.Decode(cell));
                }
            }
        }

        foreach ((List<Instruction> code, Dictionary<string, int> labels) in columns)
        {
            if (code.OfType<Jump>().FirstOrDefault(jump => !labels.ContainsKey(jump.Label)) is Jump jump)
            {
                throw new OracleRefusal($"it jumps to {jump.Label}, which is no label");
            }
        }

        return columns;
    }
}
