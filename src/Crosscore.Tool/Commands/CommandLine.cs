using System.CommandLine;

namespace Crosscore.Tool.Commands;

/// <summary>
/// Commands and their options: given to a command, and as a user gave them, so that what they made can be made again.
/// </summary>
internal static class CommandLine
{
    public static string Of(ParseResult result) =>
        string.Join(' ', result.Tokens.Select(token => Quote(token.Value)).Prepend("crosscore"));

    /// <summary>Those of some options that were given, as they were given.</summary>
    public static string Of(ParseResult result, IEnumerable<Option> options) =>
        string.Join(
            ' ',
            options
                .Select(result.GetResult)
                .Where(given => given is { Implicit: false })
                .SelectMany(given => given!.Tokens.Select(token => token.Value).Prepend(given.Option.Name))
                .Select(Quote)
        );

    public static void AddAll(this Command command, IEnumerable<Option> options)
    {
        foreach (Option option in options)
        {
            command.Add(option);
        }
    }

    /// <summary>The names of the options of a command.</summary>
    public static IReadOnlyList<string> OptionNames(this Command command) =>
        [.. command.Options.Select(option => option.Name)];

    private static string Quote(string word) =>
        word.Length > 0 && word.All(letter => char.IsAsciiLetterOrDigit(letter) || "-_./=:@+,".Contains(letter))
            ? word
            : $"'{word.Replace("'", "'\\''")}'";
}
