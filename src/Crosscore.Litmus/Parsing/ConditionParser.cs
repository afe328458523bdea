using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Parsing;

/// <summary>
/// Parses what follows the program: <c>locations [...]</c>, <c>filter</c> and the condition. Names are resolved to
/// observables in a second step, when the types of all locations are known.
/// </summary>
internal sealed class ConditionParser(
    LitmusScanner scanner,
    InitialState state,
    IInstructionSet instructionSet,
    int threadCount
)
{
    // A condition is read, asked and printed by recursion: a file must not be able to exhaust the stack.
    private const int DeepestNesting = 500;

    private readonly FaultQuestionReader _faults = new(scanner, state, threadCount);
    private readonly List<WrittenPlace> _places = [];
    private int _depth;
    private Raw? _filter;
    private Raw _condition = new RawAll([]);
    private Quantifier _quantifier = Quantifier.ForAll;

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
    public ResolvedCondition Resolve(IReadOnlyList<Variable> variables, IReadOnlyList<LitmusThread> threads)
    {
        var resolver = new ConditionResolver(scanner, state, instructionSet, variables, threads);
        foreach (WrittenPlace place in _places)
        {
            resolver.Add(place);
        }

        resolver.Sort();
        return new ResolvedCondition(
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
            if (_faults.IsNext)
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
        if (_faults.IsNext)
        {
            return ParseFault();
        }

        WrittenPlace left = ParsePlace();
        Token relation = scanner.Next();
        if (!relation.Is("=") && !relation.Is("==") && !relation.Is("!=") && !relation.Is("<>"))
        {
            throw scanner.Unexpected(relation, "'=' or '!='");
        }

        Raw atom = ParseRightSide(left);
        return relation.Is("!=") || relation.Is("<>") ? new RawNot(atom) : atom;
    }

    private Raw ParseRightSide(WrittenPlace left)
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
        if (instructionSet.PageEntries is not null && token.Is("("))
        {
            InitialValue entry = state.ReadPageEntry(
                token,
                left.Variable is null ? null : PageEntry.PageOf(left.Variable)
            );
            state.Registers.NotePageEntry(left.Thread, left.Register, left.Position);
            return new RawValue(left, entry, token.Position);
        }

        if (instructionSet.ReadCodeValue(scanner, state, token) is InitialValue code)
        {
            return new RawValue(left, code, token.Position);
        }

        return token.Kind switch
        {
            TokenKind.Number => new RawValue(left, new InitialValue(token.Value), token.Position),
            TokenKind.Name => new RawValue(
                left,
                state.Locations.AddressOf(
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
        (token.Kind == TokenKind.Number || token.ThreadNumber is not null) && scanner.PeekSecond().Is(":");

    private bool IsLabel(Token token) =>
        token.ThreadNumber is not null && instructionSet.IsLabel(scanner.PeekThird().Text);

    private RawValue ParseFault()
    {
        (FaultQuestion question, SourcePosition position) = _faults.Read();
        var place = new WrittenPlace(question.Thread, TestRegister.AnswerTo(question), null, -1, position);
        _places.Add(place);
        return new RawValue(place, new InitialValue(1), position);
    }

    private WrittenPlace ParsePlace()
    {
        Token first = scanner.Peek();
        WrittenPlace place;
        if (ThreadNumberFollows(first))
        {
            (int thread, TestRegister register) = state.ReadRegister();
            if (thread >= threadCount)
            {
                throw scanner.Error(
                    first.Position,
                    $"found a register of thread {thread}, but the last column is P{threadCount - 1}"
                );
            }

            place = new WrittenPlace(thread, register, null, -1, first.Position);
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

            state.Locations.Mention(location, name.Position);
            place = new WrittenPlace(-1, default, state.Locations.Resolve(location), element, name.Position);
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
}
