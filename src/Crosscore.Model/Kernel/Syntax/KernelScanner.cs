using System.Globalization;

namespace Crosscore.Model.Kernel.Syntax;

/// <summary>
/// Cuts a design into tokens. Comments are tokens too, because the formatter keeps them. The name of a design is like
/// that of a kernel release, with dots and dashes; it can stand only after <c>design</c> and <c>extends</c>, and only
/// there those characters belong to a name.
/// </summary>
internal sealed class KernelScanner
{
    // Longest first: "==" before "=".
    private static readonly string[] Symbols =
    [
        "&&",
        "||",
        "==",
        "!=",
        "<=",
        ">=",
        "+=",
        "-=",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        ";",
        ":",
        ",",
        ".",
        "=",
        "<",
        ">",
        "!",
        "+",
        "-",
        "&",
        "|",
    ];

    private readonly string _file;
    private readonly string _text;
    private int _at;
    private int _line = 1;
    private int _lineStart;

    private KernelScanner(string file, string text)
    {
        _file = file;
        _text = text;
    }

    /// <summary>All tokens, comments included; the last one is the end of the file.</summary>
    public static List<Token> Scan(string file, string text)
    {
        var scanner = new KernelScanner(file, text);
        var tokens = new List<Token>();
        bool designName = false;
        do
        {
            Token token = scanner.Next(designName);
            designName =
                token.IsName("design") || token.IsName("extends") || (designName && token.Kind == TokenKind.Comment);
            tokens.Add(token);
        } while (tokens[^1].Kind != TokenKind.End);
        return tokens;
    }

    private Token Next(bool designName)
    {
        SkipBlanks();
        var position = new Position(_file, _line, _at - _lineStart + 1);
        if (_at == _text.Length)
        {
            return new Token(TokenKind.End, "", position);
        }

        char first = _text[_at];
        if (first == '/' && _at + 1 < _text.Length && _text[_at + 1] == '/')
        {
            return new Token(TokenKind.Comment, Take(static c => c != '\n').TrimEnd(), position);
        }

        if (designName && IsDesignName(first))
        {
            return new Token(TokenKind.DesignName, Take(IsDesignName), position);
        }

        if (char.IsAsciiDigit(first))
        {
            string digits = Take(static c => char.IsAsciiLetterOrDigit(c));
            return new Token(TokenKind.Number, digits, position, ParseNumber(digits, position));
        }

        if (IsNamePart(first))
        {
            return new Token(TokenKind.Name, Take(IsNamePart), position);
        }

        foreach (string symbol in Symbols)
        {
            if (string.CompareOrdinal(_text, _at, symbol, 0, symbol.Length) == 0)
            {
                _at += symbol.Length;
                return new Token(TokenKind.Symbol, symbol, position);
            }
        }

        throw position.Error($"found the character '{first}', which begins nothing in a kernel design");
    }

    private static bool IsNamePart(char c) => char.IsAsciiLetterOrDigit(c) || c == '_';

    private static bool IsDesignName(char c) => IsNamePart(c) || c is '.' or '-';

    private static ulong ParseNumber(string digits, Position position)
    {
        bool hexadecimal = digits.StartsWith("0x", StringComparison.Ordinal);
        bool valid = hexadecimal
            ? long.TryParse(
                digits.AsSpan(2),
                NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture,
                out long value
            )
            : long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        return valid && value >= 0
            ? (ulong)value
            : throw position.Error($"found '{digits}', expected a decimal or hexadecimal number of at most 63 bits");
    }

    private string Take(Func<char, bool> belongs)
    {
        int start = _at;
        while (_at < _text.Length && belongs(_text[_at]))
        {
            _at++;
        }

        return _text[start.._at];
    }

    private void SkipBlanks()
    {
        while (_at < _text.Length && (char.IsWhiteSpace(_text[_at]) || _text[_at] == '\uFEFF'))
        {
            if (_text[_at++] == '\n')
            {
                _line++;
                _lineStart = _at;
            }
        }
    }
}
