using System.CommandLine;

namespace Crosscore.Tool.Commands;

/// <summary>The command as it was given, so that what it made can be made again.</summary>
internal static class CommandLine
{
    public static string Of(ParseResult result) => string.Join(' ', result.Tokens.Select(token => Quote(token.Value)).Prepend("crosscore"));

    private static string Quote(string word) =>
        word.Length > 0 && word.All(letter => char.IsAsciiLetterOrDigit(letter) || "-_./=:@+,".Contains(letter)) ? word : $"'{word.Replace("'", "'\\''")}'";
}
