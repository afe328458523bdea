using System.CommandLine;
using System.Runtime.InteropServices;
using Crosscore.Tool.Output;
using Spectre.Console;

namespace Crosscore.Tool.Commands;

/// <summary>Prints what this machine, kernel and process promise.</summary>
internal static class MachineCommand
{
    public static Command Create()
    {
        var command = new Command("machine", "What this machine, kernel and process promise");
        command.SetAction(_ =>
        {
            Print(Terminal.Console);
            return ExitCode.Success;
        });
        return command;
    }

    private static void Print(IAnsiConsole console)
    {
        var facts = new Grid().AddColumns(2);
        facts.AddRow(
            "system",
            Markup.Escape($"{Environment.OSVersion.VersionString}, {RuntimeInformation.OSDescription}")
        );
        facts.AddRow("processor", Markup.Escape($"{ProcessorName()}, {RuntimeInformation.ProcessArchitecture}"));
        facts.AddRow("processors", $"{Environment.ProcessorCount} for this process");
        facts.AddRow("runtime", Markup.Escape(RuntimeInformation.FrameworkDescription));
        facts.AddRow("membarrier", Markup.Escape(Commands()));
        facts.AddRow("registered", Markup.Escape($"{Membarrier.FindRegistered()}"));
        console.Write(facts);
        console.WriteLine();

        var table = new Table().Border(TableBorder.Rounded).AddColumns("promise", "here", "known", "source");
        foreach (MachineGuarantee guarantee in MachineGuarantees.Detect())
        {
            table.AddRow(
                Markup.Escape(guarantee.What),
                guarantee.Holds switch
                {
                    GuaranteeAnswer.Yes => "[green]yes[/]",
                    GuaranteeAnswer.No => "[red]no[/]",
                    _ => "[yellow]unknown[/]",
                },
                guarantee.Basis switch
                {
                    GuaranteeBasis.Documented => "documented",
                    GuaranteeBasis.Probed => "probed",
                    _ => "by kernel version",
                },
                Markup.Escape(guarantee.Source)
            );
        }

        console.Write(table);
        console.MarkupLine(
            "[dim]unknown means: act as if it were not so. docs/guarantees.md has the same for all systems.[/]"
        );
    }

    private static string Commands()
    {
        try
        {
            return $"offers {Membarrier.Supported} (QUERY answers {(int)Membarrier.Query()})";
        }
        catch (MembarrierException refusal)
        {
            return refusal.Message;
        }
    }

    // "model name" is what people know their processor by; the runtime does not tell it.
    private static string ProcessorName()
    {
        const string Info = "/proc/cpuinfo";
        string? line = File.Exists(Info)
            ? File.ReadLines(Info).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line is null ? "unnamed" : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
