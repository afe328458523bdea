using Crosscore.Litmus.Syntax.AArch64;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Syntax;

/// <summary>
/// Collects what a test says of its memory and registers, in the initial state and by merely naming them, and decides
/// their types in the end: a declared type counts; an undeclared location is an <c>int</c> or, when its initial value
/// is an address or an instruction names it directly with more bytes, as wide as that.
/// </summary>
internal sealed class InitialState(LitmusScanner scanner, Architecture architecture)
{
    private readonly Dictionary<string, Location> _locations = [];
    private readonly List<Location> _order = [];
    private readonly Dictionary<(int Thread, TestRegister Register), RegisterEntry> _registers = [];
    private readonly Dictionary<string, string> _aliases = [];
    private readonly List<(string Name, int Element, SourcePosition Position)> _addresses = [];
    private readonly List<(string Label, SourcePosition Position)> _labels = [];
    private Func<string, ulong?> _addressOfLabel = _ => null;
    private bool _isClosed;

    private sealed class Location(string name, SourcePosition position)
    {
        public string Name { get; } = name;

        public SourcePosition Position { get; } = position;

        public DataType? Type { get; set; }

        public bool IsArray { get; set; }

        public bool IsCode { get; set; }

        public bool IsUnmapped { get; set; }

        public string? Translates { get; init; }

        public bool Set { get; set; }

        public InitialValue[] Values { get; set; } = [default];

        public int WidestAccess { get; set; } = DataType.Int.Width;
    }

    private sealed record RegisterEntry(DataType? Type, InitialValue Value, bool Set, SourcePosition Position);

    /// <summary>Reads the braces and what is between them.</summary>
    public void Parse()
    {
        scanner.Expect("{", "before the initial state");
        while (!scanner.Accept("}"))
        {
            if (scanner.Accept(";"))
            {
                continue;
            }

            ParseEntry();
            if (!scanner.Peek().Is("}"))
            {
                Token separator = scanner.Next();
                if (!separator.Is(";"))
                {
                    throw scanner.Unexpected(separator, "';' or '}' after an entry of the initial state");
                }
            }
        }
    }

    /// <summary>Notes that an instruction or the condition names a location.</summary>
    /// <param name="name">The location.</param>
    /// <param name="position">Where.</param>
    /// <param name="width">Bytes accessed there; 0 when only named.</param>
    public void Mention(string name, SourcePosition position, int width = 0)
    {
        Location location = Find(name, position);
        location.WidestAccess = Math.Max(location.WidestAccess, width);
    }

    /// <summary>Notes that the address of a location is used.</summary>
    public InitialValue AddressOf(string name, int element, SourcePosition position)
    {
        Find(name, position);
        _addresses.Add((name, element, position));
        return new InitialValue(0, name, element);
    }

    /// <summary>Other names of locations.</summary>
    public IReadOnlyDictionary<string, string> Aliases => _aliases;

    /// <summary>The location that a name stands for.</summary>
    public string Resolve(string name) => _aliases.GetValueOrDefault(name, name);

    /// <summary>Whether a location was declared as code.</summary>
    public bool IsCode(string name) => _locations.TryGetValue(Resolve(name), out Location? location) && location.IsCode;

    /// <summary>
    /// From here on no new location comes into being: one that only the question names would keep its initial value,
    /// and the condition would be about nothing. The entry of the page of a known location is known.
    /// </summary>
    public void Close() => _isClosed = true;

    /// <summary>Whether a name is known as a location already.</summary>
    public bool Knows(string name) => _locations.ContainsKey(name);

    /// <summary>The variables, their types decided; call it when everything has been read.</summary>
    public List<Variable> Variables()
    {
        foreach ((string name, int element, SourcePosition position) in _addresses)
        {
            if (element < 0 || element >= _locations[name].Values.Length)
            {
                throw scanner.Error(
                    position,
                    $"found {name}[{element}], but {name} has {_locations[name].Values.Length} element(s)"
                );
            }
        }

        return _order.ConvertAll(location =>
        {
            DataType type = location.Translates is not null
                ? DataType.TableEntry
                : location.Type ?? Undeclared(location.Values[0], location.WidestAccess);
            foreach (
                InitialValue value in location.Values.Where(value => !value.IsAddress && !type.CanHold(value.Number))
            )
            {
                throw scanner.Error(
                    location.Position,
                    $"found the initial value {(long)value.Number} of "
                        + $"{location.Name}, which its type {type.Name} cannot hold"
                );
            }

            if (type.Width != 8 && Array.Exists(location.Values, value => value.IsAddress))
            {
                throw scanner.Error(
                    location.Position,
                    $"found an address as a value of {location.Name}, which "
                        + $"has type {type.Name}; expected a type of 8 bytes"
                );
            }

            return new Variable
            {
                Name = location.Name,
                Position = location.Position,
                Type = type,
                IsArray = location.IsArray,
                IsCode = location.IsCode,
                IsUnmapped = location.IsUnmapped,
                Translates = location.Translates,
                InitialValues = Array.ConvertAll(
                    location.Values,
                    value => value with { Number = type.Truncate(value.Number) }
                ),
            };
        });
    }

    /// <summary>The initial registers of a thread; the others are zero.</summary>
    public Dictionary<TestRegister, InitialValue> Registers(int thread) =>
        _registers
            .Where(entry => entry.Key.Thread == thread && entry.Value.Set)
            .ToDictionary(entry => entry.Key.Register, entry => entry.Value.Value);

    /// <summary>The declared type of a register, if any.</summary>
    public DataType? RegisterType(int thread, TestRegister register) =>
        _registers.TryGetValue((thread, register), out RegisterEntry? entry)
            ? entry.Type
                ?? (
                    entry.Value.IsAddress ? DataType.Pointer
                    : entry.Value.Entry is not null ? DataType.TableEntry
                    : null
                )
            : null;

    /// <summary>
    /// The highest thread that the initial state names, with the place, to check it against the columns.
    /// </summary>
    public (int Thread, SourcePosition Position) HighestThread() =>
        _registers.Count == 0
            ? (-1, default)
            : _registers.Select(entry => (entry.Key.Thread, entry.Value.Position)).MaxBy(entry => entry.Thread);

    private static DataType Undeclared(InitialValue value, int widestAccess)
    {
        if (value.IsAddress)
        {
            return DataType.Pointer;
        }

        bool wide = widestAccess > DataType.Int.Width || value.Number != (ulong)(int)value.Number;
        return wide ? DataType.SignedOf(8) : DataType.Int;
    }

    private Location Find(string name, SourcePosition position)
    {
        name = Resolve(name);
        if (!_locations.TryGetValue(name, out Location? location))
        {
            string? page = PageOf(name);
            if (_isClosed && (page is null || !_locations.ContainsKey(Resolve(page))))
            {
                throw scanner.Error(
                    position,
                    $"found '{page ?? name}', which neither the initial state nor an instruction names"
                );
            }

            location = new Location(name, position) { Translates = page };
            if (page is not null)
            {
                Find(page, position);
                location.Values = [new InitialValue(0) { Entry = ArmTableEntry.Default(page) }];
            }

            _locations.Add(name, location);
            _order.Add(location);
        }

        return location;
    }

    /// <summary>
    /// The location that a name begins, which may be followed by more: <c>PTE(x)</c>, in older tests <c>pte_x</c>, is
    /// the entry of the page of x, and <c>PA(x)</c> or <c>phy_x</c> the memory that x has when nothing is said of its
    /// page.
    /// </summary>
    public string LocationName(Token name)
    {
        if (architecture != Architecture.AArch64)
        {
            return name.Text;
        }

        bool entry = name.Text == "PTE";
        if ((entry || name.Text == "PA") && scanner.Accept("("))
        {
            Token inner = scanner.Next();
            if (inner.Kind != TokenKind.Name)
            {
                throw scanner.Unexpected(inner, "a location");
            }

            scanner.Expect(")", "after the location");
            return entry ? TableOf(inner.Text, inner.Position) : inner.Text;
        }

        return name.Text.StartsWith("pte_", StringComparison.Ordinal) ? TableOf(name.Text[4..], name.Position)
            : name.Text.StartsWith("phy_", StringComparison.Ordinal) ? name.Text[4..]
            : name.Text;
    }

    /// <summary>
    /// The location whose page an entry translates; <see langword="null"/> where a location is no entry.
    /// </summary>
    public static string? PageOf(string name) => name.StartsWith("PTE(", StringComparison.Ordinal) ? name[4..^1] : null;

    /// <summary>Reads an entry of a translation table.</summary>
    /// <param name="opening">The parenthesis.</param>
    /// <param name="page">The location that it is for, which is where it leads unless it says otherwise;
    /// <see langword="null"/> where that is not known.</param>
    public InitialValue ParseTableEntry(Token opening, string? page)
    {
        ArmTableEntry entry = ArmTableEntry.Parse(
            scanner,
            token =>
            {
                string name = LocationName(token);
                return name == token.Text
                    ? throw scanner.Unexpected(token, "a physical address such as PA(x)")
                    : Find(name, token.Position).Name;
            }
        );
        if (entry.OutputAddress is null && page is null && (entry.Fields & TableEntry.Valid) != 0)
        {
            throw scanner.Error(opening.Position, "found an entry that does not say where it leads, expected oa:PA(x)");
        }

        return new InitialValue(0) { Entry = entry with { OutputAddress = entry.OutputAddress ?? page } };
    }

    /// <summary>Notes that the condition compares a register with an entry of a translation table.</summary>
    public void NoteTableEntry(int thread, TestRegister register, SourcePosition position)
    {
        if (thread >= 0 && RegisterType(thread, register) is null)
        {
            _registers[(thread, register)] = _registers.TryGetValue((thread, register), out RegisterEntry? known)
                ? known with
                {
                    Type = DataType.TableEntry,
                }
                : new RegisterEntry(DataType.TableEntry, default, false, position);
        }
    }

    private string TableOf(string location, SourcePosition position)
    {
        string name = ArmTableEntry.NameFor(Resolve(location));
        Find(name, position);
        return name;
    }

    private void ParseEntry()
    {
        if (scanner.Peek().IsName("alias"))
        {
            ParseAlias();
            return;
        }

        bool code = scanner.Peek().IsName("code") && scanner.PeekSecond().Kind == TokenKind.Name;
        if (code)
        {
            scanner.Next();
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
        scanner.Next();
        Token name = scanner.Next();
        if (name.Kind != TokenKind.Name)
        {
            throw scanner.Unexpected(name, "the other name of a location");
        }

        scanner.Expect("=", "and the location that it is another name of");
        Token original = scanner.Next();
        if (original.Kind != TokenKind.Name || !Knows(original.Text))
        {
            throw scanner.Unexpected(original, "a location declared before");
        }

        if (Knows(name.Text) || !_aliases.TryAdd(name.Text, original.Text))
        {
            throw scanner.Error(name.Position, $"found a second declaration of {name.Text}");
        }
    }

    private DataType? ParseType()
    {
        Token first = scanner.Peek();
        DataType? type = null;
        if (first.Kind == TokenKind.Name && first.Text is "volatile" or "_Atomic" or "unsigned")
        {
            throw scanner.Unexpected(
                first,
                $"one of the types {string.Join(", ", DataType.Names)}, a location or a register"
            );
        }

        if (first.Kind == TokenKind.Name && DataType.TryParse(first.Text, out DataType named))
        {
            scanner.Next();
            type = scanner.Accept("*") ? DataType.Pointer : named;
        }

        return type;
    }

    // "0:rax" and "P0:rax"; no location's name starts with a digit.
    private bool LooksLikeRegister() =>
        scanner.Peek().Kind == TokenKind.Number || LitmusParser.ThreadNumber(scanner.Peek()) is not null;

    private void ParseRegister(DataType? type)
    {
        SourcePosition position = scanner.Peek().Position;
        (int thread, TestRegister register, _) = LitmusParser.ParseRegisterLocation(scanner, architecture);
        InitialValue value = default;
        bool set = scanner.Accept("=");
        if (set)
        {
            value = ParseValue(page: null);
        }

        if (_registers.TryGetValue((thread, register), out RegisterEntry? earlier) && earlier.Set && set)
        {
            throw scanner.Error(position, $"found a second initial value of {thread}:{register.Name}");
        }

        if (value.IsAddress && type is { Width: not 8 })
        {
            throw scanner.Error(
                position,
                $"found an address as the value of {thread}:{register.Name}, "
                    + $"which has type {type.Name}; expected a type of 8 bytes"
            );
        }

        value = type is null ? value : value with { Number = type.Truncate(value.Number) };
        _registers[(thread, register)] = new RegisterEntry(
            type ?? earlier?.Type,
            set ? value : earlier?.Value ?? default,
            set || earlier?.Set == true,
            position
        );
    }

    private void ParseLocation(DataType? type, bool code)
    {
        bool bracketed = scanner.Accept("[");
        Token name = scanner.Next();
        if (name.Kind != TokenKind.Name)
        {
            throw scanner.Unexpected(
                name,
                type is null
                    ? "a type, a location or a register such as 0:rax"
                    : "a location or a register such as 0:rax"
            );
        }

        string text = LocationName(name);
        if (bracketed)
        {
            scanner.Expect("]", "after the location");
        }

        Location location = Find(text, name.Position);
        if (location.Set)
        {
            throw scanner.Error(name.Position, $"found a second declaration of {text}");
        }

        location.Set = true;
        location.Type = type;
        location.IsCode = code;
        if (scanner.Accept("["))
        {
            Token count = scanner.Next();
            if (count.Kind != TokenKind.Number || count.Value is 0 or > 4096)
            {
                throw scanner.Unexpected(count, "the number of elements, 1 to 4096");
            }

            scanner.Expect("]", "after the number of elements");
            location.Type ??= DataType.Int;
            location.IsArray = true;
            location.Values = new InitialValue[count.Value];
        }

        if (!scanner.Accept("="))
        {
            return;
        }

        if (code && scanner.Peek().IsName("unmapped"))
        {
            scanner.Next();
            location.IsUnmapped = true;
            return;
        }

        if (!scanner.Peek().Is("{"))
        {
            if (location.IsArray)
            {
                throw scanner.Unexpected(scanner.Peek(), "the elements in braces");
            }

            Token value = scanner.Peek();
            location.Values = [ParseValue(location.Translates)];
            if (location.Translates is not null && location.Values[0].Entry is null)
            {
                throw scanner.Error(
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
        Token opening = scanner.Next();
        var values = new List<InitialValue>();
        do
        {
            values.Add(ParseValue(page: null));
        } while (scanner.Accept(","));
        scanner.Expect("}", "after the last element");
        if (!location.IsArray || values.Count != location.Values.Length)
        {
            throw scanner.Error(
                opening.Position,
                $"found {values.Count} element(s), expected "
                    + $"{(location.IsArray ? location.Values.Length : 0)} as declared"
            );
        }

        location.Values = [.. values];
    }

    /// <summary>
    /// The value that a token begins where only AArch64 has it: the address of a label (<c>P1:L0</c>,
    /// <c>label:"P1:L0"</c>) or an opcode (<c>NOP</c>, <c>instr:"B .+8"</c>); <see langword="null"/> when it begins
    /// none.
    /// </summary>
    public InitialValue? ParseCodeValue(Token token)
    {
        if (architecture != Architecture.AArch64)
        {
            return null;
        }

        if (scanner.Peek().Is(":") && (token.Kind == TokenKind.Number || LitmusParser.ThreadNumber(token) is not null))
        {
            scanner.Next();
            Token label = scanner.Next();
            return label.Kind == TokenKind.Name
                ? Label($"P{LitmusParser.ThreadNumber(token) ?? (int)token.Value}:{label.Text}", token.Position)
                : throw scanner.Unexpected(label, "a label");
        }

        if ((token.IsName("label") || token.IsName("instr")) && scanner.Accept(":"))
        {
            Token quoted = scanner.Next();
            if (quoted.Kind != TokenKind.Quoted)
            {
                throw scanner.Unexpected(quoted, "a quoted text");
            }

            return token.IsName("instr") ? Opcode(quoted.Text, quoted.Position) : Label(quoted.Text, quoted.Position);
        }

        return token.Kind == TokenKind.Name && token.Text == "NOP" ? Opcode(token.Text, token.Position) : null;
    }

    /// <summary>Gives labels their addresses, once the columns are known.</summary>
    public void ResolveLabels(Func<string, ulong?> addressOf)
    {
        _addressOfLabel = addressOf;
        foreach (Location location in _order)
        {
            location.Values = Array.ConvertAll(location.Values, Resolve);
        }

        foreach ((int, TestRegister) register in _registers.Keys.ToList())
        {
            _registers[register] = _registers[register] with { Value = Resolve(_registers[register].Value) };
        }
    }

    /// <summary>
    /// Where the entry of a label's page leads to the memory of locations, these are other names of the label's code.
    /// Call it when the columns are known, before <see cref="ResolveLabels"/>.
    /// </summary>
    /// <param name="labelOf">The label of a name with its column; <see langword="null"/> where there is none.</param>
    public void JoinCode(Func<string, string?> labelOf)
    {
        foreach (
            Location table in _order
                .Where(location => location.Translates is string page && labelOf(page) is not null)
                .ToList()
        )
        {
            string label = labelOf(table.Translates!)!;
            string memory = table.Values[0].Entry!.OutputAddress!;
            string? MemoryOf(Location location) =>
                _locations.TryGetValue(ArmTableEntry.NameFor(location.Name), out Location? own)
                    ? own.Values[0].Entry!.OutputAddress
                    : location.Name;
            List<Location> names =
            [
                .. _order.Where(location =>
                    location.Translates is null && labelOf(location.Name) is null && MemoryOf(location) == memory
                ),
            ];
            if (names.Count == 0 || names.Find(location => location.Set) is not null)
            {
                throw scanner.Error(
                    table.Position,
                    $"found the page of the label {table.Translates}, expected that "
                        + "it leads to that of a location without a value of its own"
                );
            }

            foreach (
                string name in names
                    .Select(location => location.Name)
                    .Append(table.Translates!)
                    .SelectMany(name => (string[])[name, ArmTableEntry.NameFor(name)])
                    .ToList()
            )
            {
                _order.RemoveAll(location => location.Name == name);
                _locations.Remove(name);
            }

            InitialValue Join(InitialValue value) =>
                names.Exists(location => location.Name == value.AddressOf) ? Label(label, table.Position) : value;
            foreach ((int, TestRegister) register in _registers.Keys.ToList())
            {
                _registers[register] = _registers[register] with { Value = Join(_registers[register].Value) };
            }

            _addresses.RemoveAll(used => names.Exists(location => location.Name == used.Name));
        }
    }

    /// <summary>Checks that all labels that were named exist; call it when everything has been read.</summary>
    public void CheckLabels()
    {
        foreach ((string label, SourcePosition position) in _labels.Where(used => _addressOfLabel(used.Label) is null))
        {
            throw scanner.Error(position, $"found {label}, but that column has no such label");
        }
    }

    /// <summary>A value with the address of its label.</summary>
    public InitialValue Resolve(InitialValue value) =>
        value.Label is string label ? value with { Number = _addressOfLabel(label) ?? 0 } : value;

    /// <summary>Notes that a label is named, so that it must exist.</summary>
    public void NoteLabel(string label, SourcePosition position) => _labels.Add((label, position));

    private InitialValue Label(string label, SourcePosition position)
    {
        // herd also writes 1:L0 in quotes.
        label = char.IsAsciiDigit(label[0]) ? "P" + label : label;
        _labels.Add((label, position));
        return new InitialValue(0) { Label = label };
    }

    private InitialValue Opcode(string text, SourcePosition position)
    {
        var inner = new LitmusScanner(text, "");
        AArch64.ArmInstruction instruction;
        try
        {
            instruction = new AArch64.ArmParser(inner).Parse();
            if (inner.Peek().Kind != TokenKind.End)
            {
                throw inner.Unexpected(inner.Peek(), "the end of the instruction");
            }
        }
        catch (LitmusException exception)
        {
            throw scanner.Error(
                position,
                $"in the instruction \"{text}\": "
                    + $"{exception.Message[(exception.Message.IndexOf(' ', StringComparison.Ordinal) + 1)..]}"
            );
        }

        if (instruction.Labels.Any())
        {
            throw scanner.Error(
                position,
                $"found a label in the instruction \"{text}\", expected an offset such as .+8"
            );
        }

        long offset = instruction.Operands.OfType<ArmPlace>().FirstOrDefault()?.Offset ?? 0;
        uint opcode =
            ArmEncoding.Encode(instruction, offset)
            ?? throw scanner.Error(
                position,
                $"found the instruction \"{text}\", which has no opcode that this "
                    + "project knows; expected another instruction, or its number"
            );
        return new InitialValue(opcode) { Instruction = ArmEncoding.Relocatable(instruction, offset) };
    }

    private InitialValue ParseValue(string? page)
    {
        scanner.Accept("&");
        Token token = scanner.Next();
        if (architecture == Architecture.AArch64 && token.Is("("))
        {
            return ParseTableEntry(token, page);
        }

        if (ParseCodeValue(token) is InitialValue code)
        {
            return code;
        }

        if (token.Kind == TokenKind.Number)
        {
            return new InitialValue(token.Value);
        }

        if (token.Kind != TokenKind.Name)
        {
            throw scanner.Unexpected(token, "a number or the name of a location");
        }

        string name = LocationName(token);
        int element = 0;
        if (scanner.Accept("["))
        {
            Token index = scanner.Next();
            if (index.Kind != TokenKind.Number || index.Value > 4096)
            {
                throw scanner.Unexpected(index, "the index of an element");
            }

            element = (int)index.Value;
            scanner.Expect("]", "after the index");
        }

        return AddressOf(name, element, token.Position);
    }
}
