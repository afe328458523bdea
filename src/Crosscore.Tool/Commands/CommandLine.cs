using System.CommandLine;

namespace Crosscore.Tool.Commands;

/// <summary>
/// Adds options to commands, and quotes what the user gave, so that a report names the command that reproduces it.
/// </summary>
internal static class CommandLine
{
    public static string Of(ParseResult result) =>
        string.Join(' ', result.Tokens.Select(token => Quote(token.Value)).Prepend("crosscore"));

    /// <summary>Quotes those of some options that were given.</summary>
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

    /// <summary>Gets the names of the options of a command.</summary>
    public static IReadOnlyList<string> OptionNames(this Command command) =>
        [.. command.Options.Select(option => option.Name)];

    private static string Quote(string word) =>
        word.Length > 0 && word.All(letter => char.IsAsciiLetterOrDigit(letter) || "-_./=:@+,".Contains(letter))
            ? word
            : $"'{word.Replace("'", "'\\''")}'";
}
