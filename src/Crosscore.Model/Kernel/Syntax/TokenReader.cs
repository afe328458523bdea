using Crosscore.Model.Kernel.Language;

namespace Crosscore.Model.Kernel.Syntax;

/// <summary>
/// Hands the tokens of a file to the parser, without the comments, and says what it found when that is not what was
/// expected.
/// </summary>
internal sealed class TokenReader(string file, string text)
{
    private readonly List<Token> _tokens =
    [
        .. KernelScanner.Scan(file, text).Where(token => token.Kind != TokenKind.Comment),
    ];
    private int _at;

    public Token Peek(int ahead = 0) => _tokens[Math.Min(_at + ahead, _tokens.Count - 1)];

    public Token Next()
    {
        Token token = Peek();
        _at = Math.Min(_at + 1, _tokens.Count - 1);
        return token;
    }

    /// <summary>Takes the next token when it is this symbol.</summary>
    public bool Accept(string symbol)
    {
        bool found = Peek().Is(symbol);
        _at += found ? 1 : 0;
        return found;
    }

    /// <summary>Takes the next token when it is this word.</summary>
    public bool AcceptWord(string word)
    {
        bool found = Peek().IsName(word);
        _at += found ? 1 : 0;
        return found;
    }

    public Token Expect(string symbol, string purpose) =>
        Peek().Is(symbol) ? Next() : throw Unexpected($"'{symbol}' {purpose}");

    public Token ExpectName(string what) => Peek().Kind == TokenKind.Name ? Next() : throw Unexpected(what);

    public KernelDesignException Unexpected(string expected) =>
        Peek().Position.Error($"found {Peek()}, expected {expected}");
}
