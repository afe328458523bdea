using Crosscore.Litmus.Syntax.AArch64;

namespace Crosscore.Litmus.Syntax;

/// <summary>
/// Parses what follows the program: <c>locations [...]</c>, <c>filter</c> and the condition. Names are resolved to
/// observables in a second step, when the types of all locations are known.
/// </summary>
internal sealed class ConditionParser(
    LitmusScanner scanner,
    InitialState state,
    Architecture architecture,
    int threadCount
)
{
    // A condition is read, asked and printed by recursion: a file must not be able to exhaust the stack.
    private const int DeepestNesting = 500;

    private readonly List<Place> _places = [];
    private int _depth;
    private Raw? _filter;
    private Raw _condition = new RawAll([]);
    private Quantifier _quantifier = Quantifier.ForAll;

    internal sealed record Result(
        IReadOnlyList<Observable> Observables,
        Proposition? Filter,
        Quantifier Quantifier,
        Proposition Condition,
        IReadOnlySet<string> WholeArrays,
        IReadOnlySet<(string Variable, int Element)> NamedElements
    );

    /// <summary>A location or register as written; <c>Element</c> is -1 where none was named.</summary>
    private sealed record Place(
        int Thread,
        TestRegister Register,
        string? Variable,
        int Element,
        SourcePosition Position
    );

    private abstract record Raw;

    private sealed record RawAll(List<Raw> Parts) : Raw;

    private sealed record RawAny(List<Raw> Parts) : Raw;

    private sealed record RawNot(Raw Part) : Raw;

    private sealed record RawImplies(Raw Left, Raw Right) : Raw;

    private sealed record RawValue(Place Left, InitialValue Value, SourcePosition Position) : Raw;

    private sealed record RawElements(Place Left, List<InitialValue> Values, SourcePosition Position) : Raw;

    private sealed record RawSame(Place Left, Place Right) : Raw;

    public void Parse()
    {
        if (scanner.Peek().IsName("locations"))
        {
            ParseLocations();
        }

        if (scanner.Peek().IsName("filter"))
        {
            scanner.Next();
            _filter = ParseImplication();
        }

        ParseQuantified();
        scanner.Accept(";");
        Token end = scanner.Next();
        if (end.Kind != TokenKind.End)
        {
            throw scanner.Unexpected(end, "the end of the file after the condition");
        }
    }

    /// <summary>Turns places into observables: registers first, by thread; then memory, by name.</summary>
    public Result Resolve(IReadOnlyList<Variable> variables, IReadOnlyList<LitmusThread> threads)
    {
        var resolver = new Resolver(scanner, state, variables, threads);
        foreach (Place place in _places)
        {
            resolver.Add(place);
        }

        resolver.Sort();
        return new Result(
            resolver.Observables,
            _filter is null ? null : resolver.Resolve(_filter),
            _quantifier,
            resolver.Resolve(_condition),
            resolver.WholeArrays,
            resolver.NamedElements
        );
    }

    private void ParseLocations()
    {
        scanner.Next();
        scanner.Expect("[", "after locations");
        while (!scanner.Accept("]"))
        {
            if (IsFault())
            {
                ParseFault();
            }
            else
            {
                ParsePlace();
            }

            // A type may follow, as in "0:rax uint64_t;": only the initial state declares types, so it must be repeated
            // there.
            Token type = scanner.Peek();
            if (type.Kind == TokenKind.Name && DataType.TryParse(type.Text, out _))
            {
                throw scanner.Unexpected(type, "';' or ']' (types are declared in the initial state)");
            }

            if (!scanner.Accept(";") && !scanner.Peek().Is("]"))
            {
                throw scanner.Unexpected(scanner.Peek(), "';' or ']' after a location");
            }
        }
    }

    private void ParseQuantified()
    {
        // "locations [...];" and nothing to ask.
        scanner.Accept(";");
        Token token = scanner.Peek();
        if (token.Kind == TokenKind.End)
        {
            return;
        }

        if (token.Is("("))
        {
            _quantifier = Quantifier.Exists;
            _condition = ParseImplication();
            return;
        }

        scanner.Next();
        bool negated = token.Is("~") || token.IsName("not");
        if (negated)
        {
            token = scanner.Next();
        }

        _quantifier = token switch
        {
            _ when token.IsName("exists") => negated ? Quantifier.NotExists : Quantifier.Exists,
            _ when token.IsName("final") && !negated => Quantifier.Exists,
            _ when token.IsName("forall") && !negated => Quantifier.ForAll,
            _ => throw scanner.Unexpected(token, negated ? "exists" : "exists, ~exists, forall, locations or filter"),
        };
        _condition = ParseImplication();
    }

    // Precedence as in herd, loosest first: implication (to the right), or, and, not.
    private Raw ParseImplication()
    {
        Deepen();
        Raw left = ParseDisjunction();
        Raw whole = scanner.Accept("=>") ? new RawImplies(left, ParseImplication()) : left;
        _depth--;
        return whole;
    }

    private void Deepen()
    {
        if (++_depth > DeepestNesting)
        {
            throw scanner.Error(
                scanner.Peek().Position,
                $"found parts of the condition nested more than {DeepestNesting} deep, expected fewer"
            );
        }
    }

    private Raw ParseDisjunction()
    {
        var parts = new List<Raw> { ParseConjunction() };
        while (scanner.Accept("\\/"))
        {
            parts.Add(ParseConjunction());
        }

        return parts.Count == 1 ? parts[0] : new RawAny(parts);
    }

    private Raw ParseConjunction()
    {
        var parts = new List<Raw> { ParseFactor() };
        while (scanner.Accept("/\\"))
        {
            parts.Add(ParseFactor());
        }

        return parts.Count == 1 ? parts[0] : new RawAll(parts);
    }

    private Raw ParseFactor()
    {
        Token token = scanner.Peek();
        if (token.Is("~") || token.IsName("not"))
        {
            scanner.Next();
            Deepen();
            var negation = new RawNot(ParseFactor());
            _depth--;
            return negation;
        }

        if (token.IsName("true") || token.IsName("false"))
        {
            scanner.Next();
            return token.IsName("true") ? new RawAll([]) : new RawAny([]);
        }

        if (!scanner.Accept("("))
        {
            return ParseAtom();
        }

        Raw inner = ParseImplication();
        scanner.Expect(")", "after a part of the condition");
        return inner;
    }

    private Raw ParseAtom()
    {
        if (IsFault())
        {
            return ParseFault();
        }

        Place left = ParsePlace();
        Token relation = scanner.Next();
        if (!relation.Is("=") && !relation.Is("==") && !relation.Is("!=") && !relation.Is("<>"))
        {
            throw scanner.Unexpected(relation, "'=' or '!='");
        }

        Raw atom = ParseRightSide(left);
        return relation.Is("!=") || relation.Is("<>") ? new RawNot(atom) : atom;
    }

    private Raw ParseRightSide(Place left)
    {
        Token token = scanner.Peek();
        if (token.Is("{"))
        {
            scanner.Next();
            var values = new List<InitialValue>();
            do
            {
                Token element = scanner.Next();
                values.Add(
                    element.Kind == TokenKind.Number
                        ? new InitialValue(element.Value)
                        : throw scanner.Unexpected(element, "a number")
                );
            } while (scanner.Accept(","));
            scanner.Expect("}", "after the last element");
            return new RawElements(left, values, token.Position);
        }

        if (token.Is("[") || (ThreadNumberFollows(token) && !IsLabel(token)))
        {
            return new RawSame(left, ParsePlace());
        }

        scanner.Accept("&");
        token = scanner.Next();
        if (token.Is("("))
        {
            InitialValue entry = state.ParseTableEntry(
                token,
                left.Variable is null ? null : InitialState.PageOf(left.Variable)
            );
            state.NoteTableEntry(left.Thread, left.Register, left.Position);
            return new RawValue(left, entry, token.Position);
        }

        if (state.ParseCodeValue(token) is InitialValue code)
        {
            return new RawValue(left, code, token.Position);
        }

        return token.Kind switch
        {
            TokenKind.Number => new RawValue(left, new InitialValue(token.Value), token.Position),
            TokenKind.Name => new RawValue(
                left,
                state.AddressOf(
                    state.LocationName(token),
                    ParseElement() is int index and >= 0 ? index : 0,
                    token.Position
                ),
                token.Position
            ),
            _ => throw scanner.Unexpected(token, "a number, a location or a register"),
        };
    }

    // "0:rax=1" ends in a number, "0:rax=1:rbx" in a register: the colon decides.
    private bool ThreadNumberFollows(Token token) =>
        (token.Kind == TokenKind.Number || LitmusParser.ThreadNumber(token) is not null)
        && scanner.PeekSecond().Is(":");

    // "P1:L0" is the address of a label where "P1:X0" is a register.
    private bool IsLabel(Token token) =>
        architecture == Architecture.AArch64
        && LitmusParser.ThreadNumber(token) is not null
        && !ArmParser.TryRegister(scanner.PeekThird().Text, out _, out _);

    private bool IsFault() => scanner.Peek().IsName("fault") && scanner.PeekSecond().Is("(");

    // "fault(P0:L0)", "fault(P0:L0,x)", "fault(P0,x,MMU:Translation)": did the instruction there fault, accessing this,
    // in that way?
    private RawValue ParseFault()
    {
        Token first = scanner.Next();
        scanner.Expect("(", "after fault");
        Token column = scanner.Next();
        int? thread = column.Kind == TokenKind.Number ? (int)column.Value : LitmusParser.ThreadNumber(column);
        if (thread is null || thread >= threadCount)
        {
            throw scanner.Unexpected(column, "the column of the instruction, such as P0");
        }

        var question = new FaultQuestion(thread.Value, null, null, null);
        if (scanner.Accept(":"))
        {
            Token label = scanner.Next();
            if (label.Kind != TokenKind.Name)
            {
                throw scanner.Unexpected(label, "a label");
            }

            state.NoteLabel($"P{thread}:{label.Text}", label.Position);
            question = question with { Label = label.Text };
        }

        while (scanner.Accept(","))
        {
            question = ParseFaultPart(question);
        }

        scanner.Expect(")", "after the fault");
        var place = new Place(
            thread.Value,
            new TestRegister(architecture, 0) { Fault = question },
            null,
            -1,
            first.Position
        );
        _places.Add(place);
        return new RawValue(place, new InitialValue(1), first.Position);
    }

    private FaultQuestion ParseFaultPart(FaultQuestion question)
    {
        Token part = scanner.Next();
        string text = part.Text + (scanner.Accept("-") ? "-" + scanner.Next().Text : "");
        text += scanner.Accept(":") ? ":" + scanner.Next().Text : "";
        if (FaultKindNames.Find(text) is FaultKind kind)
        {
            return question with { Kind = kind };
        }

        string kinds = string.Join(", ", Enum.GetValues<FaultKind>().Select(known => known.Name()));
        string location = part.Kind == TokenKind.Name && text == part.Text ? state.LocationName(part) : "";
        return state.Knows(location) && question.Location is null
            ? question with
            {
                Location = location,
            }
            : throw scanner.Error(part.Position, $"found '{text}', expected a location of the test or one of {kinds}");
    }

    private Place ParsePlace()
    {
        Token first = scanner.Peek();
        Place place;
        if (ThreadNumberFollows(first))
        {
            (int thread, TestRegister register, _) = LitmusParser.ParseRegisterLocation(scanner, architecture);
            if (thread >= threadCount)
            {
                throw scanner.Error(
                    first.Position,
                    $"found a register of thread {thread}, but the last column is P{threadCount - 1}"
                );
            }

            place = new Place(thread, register, null, -1, first.Position);
        }
        else
        {
            bool bracketed = scanner.Accept("[") || scanner.Accept("*");
            Token name = scanner.Next();
            if (name.Kind != TokenKind.Name)
            {
                throw scanner.Unexpected(name, "a location such as [x], or a register such as 0:rax");
            }

            string location = state.LocationName(name);
            int element = -1;
            if (bracketed && first.Is("["))
            {
                scanner.Expect("]", "after the location");
            }
            else
            {
                element = ParseElement();
            }

            state.Mention(location, name.Position);
            place = new Place(-1, default, state.Resolve(location), element, name.Position);
        }

        _places.Add(place);
        return place;
    }

    private int ParseElement()
    {
        if (!scanner.Accept("["))
        {
            return -1;
        }

        Token index = scanner.Next();
        if (index.Kind != TokenKind.Number || index.Value > 4096)
        {
            throw scanner.Unexpected(index, "the index of an element");
        }

        scanner.Expect("]", "after the index");
        return (int)index.Value;
    }

    /// <summary>The second step.</summary>
    private sealed class Resolver(
        LitmusScanner scanner,
        InitialState state,
        IReadOnlyList<Variable> variables,
        IReadOnlyList<LitmusThread> threads
    )
    {
        // The order in which herd prints registers.
        private static readonly X86Register[] PrintOrder =
        [
            X86Register.Rax,
            X86Register.Rbx,
            X86Register.Rcx,
            X86Register.Rdx,
            X86Register.Rsi,
            X86Register.Rdi,
            X86Register.Rbp,
            X86Register.R8,
            X86Register.R9,
            X86Register.R10,
            X86Register.R11,
            X86Register.R12,
            X86Register.R13,
            X86Register.R14,
            X86Register.R15,
        ];

        public List<Observable> Observables { get; } = [];

        public HashSet<string> WholeArrays { get; } = [];

        public HashSet<(string Variable, int Element)> NamedElements { get; } = [];

        private static int PlaceOf(TestRegister register) =>
            register.Architecture == Architecture.X86_64 ? Array.IndexOf(PrintOrder, register.X86)
            : register.Fault is null ? register.Number
            : int.MaxValue;

        public void Add(Place place)
        {
            if (place.Variable is string name && place.Element < 0)
            {
                WholeArrays.Add(name);
            }
            else if (place.Variable is string array)
            {
                NamedElements.Add((array, place.Element));
            }

            foreach (Observable observable in Expand(place))
            {
                if (!Observables.Contains(observable))
                {
                    Observables.Add(observable);
                }
            }
        }

        public void Sort()
        {
            List<Observable> sorted =
            [
                .. Observables
                    .Where(item => !item.IsMemory)
                    .OrderBy(item => item.Thread)
                    .ThenBy(item => PlaceOf(item.Register)),
                .. Observables
                    .Where(item => item.IsMemory)
                    .OrderBy(item => item.Variable!.Name, StringComparer.Ordinal)
                    .ThenBy(item => item.Element),
            ];
            Observables.Clear();
            Observables.AddRange(sorted);
        }

        public Proposition Resolve(Raw raw)
        {
            switch (raw)
            {
                case RawAll all:
                    return new Conjunction(all.Parts.ConvertAll(Resolve));
                case RawAny any:
                    return new Disjunction(any.Parts.ConvertAll(Resolve));
                case RawNot not:
                    return new Negation(Resolve(not.Part));
                case RawImplies implies:
                    return new Implication(Resolve(implies.Left), Resolve(implies.Right));
                case RawSame same:
                    return new EqualsObservable(Single(same.Left), Single(same.Right));
                case RawValue value:
                    return Equal(Single(value.Left), value.Value, value.Position);
                case RawElements elements:
                    List<Observable> cells = Expand(elements.Left);
                    if (cells.Count != elements.Values.Count)
                    {
                        throw scanner.Error(
                            elements.Position,
                            $"found {elements.Values.Count} element(s), expected {cells.Count}"
                        );
                    }

                    return new Conjunction([
                        .. cells.Select(
                            (cell, index) => Equal(Observables.IndexOf(cell), elements.Values[index], elements.Position)
                        ),
                    ]);
                default:
                    throw new InvalidOperationException($"Crosscore bug: unknown proposition {raw}");
            }
        }

        private EqualsValue Equal(int left, InitialValue value, SourcePosition position)
        {
            value = state.Resolve(value);
            DataType type = Observables[left].Type;
            if (!value.IsAddress)
            {
                long signed = (long)value.Number;
                if (!type.CanHold(value.Number))
                {
                    throw scanner.Error(
                        position,
                        $"found {signed}, which {Observables[left]} of type {type.Name} can never hold"
                    );
                }
            }
            else if (type.Width != 8)
            {
                throw scanner.Error(
                    position,
                    $"found the address of {value.AddressOf ?? value.Label}, "
                        + $"which {Observables[left]} of type {type.Name} cannot hold"
                );
            }

            return new EqualsValue(left, value with { Number = type.Truncate(value.Number) });
        }

        private int Single(Place place)
        {
            List<Observable> expanded = Expand(place);
            return expanded.Count == 1
                ? Observables.IndexOf(expanded[0])
                : throw scanner.Error(
                    place.Position,
                    $"found the whole array {place.Variable}, expected one element of it, such as {place.Variable}[0]"
                );
        }

        private List<Observable> Expand(Place place)
        {
            if (place.Variable is null)
            {
                DataType? declared = state.RegisterType(place.Thread, place.Register);
                DataType type = declared ?? UndeclaredRegister(place.Thread, place.Register);
                bool isUndeclared = declared is null && place.Register.Fault is null && type.Width == 8;
                return [new Observable(place.Thread, place.Register, null, 0, type) { IsUndeclared = isUndeclared }];
            }

            Variable variable = variables.First(candidate => candidate.Name == place.Variable);
            int count = variable.InitialValues.Count;
            if (place.Element >= count || (place.Element >= 0 && !variable.IsArray))
            {
                throw scanner.Error(
                    place.Position,
                    $"found {place.Variable}[{place.Element}], but {place.Variable} "
                        + $"{(variable.IsArray ? $"has {count} element(s)" : "is no array")}"
                );
            }

            return place.Element >= 0
                ? [new Observable(-1, default, variable, place.Element, variable.Type)]
                :
                [
                    .. Enumerable
                        .Range(0, count)
                        .Select(element => new Observable(-1, default, variable, element, variable.Type)),
                ];
        }

        // As wide as the widest name that the column uses for it, and at least an int; 8 bytes where it is only an
        // initial value.
        private DataType UndeclaredRegister(int thread, TestRegister register)
        {
            int width = register.Fault is null ? 0 : DataType.Int.Width;
            foreach (
                ArmRegister named in threads[thread]
                    .ArmCode.SelectMany(instruction => instruction.Operands)
                    .OfType<ArmRegister>()
            )
            {
                width = named.Number == register.Number ? Math.Max(width, named.Width) : width;
            }

            foreach (X86Instruction instruction in threads[thread].Code)
            {
                foreach (X86Operand operand in instruction.Operands)
                {
                    width =
                        operand is RegisterOperand named && named.Register == register.X86
                            ? Math.Max(width, named.Width)
                            : width;
                }

                // A compare-and-exchange uses rax without naming it.
                width =
                    instruction.Opcode == X86Opcode.Cmpxchg && register.X86 == X86Register.Rax
                        ? Math.Max(width, instruction.Width)
                        : width;
            }

            return width is 0 or 8 ? DataType.SignedOf(8) : DataType.Int;
        }
    }
}
