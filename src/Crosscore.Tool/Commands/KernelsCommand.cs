using System.CommandLine;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Crosscore.Tool.Inputs;
using Crosscore.Tool.Output;
using Crosscore.Tool.Status;
using Spectre.Console;

namespace Crosscore.Tool.Commands;

/// <summary>Lists the kernel designs, or shows one with everything that it inherits.</summary>
internal static class KernelsCommand
{
    public static Command Create()
    {
        var name = new Argument<string?>("NAME")
        {
            Description = "The design to show: its system calls, labels, options and text",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var command = new Command("kernels", "List the kernel designs, or show one") { name };
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

            return ExitStatus.Success;
        });
        return command;
    }

    private static void List()
    {
        ReportOutput output = ReportOutput.Standard;
        if (output.Terminal is null)
        {
            Sheet sheet = new Sheet().AddColumns("design", "system calls", "labels", "description");
            foreach (KernelDesign design in KernelFolder.All())
            {
                sheet.AddRow(
                    Markup.Escape(design.Name),
                    output.Number(design.Syscalls.Count),
                    output.Number(design.Labels.Count),
                    Markup.Escape(FirstComment(design))
                );
            }

            output.Write(sheet);
            return;
        }

        foreach (KernelDesign design in KernelFolder.All())
        {
            output.Line(
                $"[bold]{Markup.Escape(design.Name)}[/]  [dim]{design.Syscalls.Count} "
                    + $"system calls, {design.Labels.Count} labels[/]"
            );
            output.Prose("description", FirstComment(design));
            output.Break();
        }

        output.Line(
            "[dim]crosscore kernels NAME shows one; crosscore explore "
                + "TESTS --kernel NAME (or all) runs tests on them[/]"
        );
    }

    private static void Show(KernelDesign design)
    {
        ReportOutput output = ReportOutput.Standard;
        output.Facts(
            ("design", $"[bold]{Markup.Escape(design.Name)}[/]"),
            ("file", Markup.Escape(design.File)),
            ("system calls", Markup.Escape(string.Join(", ", design.Syscalls.Select(call => call.Name)))),
            (
                "options",
                Markup.Escape(
                    string.Join(", ", design.Options.Values.Select(option => $"{option.Name}={option.Value}"))
                )
            )
        );
        Sheet labels = new Sheet().AddColumns("label", "kind", "place", "text");
        foreach (KernelLabel label in design.Labels)
        {
            KernelSourceLine line = design.SourceLines[label.Line];
            labels.AddRow(
                Markup.Escape(label.Name),
                AblationTable.Kind(label.Kind),
                Markup.Escape($"{Path.GetFileName(line.File)}:{line.Number}"),
                Markup.Escape(line.Text)
            );
        }

        output.Write(labels);
        output.Verbatim(File.ReadAllText(design.File));
    }

    // Gets the first sentence of the comment that a file begins with, without the name before it.
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
