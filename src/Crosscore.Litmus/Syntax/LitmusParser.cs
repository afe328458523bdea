namespace Crosscore.Litmus.Syntax;

/// <summary>
/// Reads a litmus test in herd's X86_64 format: header, initial state in braces, one column for each thread, then <c>locations</c>, <c>filter</c> and the
/// condition. Nothing is skipped silently: what is not understood is an error with its place.
/// </summary>
public sealed class LitmusParser
{
    private static readonly string[] Sections = ["exists", "forall", "final", "filter", "locations", "not"];

    private readonly LitmusScanner _scanner;
    private readonly InitialState _state;
    private readonly string _file;

    private LitmusParser(string text, string file)
    {
        _file = file;
        _scanner = new LitmusScanner(text, file);
        _state = new InitialState(_scanner);
    }

    /// <summary>Parses a test.</summary>
    /// <param name="text">The content of the file.</param>
    /// <param name="file">Its name, for messages.</param>
    /// <returns>The test.</returns>
    /// <exception cref="LitmusException">The text is no test that this project understands.</exception>
    public static LitmusTest Parse(string text, string file) => new LitmusParser(text, file).ParseTest();

    internal static int? ThreadNumber(Token token) =>
        token.Kind == TokenKind.Name && token.Text.Length > 1 && token.Text[0] == 'P' && int.TryParse(token.Text.AsSpan(1), out int thread)
            ? thread
            : null;

    /// <summary>Reads <c>0:rax</c> or <c>P0:rax</c>.</summary>
    internal static (int Thread, X86Register Register, Token First) ParseRegisterLocation(LitmusScanner scanner)
    {
        Token first = scanner.Next();
        int? thread = first.Kind == TokenKind.Number && first.Value < 1000 ? (int)first.Value : ThreadNumber(first);
        if (thread is null)
        {
            throw scanner.Unexpected(first, "the number of a thread");
        }

        scanner.Expect(":", "between the thread and its register");
        scanner.Accept("%");
        Token name = scanner.Next();
        return name.Kind == TokenKind.Name && X86RegisterNames.TryParse(name.Text, out X86Register register, out _) && register != X86Register.Rsp
            ? (thread.Value, register, first)
            : throw scanner.Unexpected(name, "a general-purpose register such as rax");
    }

    private LitmusTest ParseTest()
    {
        string name = ParseFirstLine();
        string description = "";
        var properties = new Dictionary<string, string>();
        var positions = new Dictionary<string, SourcePosition>();
        while (true)
        {
            if (_scanner.QuotedText() is string quoted)
            {
                description = description.Length == 0 ? quoted : description + " " + quoted;
                continue;
            }

            if (_scanner.HeaderLine(out SourcePosition position) is not string line)
            {
                break;
            }

            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                throw _scanner.Error(position, $"found '{line}', expected a quoted description, a line of the form Key=value, or the initial state in braces");
            }

            // "Expect[linux-5.4 linux-5.10]=..." has its own brackets; a key ends at the first sign of equality.
            properties[line[..equals].Trim()] = line[(equals + 1)..].Trim();
            positions[line[..equals].Trim()] = position;
        }

        _state.Parse();
        List<ColumnBuilder> columns = ParseColumns();
        (int highest, SourcePosition mention) = _state.HighestThread();
        if (highest >= columns.Count)
        {
            throw _scanner.Error(mention, $"found a register of thread {highest}, but the last column is P{columns.Count - 1}");
        }

        var conditions = new ConditionParser(_scanner, _state, columns.Count);
        conditions.Parse();

        List<Variable> variables = _state.Variables();
        List<LitmusThread> threads = columns.ConvertAll(column => column.Build(_scanner, _state.Registers(column.Id)));
        ConditionParser.Result question = conditions.Resolve(variables, threads);
        return new LitmusTest
        {
            File = _file,
            Name = name,
            Description = description,
            Properties = properties,
            PropertyPositions = positions,
            Aliases = _state.Aliases,
            System = TestSystem.Parse(_scanner, properties, positions, threads.Count),
            Variables = variables,
            Threads = threads,
            Observables = question.Observables,
            Filter = question.Filter,
            Quantifier = question.Quantifier,
            Condition = question.Condition,
        };
    }

    private string ParseFirstLine()
    {
        string line = _scanner.HeaderLine(out SourcePosition position)
            ?? throw _scanner.Error(position, "found the initial state, expected the first line: X86_64 and the name of the test");
        string[] words = line.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0 || !words[0].Equals("X86_64", StringComparison.OrdinalIgnoreCase))
        {
            throw _scanner.Error(position, $"found '{(words.Length == 0 ? line : words[0])}', expected the architecture X86_64");
        }

        return words.Length == 2 && words[1].Trim() is { Length: > 0 } name
            ? name
            : throw _scanner.Error(position, "found no name after X86_64, expected the name of the test");
    }

    private sealed class ColumnBuilder(int id)
    {
        private readonly List<X86Instruction> _code = [];
        private readonly Dictionary<string, int> _labels = [];

        public int Id { get; } = id;

        public void Label(LitmusScanner scanner, Token label)
        {
            if (!_labels.TryAdd(label.Text, _code.Count))
            {
                throw scanner.Error(label.Position, $"found the label {label.Text} a second time in column P{Id}");
            }
        }

        public void Add(X86Instruction instruction) => _code.Add(instruction);

        public LitmusThread Build(LitmusScanner scanner, Dictionary<X86Register, InitialValue> registers)
        {
            foreach (X86Instruction instruction in _code)
            {
                if (instruction.Target is string target && !_labels.ContainsKey(target))
                {
                    throw scanner.Error(instruction.Position, $"found a jump to {target}, expected a label of column P{Id}: {string.Join(", ", _labels.Keys)}");
                }
            }

            for (int index = 0; index < _code.Count; index++)
            {
                if (_code[index].Opcode == X86Opcode.Rseq)
                {
                    CheckSection(scanner, index);
                }
            }

            return new LitmusThread { Id = Id, InitialRegisters = registers, Code = _code, Labels = _labels };
        }

        private void CheckSection(LitmusScanner scanner, int index)
        {
            X86Instruction rseq = _code[index];
            foreach (string label in new[] { rseq.SectionEnd!, rseq.SectionAbort! }.Where(label => !_labels.ContainsKey(label)))
            {
                throw scanner.Error(rseq.Position, $"found the label {label}, expected one of column P{Id}: {string.Join(", ", _labels.Keys)}");
            }

            int end = _labels[rseq.SectionEnd!];
            int abort = _labels[rseq.SectionAbort!];
            if (end <= index + 1)
            {
                throw scanner.Error(rseq.Position, $"found a section that ends at {rseq.SectionEnd}, expected a label behind at least one instruction more");
            }

            if (abort > index && abort < end)
            {
                throw scanner.Error(rseq.Position, $"found a section that restarts at {rseq.SectionAbort} within itself, expected a label outside of it");
            }

            if (_code.Take(end).Skip(index + 1).FirstOrDefault(inside => inside.Opcode is X86Opcode.Membarrier or X86Opcode.Syscall or X86Opcode.Rseq) is { } forbidden)
            {
                throw scanner.Error(forbidden.Position, $"found {forbidden} in a restartable section, which the kernel forbids; expected it outside");
            }
        }
    }

    private List<ColumnBuilder> ParseColumns()
    {
        var columns = new List<ColumnBuilder>();
        do
        {
            Token head = _scanner.Next();
            if (ThreadNumber(head) != columns.Count)
            {
                throw _scanner.Unexpected(head, $"P{columns.Count} at the head of a column");
            }

            columns.Add(new ColumnBuilder(columns.Count));
        }
        while (_scanner.Accept("|"));
        _scanner.Expect(";", "after the heads of the columns");

        var instructions = new X86Parser(_scanner, _state);
        while (!AtEndOfProgram())
        {
            ParseRow(columns, instructions);
        }

        return columns;
    }

    private bool AtEndOfProgram()
    {
        Token token = _scanner.Peek();
        if (token.Kind != TokenKind.Name)
        {
            return token.Kind == TokenKind.End || token.Is("~") || token.Is("(");
        }

        // "not exists" is a question, "not %eax" an instruction; a word with a colon is a label, whatever the word.
        return Array.Exists(Sections, token.IsName) && (token.IsName("not") ? _scanner.PeekSecond().IsName("exists") : !_scanner.PeekSecond().Is(":"));
    }

    private void ParseRow(List<ColumnBuilder> columns, X86Parser instructions)
    {
        for (int index = 0; ; index++)
        {
            ParseCell(columns[index], instructions);
            Token separator = _scanner.Next();
            bool last = index == columns.Count - 1;
            if (separator.Is("|") && !last)
            {
                continue;
            }

            if (separator.Is(";") && last)
            {
                return;
            }

            throw _scanner.Unexpected(separator, last ? $"';' after the instruction of the last column, P{index}" : $"'|' before column P{index + 1}");
        }
    }

    private void ParseCell(ColumnBuilder column, X86Parser instructions)
    {
        while (_scanner.Peek() is { Kind: TokenKind.Name } first)
        {
            // A label is a name with a colon; only two tokens tell it from an instruction.
            if (_scanner.PeekSecond().Is(":"))
            {
                _scanner.Next();
                _scanner.Next();
                column.Label(_scanner, first);
                continue;
            }

            column.Add(instructions.Parse());
            return;
        }

        Token next = _scanner.Peek();
        if (!next.Is("|") && !next.Is(";"))
        {
            throw _scanner.Unexpected(next, "an instruction, a label, '|' or ';'");
        }
    }
}
