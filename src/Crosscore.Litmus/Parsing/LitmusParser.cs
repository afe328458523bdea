using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Parsing;

/// <summary>
/// Reads a litmus test in herd's X86_64 or AArch64 format: header, initial state in braces, one column for each thread,
/// then <c>locations</c>, <c>filter</c> and the condition. Nothing is skipped silently: what is not understood is an
/// error with its place.
/// </summary>
internal sealed class LitmusParser
{
    private static readonly string[] Sections = ["exists", "forall", "final", "filter", "locations", "not"];

    private readonly LitmusScanner _scanner;
    private readonly InitialState _state;
    private readonly string _file;

    private readonly IInstructionSet _instructionSet;
    private readonly string _name;

    private LitmusParser(string text, string file)
    {
        _file = file;
        _scanner = new LitmusScanner(text, file);
        (_instructionSet, _name) = ParseFirstLine();
        _state = new InitialState(_scanner, _instructionSet);
    }

    /// <summary>Parses a test.</summary>
    /// <param name="text">The content of the file.</param>
    /// <param name="file">Its name, for messages.</param>
    /// <returns>The test.</returns>
    /// <exception cref="LitmusException">The text is no test that this project understands.</exception>
    public static LitmusTest Parse(string text, string file) => new LitmusParser(text, file).ParseTest();

    private LitmusTest ParseTest()
    {
        Header header = ParseHeader();
        _state.Parse();
        List<Column> columns = ParseColumns();
        CodeAliases.Join(
            _scanner,
            _state,
            name =>
                columns.Find(column => column.Find(name) is not null) is Column column ? $"P{column.Id}:{name}" : null
        );
        _state.ResolveLabels(label => AddressOfLabel(columns, label));
        columns.ForEach(column => column.NoteAccesses(_state));
        (int highest, SourcePosition mention) = _state.Registers.HighestThread();
        if (highest >= columns.Count)
        {
            throw _scanner.Error(
                mention,
                $"found a register of thread {highest}, but the last column is P{columns.Count - 1}"
            );
        }

        _state.Locations.Close();
        var conditions = new ConditionParser(_scanner, _state, _instructionSet, columns.Count);
        conditions.Parse();
        _state.Labels.Check();

        List<Variable> variables = _state.Locations.Variables();
        List<LitmusThread> threads = columns.ConvertAll(column => column.Build(_state.Registers.Of(column.Id)));
        ResolvedCondition question = conditions.Resolve(variables, threads);
        var test = new LitmusTest
        {
            File = _file,
            Architecture = _instructionSet.Architecture,
            Name = _name,
            Description = header.Description,
            Properties = header.Properties,
            PropertyPositions = header.Positions,
            Aliases = _state.Locations.Aliases,
            System = TestSystem.Parse(_scanner, header.Properties, header.Positions, threads.Count),
            Variables = variables,
            Threads = threads,
            Observables = question.Observables,
            Filter = question.Filter,
            Quantifier = question.Quantifier,
            Condition = question.Condition,
            WholeArrays = question.WholeArrays,
            NamedElements = question.NamedElements,
        };
        return test with { Opcodes = _instructionSet.OpcodesOf(test) };
    }

    private sealed record Header(
        string Description,
        IReadOnlyDictionary<string, string> Properties,
        IReadOnlyDictionary<string, SourcePosition> Positions
    );

    private Header ParseHeader()
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

        return new Header(description, properties, positions);
    }

    private static ulong? AddressOfLabel(List<Column> columns, string label)
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

    private (IInstructionSet InstructionSet, string Name) ParseFirstLine()
    {
        string line =
            _scanner.HeaderLine(out SourcePosition position)
            ?? throw _scanner.Error(
                position,
                $"found the initial state, expected the first line: {InstructionSets.Names}, and the name of the test"
            );
        string[] words = line.Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries);
        IInstructionSet instructionSet =
            (words.Length == 0 ? null : InstructionSets.Find(words[0]))
            ?? throw _scanner.Error(
                position,
                $"found '{(words.Length == 0 ? line : words[0])}', expected the architecture {InstructionSets.Names}"
            );
        return words.Length == 2 && words[1].Trim() is { Length: > 0 } name
            ? (instructionSet, name)
            : throw _scanner.Error(position, $"found no name after {words[0]}, expected the name of the test");
    }

    private List<Column> ParseColumns()
    {
        var columns = new List<Column>();

        // What each column on the page belongs to, and whether it is that one's fault handler.
        var places = new List<(Column Column, bool IsHandler)>();
        do
        {
            Token head = _scanner.Next();
            if (
                _instructionSet.HasFaultHandlers
                && head.Kind == TokenKind.Name
                && head.Text.EndsWith(".F", StringComparison.Ordinal)
                && columns.Find(column => head.Text == $"P{column.Id}.F") is { HasHandler: false } handled
            )
            {
                handled.HasHandler = true;
                places.Add((handled, true));
                continue;
            }

            if (head.ThreadNumber != columns.Count)
            {
                throw _scanner.Unexpected(head, $"P{columns.Count} at the head of a column");
            }

            columns.Add(_instructionSet.NewColumn(columns.Count, _scanner, _state));
            places.Add((columns[^1], false));
        } while (_scanner.Accept("|"));
        _scanner.Expect(";", "after the heads of the columns");

        while (!AtEndOfProgram())
        {
            ParseRow(places);
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

    private void ParseRow(List<(Column Column, bool IsHandler)> columns)
    {
        for (int index = 0; ; index++)
        {
            ParseCell(columns[index].Column, columns[index].IsHandler);
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

    private void ParseCell(Column column, bool inHandler)
    {
        while (_scanner.Peek() is { Kind: TokenKind.Name } first)
        {
            // A label is a name with a colon; only two tokens distinguish it from an instruction.
            if (_scanner.PeekSecond().Is(":"))
            {
                _scanner.Next();
                _scanner.Next();
                column.AddLabel(first, inHandler);
                continue;
            }

            column.ReadInstruction(inHandler);

            return;
        }

        Token next = _scanner.Peek();
        if (!next.Is("|") && !next.Is(";"))
        {
            throw _scanner.Unexpected(next, "an instruction, a label, '|' or ';'");
        }
    }
}
