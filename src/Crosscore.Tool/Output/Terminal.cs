using Spectre.Console;
using Spectre.Console.Rendering;

namespace Crosscore.Tool.Output;

/// <summary>
/// The standard output: coloured and as wide as the window on a terminal, plain and of one width in a file or pipe.
/// </summary>
internal static class Terminal
{
    // A file has no window, so no table and no line of a report is ever broken there; only what is read as prose is.
    private const int WidthInFiles = 10_000;
    private const int WidthOfProse = 160;

    public static IAnsiConsole Console { get; } = Create();

    /// <summary>Prose, indented by two: as wide as a window is, and in a file as wide as can be read.</summary>
    public static IRenderable Prose(string text, Style? style = null) =>
        new Padder(
            new Text(string.Join('\n', Wrap(text, Math.Min(WidthOfProse, Console.Profile.Width) - 2)), style),
            new Padding(2, 0, 0, 0)
        );

    private static IEnumerable<string> Wrap(string text, int width)
    {
        var line = new System.Text.StringBuilder();
        foreach (string word in text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line.ToString();
                line.Clear();
            }

            line.Append(line.Length > 0 ? " " : "").Append(word);
        }

        yield return line.ToString();
    }

    private static IAnsiConsole Create()
    {
        if (!System.Console.IsOutputRedirected)
        {
            return AnsiConsole.Console;
        }

        IAnsiConsole console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Out = new AnsiConsoleOutput(System.Console.Out),
            }
        );
        console.Profile.Width = WidthInFiles;
        return console;
    }
}
