using Crosscore.Model.Kernel.Language;

namespace Crosscore.Model.Kernel.Syntax;

/// <summary>When a routine runs.</summary>
internal enum RoutineKind
{
    Function,
    Syscall,
    Interrupt,
    Switch,
    SyscallReturn,
    InterruptReturn,
    Exit,
}

/// <summary>One file, as written: the tree that the parser makes and the checker and the emitter walk.</summary>
internal sealed record DesignFile(
    string File,
    string Name,
    Position NamePosition,
    string? Base,
    Position BasePosition,
    IReadOnlyList<Declaration> Declarations
);

internal abstract record Declaration(string Name, Position Position);

/// <summary>An option; without a type it gives another value to one that is known already.</summary>
internal sealed record OptionDeclaration(
    string Name,
    Position Position,
    KernelType? Type,
    string Value,
    Position ValuePosition
) : Declaration(Name, Position);

internal sealed record VariableDeclaration(
    string Name,
    Position Position,
    VariableScope Scope,
    KernelType Type,
    Expression? Initial
) : Declaration(Name, Position);

internal sealed record Parameter(string Name, Position Position, KernelType Type);

internal sealed record RoutineDeclaration(
    string Name,
    Position Position,
    RoutineKind Kind,
    KernelType Result,
    IReadOnlyList<Parameter> Parameters,
    BlockStatement Body
) : Declaration(Name, Position);

internal abstract record Statement(Position Position);

internal sealed record BlockStatement(Position Position, IReadOnlyList<Statement> Statements, Position End)
    : Statement(Position);

internal sealed record LocalStatement(
    Position Position,
    KernelType Type,
    string Name,
    Position NamePosition,
    Expression Initial
) : Statement(Position);

/// <summary>An assignment; of <c>+=</c> and <c>-=</c> the operator is kept without the equals sign.</summary>
internal sealed record AssignStatement(Position Position, Expression Target, string? Operator, Expression Value)
    : Statement(Position);

internal sealed record IfStatement(Position Position, Expression Condition, Statement Then, Statement? Else)
    : Statement(Position);

internal sealed record WhileStatement(Position Position, Expression Condition, Statement Body) : Statement(Position);

internal sealed record ForStatement(
    Position Position,
    string Name,
    Position NamePosition,
    Expression Set,
    Expression? Condition,
    Statement Body
) : Statement(Position);

internal sealed record ReturnStatement(Position Position, Expression? Value) : Statement(Position);

internal sealed record BreakStatement(Position Position) : Statement(Position);

internal sealed record ContinueStatement(Position Position) : Statement(Position);

internal sealed record CallStatement(Position Position, CallExpression Call) : Statement(Position);

internal sealed record LabeledStatement(Position Position, string Label, CallStatement Inner) : Statement(Position);

internal abstract record Expression(Position Position);

internal sealed record NumberExpression(Position Position, ulong Value) : Expression(Position);

internal sealed record NameExpression(Position Position, string Name) : Expression(Position);

internal sealed record SetExpression(Position Position, IReadOnlyList<Expression> Members) : Expression(Position);

/// <summary><c>t.name</c>: the variable that a task or an address space has under that name.</summary>
internal sealed record FieldExpression(Position Position, Expression Owner, string Name, Position NamePosition)
    : Expression(Position);

/// <summary><c>name[c]</c>: the variable that a CPU has under that name.</summary>
internal sealed record IndexExpression(Position Position, string Name, Expression Index) : Expression(Position);

internal sealed record NotExpression(Position Position, Expression Operand) : Expression(Position);

/// <summary>An operation on two values; its place is that of the operator.</summary>
internal sealed record BinaryExpression(Position Position, string Operator, Expression Left, Expression Right)
    : Expression(Position);

internal sealed record CallExpression(Position Position, string Name, IReadOnlyList<Expression> Arguments)
    : Expression(Position);
