using System.Globalization;
using System.Text;

namespace Crosscore.Litmus.Syntax;

/// <summary>What a token is.</summary>
internal enum TokenKind
{
    Name,
    Number,
    Symbol,

    /// <summary>What is between quotes; its text is without them.</summary>
    Quoted,
    End,
}

/// <summary>A token of a litmus file.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">As written.</param>
/// <param name="Position">Where it starts.</param>
/// <param name="Start">Where it starts, in characters from the beginning of the file.</param>
/// <param name="Value">The bits of a number.</param>
internal readonly record struct Token(TokenKind Kind, string Text, SourcePosition Position, int Start, ulong Value = 0)
{
    public bool Is(string symbol) => Kind == TokenKind.Symbol && Text == symbol;

    public bool IsName(string name) =>
        Kind == TokenKind.Name && string.Equals(Text, name, StringComparison.OrdinalIgnoreCase);

    /// <summary>Gets the number of the thread that it names, as <c>P0</c>; otherwise <see langword="null"/>.</summary>
    public int? ThreadNumber =>
        Kind == TokenKind.Name && Text.Length > 1 && Text[0] == 'P' && int.TryParse(Text.AsSpan(1), out int thread)
            ? thread
            : null;

    /// <summary>Formats it for messages.</summary>
    public override string ToString() => Kind == TokenKind.End ? "the end of the file" : $"'{Text}'";
}

/// <summary>
/// Cuts a litmus file into tokens: white space and comments (<c>(* nested *)</c>, <c>// to the end of the line</c>)
/// fall away. The header, which is made of lines, is read by <see cref="HeaderLine"/> before the first token.
/// </summary>
internal sealed class LitmusScanner(string text, string file)
{
    // Longest first: "=>" before "=".
    private static readonly string[] Symbols =
    [
        "/\\",
        "\\/",
        "=>",
        "==",
        "!=",
        "<>",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "|",
        ";",
        ":",
        ",",
        "=",
        "~",
        "%",
        "$",
        "*",
        "&",
        "+",
        "#",
        "!",
        ".",
        "-",
    ];

    private int _at;
    private int _line = 1;
    private int _lineStart;
    private int _end;
    private readonly Queue<Token> _ahead = new();

    public LitmusException Error(SourcePosition position, string problem) => new(file, position, problem);

    public LitmusException Unexpected(Token found, string expected) =>
        Error(found.Position, $"found {found}, expected {expected}");

    /// <summary>
    /// Gets the rest of the current line of the header without the white space around it, or <see langword="null"/>
    /// when the initial state's brace comes next. Empty lines and comments are skipped.
    /// </summary>
    public string? HeaderLine(out SourcePosition position)
    {
        SkipBlanks();
        position = Here;
        if (_at == text.Length)
        {
            throw Error(position, "found the end of the file, expected the initial state in braces");
        }

        if (text[_at] == '{')
        {
            return null;
        }

        int start = _at;
        while (_at < text.Length && text[_at] != '\n' && !At("(*"))
        {
            _at++;
        }

        return text[start.._at].Trim();
    }

    /// <summary>
    /// Gets a quoted text that stands at this place and may run over several lines; <see langword="null"/> when none
    /// does.
    /// </summary>
    public string? QuotedText()
    {
        SkipBlanks();
        if (_at == text.Length || text[_at] != '"')
        {
            return null;
        }

        SourcePosition opening = Here;
        _at++;
        var content = new StringBuilder();
        while (_at < text.Length && text[_at] != '"')
        {
            content.Append(text[_at]);
            Advance();
        }

        if (_at == text.Length)
        {
            throw Error(opening, "found a quoted text without its closing quote");
        }

        _at++;
        return string.Join(' ', content.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    public Token Peek() => PeekAt(0);

    /// <summary>Gets the token after the next one.</summary>
    public Token PeekSecond() => PeekAt(1);

    /// <summary>Gets the one after that.</summary>
    public Token PeekThird() => PeekAt(2);

    public Token Next()
    {
        Token token = Peek();
        _ahead.Dequeue();
        _end = token.Start + token.Text.Length + (token.Kind == TokenKind.Quoted ? 2 : 0);
        return token;
    }

    /// <summary>Gets what is written from a token to the last one taken, white space folded.</summary>
    public string TextFrom(Token first) =>
        string.Join(' ', text[first.Start.._end].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Takes the next token when it is this symbol.</summary>
    public bool Accept(string symbol)
    {
        if (!Peek().Is(symbol))
        {
            return false;
        }

        Next();
        return true;
    }

    public Token Expect(string symbol, string purpose)
    {
        Token token = Next();
        return token.Is(symbol) ? token : throw Unexpected(token, $"'{symbol}' {purpose}");
    }

    private Token PeekAt(int index)
    {
        while (_ahead.Count <= index)
        {
            _ahead.Enqueue(Scan());
        }

        return _ahead.ElementAt(index);
    }

    private SourcePosition Here => new(_line, _at - _lineStart + 1);

    private bool At(string expected) => string.CompareOrdinal(text, _at, expected, 0, expected.Length) == 0;

    private void Advance()
    {
        if (text[_at++] == '\n')
        {
            _line++;
            _lineStart = _at;
        }
    }

    private void SkipBlanks()
    {
        while (_at < text.Length)
        {
            if (char.IsWhiteSpace(text[_at]) || text[_at] == '\uFEFF')
            {
                Advance();
            }
            else if (At("(*"))
            {
                SkipComment();
            }
            else if (At("//"))
            {
                while (_at < text.Length && text[_at] != '\n')
                {
                    _at++;
                }
            }
            else
            {
                return;
            }
        }
    }

    private void SkipComment()
    {
        SourcePosition opening = Here;
        int depth = 0;
        do
        {
            if (_at == text.Length)
            {
                throw Error(opening, "found a comment '(*' without its closing '*)'");
            }

            if (At("(*") || At("*)"))
            {
                depth += At("(*") ? 1 : -1;
                _at++;
            }

            Advance();
        } while (depth > 0);
    }

    private Token Scan()
    {
        SkipBlanks();
        SourcePosition position = Here;
        if (_at == text.Length)
        {
            return new Token(TokenKind.End, "", position, _at);
        }

        char first = text[_at];
        int start = _at;
        if (char.IsAsciiDigit(first) || (first == '-' && _at + 1 < text.Length && char.IsAsciiDigit(text[_at + 1])))
        {
            _at++;
            while (_at < text.Length && char.IsAsciiLetterOrDigit(text[_at]))
            {
                _at++;
            }

            return new Token(
                TokenKind.Number,
                text[start.._at],
                position,
                start,
                ParseNumber(text[start.._at], position)
            );
        }

        if (first == '"')
        {
            return ScanQuoted(position, start);
        }

        if (char.IsAsciiLetter(first) || first == '_')
        {
            while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] is '_' or '.'))
            {
                _at++;
            }

            return new Token(TokenKind.Name, text[start.._at], position, start);
        }

        foreach (string symbol in Symbols)
        {
            if (At(symbol))
            {
                _at += symbol.Length;
                return new Token(TokenKind.Symbol, symbol, position, start);
            }
        }

        throw Error(position, $"found the character '{first}', which begins nothing in a litmus test");
    }

    private Token ScanQuoted(SourcePosition position, int start)
    {
        do
        {
            _at++;
            if (_at == text.Length || text[_at] == '\n')
            {
                throw Error(position, "found a quoted text without its closing quote on the same line");
            }
        } while (text[_at] != '"');
        _at++;
        return new Token(TokenKind.Quoted, text[(start + 1)..(_at - 1)], position, start);
    }

    private ulong ParseNumber(string digits, SourcePosition position)
    {
        bool negative = digits[0] == '-';
        string magnitude = negative ? digits[1..] : digits;
        bool hexadecimal = magnitude.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        bool valid = hexadecimal
            ? ulong.TryParse(
                magnitude.AsSpan(2),
                NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture,
                out ulong value
            )
            : ulong.TryParse(magnitude, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        if (!valid || (negative && value > 1UL << 63))
        {
            throw Error(position, $"found '{digits}', expected a decimal or hexadecimal number of at most 64 bits");
        }

        return negative ? 0 - value : value;
    }
}
