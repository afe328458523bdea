using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.Common;

/// <summary>
/// Reads the initial state, and collects what a test says of its memory and registers there and elsewhere.
/// </summary>
internal sealed class InitialState
{
    private readonly LitmusScanner _scanner;
    private readonly IInstructionSet _instructionSet;

    /// <summary>Begins with nothing.</summary>
    /// <param name="scanner">The text.</param>
    /// <param name="instructionSet">The instruction set of the test.</param>
    public InitialState(LitmusScanner scanner, IInstructionSet instructionSet)
    {
        _scanner = scanner;
        _instructionSet = instructionSet;
        Locations = new LocationTable(scanner, instructionSet);
        Registers = new RegisterTable(scanner);
        Labels = new LabelTable(scanner);
    }

    /// <summary>Gets the locations of the test.</summary>
    public LocationTable Locations { get; }

    /// <summary>Gets the registers that the initial state names.</summary>
    public RegisterTable Registers { get; }

    /// <summary>Gets the labels that are named as values.</summary>
    public LabelTable Labels { get; }

    /// <summary>Reads the braces and what is between them.</summary>
    public void Parse()
    {
        _scanner.Expect("{", "before the initial state");
        while (!_scanner.Accept("}"))
        {
            if (_scanner.Accept(";"))
            {
                continue;
            }

            ParseEntry();
            if (!_scanner.Peek().Is("}"))
            {
                Token separator = _scanner.Next();
                if (!separator.Is(";"))
                {
                    throw _scanner.Unexpected(separator, "';' or '}' after an entry of the initial state");
                }
            }
        }
    }

    /// <summary>Reads <c>0:rax</c> or <c>P0:rax</c>.</summary>
    public (int Thread, TestRegister Register) ReadRegister()
    {
        Token first = _scanner.Next();
        int? thread = first.Kind == TokenKind.Number && first.Value < 1000 ? (int)first.Value : first.ThreadNumber;
        if (thread is null)
        {
            throw _scanner.Unexpected(first, "the number of a thread");
        }

        _scanner.Expect(":", "between the thread and its register");
        _scanner.Accept("%");
        Token name = _scanner.Next();
        return name.Kind == TokenKind.Name && _instructionSet.FindRegister(name.Text) is TestRegister register
            ? (thread.Value, register)
            : throw _scanner.Unexpected(name, _instructionSet.RegisterExample);
    }

    /// <summary>
    /// Reads the location that a name begins, which may be followed by more: <c>PTE(x)</c>, in older tests
    /// <c>pte_x</c>, is the entry of the page of x, and <c>PA(x)</c> or <c>phy_x</c> the memory that x has when nothing
    /// is said of its page.
    /// </summary>
    public string LocationName(Token name)
    {
        if (_instructionSet.PageEntries is null)
        {
            return name.Text;
        }

        bool entry = name.Text == "PTE";
        if ((entry || name.Text == "PA") && _scanner.Accept("("))
        {
            Token inner = _scanner.Next();
            if (inner.Kind != TokenKind.Name)
            {
                throw _scanner.Unexpected(inner, "a location");
            }

            _scanner.Expect(")", "after the location");
            return entry ? TableOf(inner.Text, inner.Position) : inner.Text;
        }

        return name.Text.StartsWith("pte_", StringComparison.Ordinal) ? TableOf(name.Text[4..], name.Position)
            : name.Text.StartsWith("phy_", StringComparison.Ordinal) ? name.Text[4..]
            : name.Text;
    }

    /// <summary>Reads an entry of a translation table.</summary>
    /// <param name="opening">The parenthesis.</param>
    /// <param name="page">The location that it is for, which is where it leads unless it says otherwise;
    /// <see langword="null"/> where that is not known.</param>
    public InitialValue ReadPageEntry(Token opening, string? page)
    {
        PageEntry entry = _instructionSet.PageEntries!.Read(
            _scanner,
            token =>
            {
                string name = LocationName(token);
                return name == token.Text
                    ? throw _scanner.Unexpected(token, "a physical address such as PA(x)")
                    : Locations.Find(name, token.Position).Name;
            }
        );
        if (entry.OutputAddress is null && page is null && (entry.Fields & Model.Programs.TableEntry.Valid) != 0)
        {
            throw _scanner.Error(
                opening.Position,
                "found an entry that does not say where it leads, expected oa:PA(x)"
            );
        }

        return new InitialValue(0) { Entry = entry with { OutputAddress = entry.OutputAddress ?? page } };
    }

    /// <summary>Gives labels their addresses, once the columns are known.</summary>
    /// <param name="addressOf">Gets the address of a label.</param>
    public void ResolveLabels(Func<string, ulong?> addressOf)
    {
        Labels.SetAddresses(addressOf);
        foreach (Location location in Locations.InOrder)
        {
            location.Values = Array.ConvertAll(location.Values, Labels.Resolve);
        }

        Registers.Convert(Labels.Resolve);
    }

    private string TableOf(string location, SourcePosition position)
    {
        string name = PageEntry.NameFor(Locations.Resolve(location));
        Locations.Find(name, position);
        return name;
    }

    private void ParseEntry()
    {
        if (_scanner.Peek().IsName("alias"))
        {
            ParseAlias();
            return;
        }

        bool code = _scanner.Peek().IsName("code") && _scanner.PeekSecond().Kind == TokenKind.Name;
        if (code)
        {
            _scanner.Next();
        }

        DataType? type = ParseType();
        if (LooksLikeRegister())
        {
            ParseRegister(type);
        }
        else
        {
            ParseLocation(type, code);
        }
    }

    // "alias w = f": another linear address of the memory of f.
    private void ParseAlias()
    {
        _scanner.Next();
        Token name = _scanner.Next();
        if (name.Kind != TokenKind.Name)
        {
            throw _scanner.Unexpected(name, "the other name of a location");
        }

        _scanner.Expect("=", "and the location that it is another name of");
        Token original = _scanner.Next();
        if (original.Kind != TokenKind.Name || !Locations.Knows(original.Text))
        {
            throw _scanner.Unexpected(original, "a location declared before");
        }

        if (!Locations.TryAddAlias(name.Text, original.Text))
        {
            throw _scanner.Error(name.Position, $"found a second declaration of {name.Text}");
        }
    }

    private DataType? ParseType()
    {
        Token first = _scanner.Peek();
        DataType? type = null;
        if (first.Kind == TokenKind.Name && first.Text is "volatile" or "_Atomic" or "unsigned")
        {
            throw _scanner.Unexpected(
                first,
                $"one of the types {string.Join(", ", DataType.Names)}, a location or a register"
            );
        }

        if (first.Kind == TokenKind.Name && DataType.TryParse(first.Text, out DataType named))
        {
            _scanner.Next();
            type = _scanner.Accept("*") ? DataType.Pointer : named;
        }

        return type;
    }

    // "0:rax" and "P0:rax"; no location's name starts with a digit.
    private bool LooksLikeRegister() =>
        _scanner.Peek().Kind == TokenKind.Number || _scanner.Peek().ThreadNumber is not null;

    private void ParseRegister(DataType? type)
    {
        SourcePosition position = _scanner.Peek().Position;
        (int thread, TestRegister register) = ReadRegister();
        InitialValue? value = _scanner.Accept("=") ? ParseValue(page: null) : null;
        Registers.Set(thread, register, type, value, position);
    }

    private void ParseLocation(DataType? type, bool code)
    {
        bool bracketed = _scanner.Accept("[");
        Token name = _scanner.Next();
        if (name.Kind != TokenKind.Name)
        {
            throw _scanner.Unexpected(
                name,
                type is null
                    ? "a type, a location or a register such as 0:rax"
                    : "a location or a register such as 0:rax"
            );
        }

        string text = LocationName(name);
        if (bracketed)
        {
            _scanner.Expect("]", "after the location");
        }

        Location location = Locations.Find(text, name.Position);
        if (location.IsDeclared)
        {
            throw _scanner.Error(name.Position, $"found a second declaration of {text}");
        }

        location.IsDeclared = true;
        location.Type = type;
        location.IsCode = code;
        ParseLength(location);
        if (_scanner.Accept("="))
        {
            ParseContent(location, text);
        }
    }

    private void ParseLength(Location location)
    {
        if (!_scanner.Accept("["))
        {
            return;
        }

        Token count = _scanner.Next();
        if (count.Kind != TokenKind.Number || count.Value is 0 or > 4096)
        {
            throw _scanner.Unexpected(count, "the number of elements, 1 to 4096");
        }

        _scanner.Expect("]", "after the number of elements");
        location.Type ??= DataType.Int;
        location.IsArray = true;
        location.Values = new InitialValue[count.Value];
    }

    private void ParseContent(Location location, string text)
    {
        if (location.IsCode && _scanner.Peek().IsName("unmapped"))
        {
            _scanner.Next();
            location.IsUnmapped = true;
            return;
        }

        if (!_scanner.Peek().Is("{"))
        {
            if (location.IsArray)
            {
                throw _scanner.Unexpected(_scanner.Peek(), "the elements in braces");
            }

            Token value = _scanner.Peek();
            location.Values = [ParseValue(location.Translates)];
            if (location.Translates is not null && location.Values[0].Entry is null)
            {
                throw _scanner.Error(
                    value.Position,
                    $"found a value of {text}, expected an entry such as (oa:PA({location.Translates}), valid:1)"
                );
            }

            return;
        }

        ParseElements(location);
    }

    private void ParseElements(Location location)
    {
        Token opening = _scanner.Next();
        var values = new List<InitialValue>();
        do
        {
            values.Add(ParseValue(page: null));
        } while (_scanner.Accept(","));
        _scanner.Expect("}", "after the last element");
        if (!location.IsArray || values.Count != location.Values.Length)
        {
            throw _scanner.Error(
                opening.Position,
                $"found {Plural.Of(values.Count, "element")}, expected "
                    + $"{(location.IsArray ? location.Values.Length : 0)} as declared"
            );
        }

        location.Values = [.. values];
    }

    private InitialValue ParseValue(string? page)
    {
        _scanner.Accept("&");
        Token token = _scanner.Next();
        if (_instructionSet.PageEntries is not null && token.Is("("))
        {
            return ReadPageEntry(token, page);
        }

        if (_instructionSet.ReadCodeValue(_scanner, this, token) is InitialValue code)
        {
            return code;
        }

        if (token.Kind == TokenKind.Number)
        {
            return new InitialValue(token.Value);
        }

        if (token.Kind != TokenKind.Name)
        {
            throw _scanner.Unexpected(token, "a number or the name of a location");
        }

        string name = LocationName(token);
        int element = 0;
        if (_scanner.Accept("["))
        {
            Token index = _scanner.Next();
            if (index.Kind != TokenKind.Number || index.Value > 4096)
            {
                throw _scanner.Unexpected(index, "the index of an element");
            }

            element = (int)index.Value;
            _scanner.Expect("]", "after the index");
        }

        return Locations.AddressOf(name, element, token.Position);
    }
}
