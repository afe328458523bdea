using System.CommandLine;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Crosscore.Tool.Output;
using Spectre.Console;

namespace Crosscore.Tool.Commands;

/// <summary>Lists the kernel designs, or shows one with everything that it inherits.</summary>
internal static class KernelsCommand
{
    public static Command Create()
    {
        var name = new Argument<string?>("NAME")
        {
            Description = "A design to show: its system calls, labels, options and text",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var command = new Command("kernels", "The kernel designs known") { name };
        command.SetAction(result =>
        {
            if (result.GetValue(name) is string wanted)
            {
                Show(KernelFolder.Load(wanted));
            }
            else
            {
                List();
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static void List()
    {
        foreach (KernelDesign design in KernelFolder.All())
        {
            Terminal.Console.MarkupLine(
                $"[bold]{Markup.Escape(design.Name)}[/]  [dim]{design.Syscalls.Count} "
                    + $"system calls, {design.Labels.Count} labels[/]"
            );
            Terminal.Console.Write(Terminal.Prose(FirstComment(design)));
            Terminal.Console.WriteLine();
        }

        Terminal.Console.MarkupLine(
            "[dim]crosscore kernels NAME shows one; crosscore explore "
                + "TESTS --kernel NAME (or all) runs tests on them.[/]"
        );
    }

    private static void Show(KernelDesign design)
    {
        IAnsiConsole console = Terminal.Console;
        console.MarkupLine($"[bold]{Markup.Escape(design.Name)}[/]  [dim]{Markup.Escape(design.File)}[/]");
        console.WriteLine($"system calls  {string.Join(", ", design.Syscalls.Select(call => call.Name))}");
        console.WriteLine(
            $"options       "
                + $"{string.Join(", ", design.Options.Values.Select(option => $"{option.Name}={option.Value}"))}"
        );
        Table labels = new Table().Border(TableBorder.Simple).AddColumns("label", "kind", "place", "text");
        foreach (KernelLabel label in design.Labels)
        {
            KernelSourceLine line = design.SourceLines[label.Line];
            labels.AddRow(
                Markup.Escape(label.Name),
                Markup.Escape($"{label.Kind}".ToLowerInvariant()),
                Markup.Escape($"{Path.GetFileName(line.File)}:{line.Number}"),
                Markup.Escape(line.Text)
            );
        }

        console.Write(labels);
        console.WriteLine(File.ReadAllText(design.File));
    }

    // The first sentence of the comment that a file begins with, without the name before it.
    private static string FirstComment(KernelDesign design)
    {
        string text = string.Join(
            ' ',
            File.ReadLines(design.File)
                .TakeWhile(line => line.StartsWith("//", StringComparison.Ordinal))
                .Select(line => line[2..].Trim())
        );
        int end = text.IndexOf(". ", StringComparison.Ordinal);
        string sentence = end < 0 ? text : text[..(end + 1)];
        return sentence.StartsWith(design.Name, StringComparison.Ordinal)
            ? sentence[design.Name.Length..].TrimStart(':', ' ')
            : sentence;
    }
}
