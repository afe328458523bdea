using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>Lists what lies inside a statement.</summary>
internal static class TreeWalk
{
    /// <summary>The statement itself and all inside it, in the order of the text.</summary>
    public static IEnumerable<Statement> Statements(Statement statement)
    {
        IEnumerable<Statement> children = statement switch
        {
            BlockStatement block => block.Statements,
            IfStatement branch => branch.Else is null ? [branch.Then] : [branch.Then, branch.Else],
            WhileStatement loop => [loop.Body],
            ForStatement loop => [loop.Body],
            LabeledStatement labeled => [labeled.Inner],
            _ => [],
        };
        return children.SelectMany(Statements).Prepend(statement);
    }

    /// <summary>All calls inside a statement.</summary>
    public static IEnumerable<CallExpression> Calls(Statement statement) =>
        Statements(statement).SelectMany(OwnExpressions).SelectMany(Expressions).OfType<CallExpression>();

    /// <summary>Whether anything inside a statement assigns to a local of this name.</summary>
    public static bool Assigns(Statement statement, string name) =>
        Statements(statement)
            .OfType<AssignStatement>()
            .Any(assign => assign.Target is NameExpression target && target.Name == name);

    private static IEnumerable<Expression> OwnExpressions(Statement statement) =>
        statement switch
        {
            LocalStatement local => [local.Initial],
            AssignStatement assign => [assign.Target, assign.Value],
            IfStatement branch => [branch.Condition],
            WhileStatement loop => [loop.Condition],
            ForStatement loop => loop.Condition is null ? [loop.Set] : [loop.Set, loop.Condition],
            ReturnStatement { Value: { } value } => [value],
            CallStatement call => [call.Call],
            _ => [],
        };

    private static IEnumerable<Expression> Expressions(Expression expression)
    {
        IEnumerable<Expression> children = expression switch
        {
            SetExpression set => set.Members,
            FieldExpression field => [field.Owner],
            IndexExpression index => [index.Index],
            NotExpression not => [not.Operand],
            BinaryExpression binary => [binary.Left, binary.Right],
            CallExpression call => call.Arguments,
            _ => [],
        };
        return children.SelectMany(Expressions).Prepend(expression);
    }
}
