using Crosscore.Model.Kernel.Language;

namespace Crosscore.Model.Kernel.Syntax;

/// <summary>Reads the bodies of routines.</summary>
internal sealed class StatementParser(TokenReader reader)
{
    private readonly ExpressionParser _expressions = new(reader);

    public BlockStatement ParseBlock(string purpose)
    {
        Token open = reader.Expect("{", purpose);
        var statements = new List<Statement>();
        while (!reader.Peek().Is("}"))
        {
            if (reader.Peek().Kind == TokenKind.End)
            {
                throw reader.Unexpected($"a statement or '}}' for the '{{' of line {open.Position.Line}");
            }

            statements.Add(ParseStatement());
        }

        return new BlockStatement(open.Position, statements, reader.Next().Position);
    }

    private Statement ParseStatement()
    {
        Token first = reader.Peek();
        return first.Kind != TokenKind.Name
            ? first.Is("{")
                ? throw reader.Unexpected("a statement; blocks stand only after 'if', 'else', 'while' and 'for'")
                : throw reader.Unexpected("a statement")
            : first.Text switch
            {
                "if" => ParseIf(),
                "while" => ParseWhile(),
                "for" => ParseFor(),
                "return" => ParseReturn(),
                "break" => ParseBreak(),
                "continue" => ParseContinue(),
                _ when Vocabulary.IsType(first.Text, out KernelType type) && reader.Peek(1).Kind == TokenKind.Name =>
                    ParseLocal(type),
                _ when reader.Peek(1).Is(":") => ParseLabeled(),
                _ => ParseSimple(),
            };
    }

    // After a condition: one statement, or a block.
    private Statement ParseBody(string purpose) => reader.Peek().Is("{") ? ParseBlock(purpose) : ParseBodyStatement();

    private Statement ParseBodyStatement()
    {
        Statement body = ParseStatement();
        return body is LocalStatement
            ? throw body.Position.Error(
                "found a declaration, expected a statement or a block; outside a block nothing could use it"
            )
            : body;
    }

    private IfStatement ParseIf()
    {
        Position position = reader.Next().Position;
        reader.Expect("(", "after 'if'");
        Expression condition = _expressions.Parse();
        reader.Expect(")", "after the condition");
        Statement then = ParseBody("after the condition");
        return new IfStatement(position, condition, then, reader.AcceptWord("else") ? ParseBody("after 'else'") : null);
    }

    private WhileStatement ParseWhile()
    {
        Position position = reader.Next().Position;
        reader.Expect("(", "after 'while'");
        Expression condition = _expressions.Parse();
        reader.Expect(")", "after the condition");
        return new WhileStatement(position, condition, ParseBody("after the condition"));
    }

    private ForStatement ParseFor()
    {
        Position position = reader.Next().Position;
        reader.Expect("(", "after 'for'");
        if (!reader.AcceptWord("cpu"))
        {
            throw reader.Unexpected("'cpu': a 'for' goes over the CPUs of a set, as in 'for (cpu c in online)'");
        }

        Token name = reader.ExpectName("a name for the CPU");
        if (!reader.AcceptWord("in"))
        {
            throw reader.Unexpected("'in' and a set of CPUs");
        }

        Expression set = _expressions.Parse();
        Expression? condition = reader.Accept(",") ? _expressions.Parse() : null;
        reader.Expect(")", condition is null ? "or ',' and a condition" : "after the condition");
        return new ForStatement(position, name.Text, name.Position, set, condition, ParseBody("after 'for (...)'"));
    }

    private ReturnStatement ParseReturn()
    {
        Position position = reader.Next().Position;
        Expression? value = reader.Peek().Is(";") ? null : _expressions.Parse();
        reader.Expect(";", "after 'return'");
        return new ReturnStatement(position, value);
    }

    private BreakStatement ParseBreak()
    {
        Position position = reader.Next().Position;
        reader.Expect(";", "after 'break'");
        return new BreakStatement(position);
    }

    private ContinueStatement ParseContinue()
    {
        Position position = reader.Next().Position;
        reader.Expect(";", "after 'continue'");
        return new ContinueStatement(position);
    }

    private LocalStatement ParseLocal(KernelType type)
    {
        Position position = reader.Next().Position;
        Token name = reader.Next();
        reader.Expect("=", "and a first value");
        Expression initial = _expressions.Parse();
        reader.Expect(";", "after the declaration");
        return new LocalStatement(position, type, name.Text, name.Position, initial);
    }

    private LabeledStatement ParseLabeled()
    {
        Token label = reader.Next();
        reader.Next();
        Position position = reader.Peek().Position;
        return
            reader.Peek().Kind == TokenKind.Name
            && reader.Peek(1).Is("(")
            && !Vocabulary.IsKeyword(reader.Peek().Text)
            && ParseSimple() is CallStatement call
            ? new LabeledStatement(label.Position, label.Text, call)
            : throw position.Error(
                $"found {reader.Peek()}, expected a call after the label '{label.Text}': "
                    + "a label names what can be left out, a barrier or the like"
            );
    }

    private Statement ParseSimple()
    {
        Position position = reader.Peek().Position;
        Expression target = _expressions.ParsePostfix();
        if (target is CallExpression call)
        {
            reader.Expect(";", "after the call");
            return new CallStatement(position, call);
        }

        string? symbol =
            reader.Accept("=") ? "="
            : reader.Accept("+=") ? "+"
            : reader.Accept("-=") ? "-"
            : null;
        if (symbol is null)
        {
            throw reader.Unexpected("'=', '+=' or '-='; an expression alone does nothing unless it is a call");
        }

        Expression value = _expressions.Parse();
        reader.Expect(";", "after the assignment");
        return new AssignStatement(position, target, symbol == "=" ? null : symbol, value);
    }
}
