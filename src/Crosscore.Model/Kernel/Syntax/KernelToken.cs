using Crosscore.Model.Kernel.Language;

namespace Crosscore.Model.Kernel.Syntax;

/// <summary>What a token is.</summary>
internal enum TokenKind
{
    Name,
    DesignName,
    Number,
    Symbol,
    Comment,
    End,
}

/// <summary>A place in a design; both numbers count from 1.</summary>
internal readonly record struct Position(string File, int Line, int Column)
{
    /// <summary>An error at this place.</summary>
    public KernelDesignException Error(string problem) => new(File, Line, Column, problem);
}

/// <summary>A token of a design.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">As written; of a comment without the white space at its end.</param>
/// <param name="Position">Where it starts.</param>
/// <param name="Value">The value of a number.</param>
internal readonly record struct Token(TokenKind Kind, string Text, Position Position, ulong Value = 0)
{
    public bool Is(string symbol) => Kind == TokenKind.Symbol && Text == symbol;

    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    /// <summary>For messages.</summary>
    public override string ToString() => Kind == TokenKind.End ? "the end of the file" : $"'{Text}'";
}
