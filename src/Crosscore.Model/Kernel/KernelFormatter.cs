using System.Text;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel;

/// <summary>
/// The one layout of kernel designs, so that two of them can be compared line by line. It works on tokens: words and
/// comments stay as they are, white space does not. Line breaks between statements are its business; empty lines are
/// the author's, one at a time.
/// </summary>
internal static class KernelFormatter
{
    private const int IndentWidth = 4;

    /// <summary>The same design in the canonical layout.</summary>
    /// <exception cref="KernelDesignException">The text is not a design.</exception>
    public static string Format(string text) => Format(text, "design" + KernelDesign.Extension);

    /// <inheritdoc cref="Format(string)"/>
    /// <param name="text">The design.</param>
    /// <param name="file">Its file, for messages.</param>
    public static string Format(string text, string file)
    {
        ArgumentNullException.ThrowIfNull(text);
        // What is no design has no layout.
        KernelParser.Parse(file, text);
        return new Writer(KernelScanner.Scan(file, text)).Write();
    }

    private sealed class Writer(List<Token> tokens)
    {
        private readonly StringBuilder _text = new();

        // True for the braces of blocks, false for those of sets.
        private readonly Stack<bool> _braces = new();
        private int _parentheses;
        private int _indent;
        private bool _lineStart = true;

        public string Write()
        {
            for (int index = 0; tokens[index].Kind != TokenKind.End; index++)
            {
                Token previous = index == 0 ? default : tokens[index - 1];
                Write(tokens[index], previous, tokens[index + 1]);
            }

            return _text.ToString().TrimEnd('\n') + "\n";
        }

        private void Write(Token token, Token previous, Token next)
        {
            bool sameLine = token.Position.Line == previous.Position.Line;
            if (token.Kind == TokenKind.Comment)
            {
                WriteComment(token, previous, sameLine);
                return;
            }

            bool opensBlock = token.Is("{") && (previous.Is(")") || previous.IsName("else"));
            bool closesBlock = token.Is("}") && _braces.Count > 0 && _braces.Peek();
            if (closesBlock)
            {
                EndLine();
                _indent--;
            }

            KeepEmptyLine(token, previous, closesBlock);
            bool isLabel = _lineStart && next.Is(":") && token.Kind == TokenKind.Name;
            if (_lineStart)
            {
                _text.Append(' ', Math.Max(0, _indent - (isLabel ? 1 : 0)) * IndentWidth);
            }
            else if (NeedsSpace(previous, token))
            {
                _text.Append(' ');
            }

            _text.Append(token.Text);
            _lineStart = false;
            Track(token, opensBlock);
            bool endsLine =
                opensBlock
                || token.Is(":")
                || (token.Is(";") && _parentheses == 0)
                || (closesBlock && !next.IsName("else"));
            if (endsLine)
            {
                EndLine();
            }
        }

        private void Track(Token token, bool opensBlock)
        {
            _parentheses +=
                token.Is("(") ? 1
                : token.Is(")") ? -1
                : 0;
            if (token.Is("{"))
            {
                _braces.Push(opensBlock);
                _indent += opensBlock ? 1 : 0;
            }
            else if (token.Is("}"))
            {
                _braces.Pop();
            }
        }

        // A comment behind code stays behind it; the line was ended already where the code ends it.
        private void WriteComment(Token token, Token previous, bool sameLine)
        {
            if (sameLine && _text.Length > 0)
            {
                while (_text[^1] == '\n')
                {
                    _text.Length--;
                }

                _text.Append("  ").Append(token.Text).Append('\n');
                _lineStart = true;
                return;
            }

            EndLine();
            KeepEmptyLine(token, previous, closesBlock: false);
            _text.Append(' ', _indent * IndentWidth).Append(token.Text).Append('\n');
            _lineStart = true;
        }

        private void KeepEmptyLine(Token token, Token previous, bool closesBlock)
        {
            bool afterOpening = _text.Length >= 2 && _text[^1] == '\n' && _text[^2] == '{';
            if (
                _lineStart
                && _text.Length > 0
                && !closesBlock
                && !afterOpening
                && token.Position.Line - previous.Position.Line > 1
            )
            {
                _text.Append('\n');
            }
        }

        private void EndLine()
        {
            if (!_lineStart)
            {
                _text.Append('\n');
                _lineStart = true;
            }
        }

        private static bool NeedsSpace(Token left, Token right) =>
            !(
                left.Is("(")
                || left.Is("[")
                || left.Is(".")
                || left.Is("!")
                || left.Is("{")
                || right.Is(")")
                || right.Is("]")
                || right.Is(".")
                || right.Is(";")
                || right.Is(",")
                || right.Is(":")
                || right.Is("[")
                || right.Is("}")
                || (
                    right.Is("(")
                    && left.Kind == TokenKind.Name
                    && left.Text is not ("if" or "while" or "for" or "return" or "switch" or "in")
                )
            );
    }
}
