using Crosscore.Litmus.Syntax.AArch64;

namespace Crosscore.Litmus.Syntax;

/// <summary>
/// Reads a litmus test in herd's X86_64 or AArch64 format: header, initial state in braces, one column for each thread,
/// then <c>locations</c>, <c>filter</c> and the condition. Nothing is skipped silently: what is not understood is an
/// error with its place.
/// </summary>
public sealed class LitmusParser
{
    private static readonly string[] Sections = ["exists", "forall", "final", "filter", "locations", "not"];

    private readonly LitmusScanner _scanner;
    private readonly InitialState _state;
    private readonly string _file;

    private readonly Architecture _architecture;
    private readonly string _name;

    private LitmusParser(string text, string file)
    {
        _file = file;
        _scanner = new LitmusScanner(text, file);
        (_architecture, _name) = ParseFirstLine();
        _state = new InitialState(_scanner, _architecture);
    }

    /// <summary>Parses a test.</summary>
    /// <param name="text">The content of the file.</param>
    /// <param name="file">Its name, for messages.</param>
    /// <returns>The test.</returns>
    /// <exception cref="LitmusException">The text is no test that this project understands.</exception>
    public static LitmusTest Parse(string text, string file) => new LitmusParser(text, file).ParseTest();

    internal static int? ThreadNumber(Token token) =>
        token.Kind == TokenKind.Name
        && token.Text.Length > 1
        && token.Text[0] == 'P'
        && int.TryParse(token.Text.AsSpan(1), out int thread)
            ? thread
            : null;

    /// <summary>Reads <c>0:rax</c> or <c>P0:rax</c>.</summary>
    internal static (int Thread, TestRegister Register, Token First) ParseRegisterLocation(
        LitmusScanner scanner,
        Architecture architecture
    )
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
        if (architecture == Architecture.AArch64)
        {
            return
                name.Kind == TokenKind.Name
                && ArmParser.TryRegister(name.Text, out int number, out _)
                && number != ArmRegister.Zero
                ? (thread.Value, new TestRegister(architecture, number), first)
                : throw scanner.Unexpected(name, "a general register such as X0");
        }

        return
            name.Kind == TokenKind.Name
            && X86RegisterNames.TryParse(name.Text, out X86Register register, out _)
            && register != X86Register.Rsp
            ? (thread.Value, register, first)
            : throw scanner.Unexpected(name, "a general-purpose register such as rax");
    }

    private LitmusTest ParseTest()
    {
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
                throw _scanner.Error(
                    position,
                    $"found '{line}', expected a quoted description, a line "
                        + "of the form Key=value, or the initial state in braces"
                );
            }

            // "Expect[linux-5.4 linux-5.10]=..." has its own brackets; a key ends at the first sign of equality.
            properties[line[..equals].Trim()] = line[(equals + 1)..].Trim();
            positions[line[..equals].Trim()] = position;
        }

        _state.Parse();
        List<ColumnBuilder> columns = ParseColumns();
        _state.JoinCode(name =>
            columns.Find(column => column.Find(name) is not null) is ColumnBuilder column
                ? $"P{column.Id}:{name}"
                : null
        );
        _state.ResolveLabels(label => AddressOfLabel(columns, label));
        NoteAccesses(columns);
        (int highest, SourcePosition mention) = _state.HighestThread();
        if (highest >= columns.Count)
        {
            throw _scanner.Error(
                mention,
                $"found a register of thread {highest}, but the last column is P{columns.Count - 1}"
            );
        }

        _state.Close();
        var conditions = new ConditionParser(_scanner, _state, _architecture, columns.Count);
        conditions.Parse();
        _state.CheckLabels();

        List<Variable> variables = _state.Variables();
        List<LitmusThread> threads = columns.ConvertAll(column => column.Build(_scanner, _state.Registers(column.Id)));
        ConditionParser.Result question = conditions.Resolve(variables, threads);
        return new LitmusTest
        {
            File = _file,
            Architecture = _architecture,
            Name = _name,
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
            WholeArrays = question.WholeArrays,
            NamedElements = question.NamedElements,
        };
    }

    // An undeclared location is as wide as what accesses it by the register that it starts in.
    private void NoteAccesses(List<ColumnBuilder> columns)
    {
        foreach (ColumnBuilder column in columns)
        {
            Dictionary<TestRegister, InitialValue> registers = _state.Registers(column.Id);
            foreach (ArmInstruction instruction in column.ArmCode)
            {
                if (
                    instruction.Operands.OfType<ArmMemory>().FirstOrDefault() is ArmMemory memory
                    && instruction.Mnemonic.AccessWidth == 0
                    && instruction.Opcode != ArmOpcode.Nop
                    && registers.TryGetValue(
                        new TestRegister(_architecture, memory.Base.Number),
                        out InitialValue value
                    )
                    && value.AddressOf is string name
                )
                {
                    ArmRegister data = (ArmRegister)
                        instruction.Operands[instruction.Opcode == ArmOpcode.StoreExclusive ? 1 : 0];
                    _state.Mention(name, instruction.Position, data.Width);
                }
            }
        }
    }

    private static ulong? AddressOfLabel(List<ColumnBuilder> columns, string label)
    {
        string[] parts = label.Split(':', 2);
        return
            parts.Length == 2
            && int.TryParse(parts[0].AsSpan(1), out int thread)
            && thread < columns.Count
            && columns[thread].Find(parts[1]) is int index
            ? CodeLayout.AddressOf(thread, index)
            : null;
    }

    private (Architecture Architecture, string Name) ParseFirstLine()
    {
        string line =
            _scanner.HeaderLine(out SourcePosition position)
            ?? throw _scanner.Error(
                position,
                "found the initial state, expected the first line: X86_64 or AArch64, and the name of the test"
            );
        string[] words = line.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries);
        if (
            words.Length == 0
            || !Enum.TryParse(words[0], ignoreCase: true, out Architecture architecture)
            || !Enum.IsDefined(architecture)
            || char.IsDigit(words[0][0])
        )
        {
            throw _scanner.Error(
                position,
                $"found '{(words.Length == 0 ? line : words[0])}', expected the architecture X86_64 or AArch64"
            );
        }

        return words.Length == 2 && words[1].Trim() is { Length: > 0 } name
            ? (architecture, name)
            : throw _scanner.Error(position, $"found no name after {words[0]}, expected the name of the test");
    }

    private sealed class ColumnBuilder(int id)
    {
        private readonly List<X86Instruction> _code = [];
        private readonly List<ArmInstruction> _armCode = [];
        private readonly List<ArmInstruction> _handler = [];
        private readonly Dictionary<string, int> _labels = [];
        private readonly Dictionary<string, int> _handlerLabels = [];

        public int Id { get; } = id;

        public bool HasHandler { get; set; }

        /// <summary>The column and its fault handler, with an end between them.</summary>
        public IEnumerable<ArmInstruction> ArmCode => HasHandler ? _armCode.Append(End).Concat(_handler) : _armCode;

        private int HandlerStart => _armCode.Count + 1;

        private static ArmInstruction End { get; } =
            new()
            {
                Mnemonic = new ArmMnemonic("END", ArmOpcode.End),
                Operands = [],
                Position = default,
                Text = "",
            };

        public int? Find(string label) =>
            _labels.TryGetValue(label, out int index) ? index
            : _handlerLabels.TryGetValue(label, out index) ? HandlerStart + index
            : null;

        public void Label(LitmusScanner scanner, Token label, bool inHandler)
        {
            if (
                Find(label.Text) is not null
                || !(
                    inHandler
                        ? _handlerLabels.TryAdd(label.Text, _handler.Count)
                        : _labels.TryAdd(label.Text, _code.Count + _armCode.Count)
                )
            )
            {
                throw scanner.Error(label.Position, $"found the label {label.Text} a second time in column P{Id}");
            }
        }

        public void Add(X86Instruction instruction) => _code.Add(instruction);

        public void Add(ArmInstruction instruction, bool inHandler) =>
            (inHandler ? _handler : _armCode).Add(instruction);

        public LitmusThread Build(LitmusScanner scanner, Dictionary<TestRegister, InitialValue> registers)
        {
            Dictionary<string, int> labels = _labels
                .Concat(_handlerLabels.Select(label => KeyValuePair.Create(label.Key, HandlerStart + label.Value)))
                .ToDictionary();
            foreach (ArmInstruction instruction in ArmCode)
            {
                foreach (string label in instruction.Labels.Where(label => !labels.ContainsKey(label)))
                {
                    throw scanner.Error(
                        instruction.Position,
                        $"found {label}, expected a label of column P{Id}: {string.Join(", ", labels.Keys)}"
                    );
                }
            }

            foreach (X86Instruction instruction in _code)
            {
                if (instruction.Target is string target && !_labels.ContainsKey(target))
                {
                    throw scanner.Error(
                        instruction.Position,
                        $"found a jump to {target}, expected a label of column P{Id}: {string.Join(", ", _labels.Keys)}"
                    );
                }
            }

            for (int index = 0; index < _code.Count; index++)
            {
                if (_code[index].Opcode == X86Opcode.Rseq)
                {
                    CheckSection(scanner, index);
                }
            }

            return new LitmusThread
            {
                Id = Id,
                InitialRegisters = registers,
                Code = _code,
                ArmCode = [.. ArmCode],
                Handler = HasHandler ? HandlerStart : -1,
                Labels = labels,
            };
        }

        private void CheckSection(LitmusScanner scanner, int index)
        {
            X86Instruction rseq = _code[index];
            foreach (
                string label in new[] { rseq.SectionEnd!, rseq.SectionAbort! }.Where(label =>
                    !_labels.ContainsKey(label)
                )
            )
            {
                throw scanner.Error(
                    rseq.Position,
                    $"found the label {label}, expected one of column P{Id}: {string.Join(", ", _labels.Keys)}"
                );
            }

            int end = _labels[rseq.SectionEnd!];
            int abort = _labels[rseq.SectionAbort!];
            if (end <= index + 1)
            {
                throw scanner.Error(
                    rseq.Position,
                    $"found a section that ends at {rseq.SectionEnd}, "
                        + "expected a label behind at least one instruction more"
                );
            }

            if (abort > index && abort < end)
            {
                throw scanner.Error(
                    rseq.Position,
                    $"found a section that restarts at {rseq.SectionAbort} "
                        + "within itself, expected a label outside of it"
                );
            }

            if (
                _code
                    .Take(end)
                    .Skip(index + 1)
                    .FirstOrDefault(inside =>
                        inside.Opcode is X86Opcode.Membarrier or X86Opcode.Syscall or X86Opcode.Rseq
                    ) is
                { } forbidden
            )
            {
                throw scanner.Error(
                    forbidden.Position,
                    $"found {forbidden} in a restartable section, which the kernel forbids; expected it outside"
                );
            }
        }
    }

    private List<ColumnBuilder> ParseColumns()
    {
        var columns = new List<ColumnBuilder>();

        // What each column on the page belongs to, and whether it is that one's fault handler.
        var places = new List<(ColumnBuilder Column, bool IsHandler)>();
        do
        {
            Token head = _scanner.Next();
            if (
                _architecture == Architecture.AArch64
                && head.Kind == TokenKind.Name
                && head.Text.EndsWith(".F", StringComparison.Ordinal)
                && columns.Find(column => head.Text == $"P{column.Id}.F") is { HasHandler: false } handled
            )
            {
                handled.HasHandler = true;
                places.Add((handled, true));
                continue;
            }

            if (ThreadNumber(head) != columns.Count)
            {
                throw _scanner.Unexpected(head, $"P{columns.Count} at the head of a column");
            }

            columns.Add(new ColumnBuilder(columns.Count));
            places.Add((columns[^1], false));
        } while (_scanner.Accept("|"));
        _scanner.Expect(";", "after the heads of the columns");

        var instructions = new X86Parser(_scanner, _state);
        while (!AtEndOfProgram())
        {
            ParseRow(places, instructions);
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
        return Array.Exists(Sections, token.IsName)
            && (token.IsName("not") ? _scanner.PeekSecond().IsName("exists") : !_scanner.PeekSecond().Is(":"));
    }

    private void ParseRow(List<(ColumnBuilder Column, bool IsHandler)> columns, X86Parser instructions)
    {
        for (int index = 0; ; index++)
        {
            ParseCell(columns[index].Column, columns[index].IsHandler, instructions);
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

            throw _scanner.Unexpected(
                separator,
                last ? $"';' after the instruction of the last column, P{index}" : $"'|' before column P{index + 1}"
            );
        }
    }

    private void ParseCell(ColumnBuilder column, bool inHandler, X86Parser instructions)
    {
        while (_scanner.Peek() is { Kind: TokenKind.Name } first)
        {
            // A label is a name with a colon; only two tokens tell it from an instruction.
            if (_scanner.PeekSecond().Is(":"))
            {
                _scanner.Next();
                _scanner.Next();
                column.Label(_scanner, first, inHandler);
                continue;
            }

            if (_architecture == Architecture.AArch64)
            {
                column.Add(new ArmParser(_scanner).Parse(), inHandler);
            }
            else
            {
                column.Add(instructions.Parse());
            }

            return;
        }

        Token next = _scanner.Peek();
        if (!next.Is("|") && !next.Is(";"))
        {
            throw _scanner.Unexpected(next, "an instruction, a label, '|' or ';'");
        }
    }
}
