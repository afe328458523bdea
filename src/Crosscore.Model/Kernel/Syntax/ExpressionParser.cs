using Crosscore.Model.Kernel.Language;

namespace Crosscore.Model.Kernel.Syntax;

/// <summary>
/// Reads expressions. C's order of operators, except that <c>&amp;</c> and <c>|</c> bind tighter than comparisons, as
/// everybody expects.
/// </summary>
internal sealed class ExpressionParser(TokenReader reader)
{
    // From the loosest to the tightest.
    private static readonly string[][] Levels =
    [
        ["||"],
        ["&&"],
        ["==", "!="],
        ["<", "<=", ">", ">=", "in"],
        ["|"],
        ["&"],
        ["+", "-"],
    ];

    public Expression Parse() => ParseLevel(0);

    /// <summary>What an assignment may begin with, and a call: a name and what follows it.</summary>
    public Expression ParsePostfix()
    {
        Expression expression = ParsePrimary();
        while (true)
        {
            Token token = reader.Peek();
            if (reader.Accept("."))
            {
                Token name = reader.ExpectName("the name of a variable after '.'");
                expression = new FieldExpression(token.Position, expression, name.Text, name.Position);
            }
            else
            {
                return expression;
            }
        }
    }

    private Expression ParseLevel(int level)
    {
        if (level == Levels.Length)
        {
            return ParseUnary();
        }

        Expression left = ParseLevel(level + 1);
        while (IsOperator(reader.Peek(), level))
        {
            Token symbol = reader.Next();
            left = new BinaryExpression(symbol.Position, symbol.Text, left, ParseLevel(level + 1));
        }

        return left;
    }

    private static bool IsOperator(Token token, int level) =>
        (token.Kind == TokenKind.Symbol || token.IsName("in")) && Levels[level].Contains(token.Text);

    private Expression ParseUnary()
    {
        Position position = reader.Peek().Position;
        return reader.Accept("!") ? new NotExpression(position, ParseUnary()) : ParsePostfix();
    }

    private Expression ParsePrimary()
    {
        Token token = reader.Peek();
        if (token.Kind == TokenKind.Number)
        {
            reader.Next();
            return new NumberExpression(token.Position, token.Value);
        }

        if (reader.Accept("("))
        {
            Expression inner = Parse();
            reader.Expect(")", "after the expression");
            return inner;
        }

        if (reader.Accept("{"))
        {
            return new SetExpression(token.Position, ParseList("}", "after the CPUs of the set"));
        }

        if (token.Kind != TokenKind.Name || (Vocabulary.IsKeyword(token.Text) && !reader.Peek(1).Is("(")))
        {
            throw reader.Unexpected("an expression");
        }

        reader.Next();
        if (reader.Accept("("))
        {
            return new CallExpression(token.Position, token.Text, ParseList(")", "after the arguments"));
        }

        if (reader.Accept("["))
        {
            Expression index = Parse();
            reader.Expect("]", "after the number of the CPU");
            return new IndexExpression(token.Position, token.Text, index);
        }

        return new NameExpression(token.Position, token.Text);
    }

    private List<Expression> ParseList(string close, string purpose)
    {
        var items = new List<Expression>();
        if (reader.Accept(close))
        {
            return items;
        }

        do
        {
            items.Add(Parse());
        } while (reader.Accept(","));
        reader.Expect(close, purpose);
        return items;
    }
}
