using Spectre.Console;

namespace Crosscore.Tool.Output;

/// <summary>The standard output: coloured and as wide as the window on a terminal, plain and of one width in a file or pipe.</summary>
internal static class Terminal
{
    // Wide enough for every table; a file has no window.
    private const int WidthInFiles = 160;

    public static IAnsiConsole Console { get; } = Create();

    private static IAnsiConsole Create()
    {
        if (!System.Console.IsOutputRedirected)
        {
            return AnsiConsole.Console;
        }

        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(System.Console.Out),
        });
        console.Profile.Width = WidthInFiles;
        return console;
    }
}
