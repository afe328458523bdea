using System.CommandLine;
using System.Runtime.InteropServices;
using Crosscore.Tool.Output;
using Crosscore.Tool.Status;
using Spectre.Console;

namespace Crosscore.Tool.Commands;

/// <summary>Prints what this machine, kernel and process guarantee.</summary>
internal static class MachineCommand
{
    public static Command Create()
    {
        var command = new Command("machine", "Show what this machine, kernel and process guarantee");
        command.SetAction(_ =>
        {
            Print(ReportOutput.Standard);
            return ExitStatus.Success;
        });
        return command;
    }

    private static void Print(ReportOutput output)
    {
        output.Facts(
            ("system", Markup.Escape($"{Environment.OSVersion.VersionString}, {RuntimeInformation.OSDescription}")),
            ("processor", Markup.Escape($"{ProcessorName()}, {RuntimeInformation.ProcessArchitecture}")),
            ("processors", $"{Environment.ProcessorCount} for this process"),
            ("runtime", Markup.Escape(RuntimeInformation.FrameworkDescription)),
            ("membarrier", Markup.Escape(Commands())),
            ("registered", Markup.Escape($"{Membarrier.FindRegistered()}"))
        );
        output.Break();
        Sheet sheet = new Sheet(isFramed: true).AddColumns("promise", "holds", "evidence", "source");
        foreach (MachineGuarantee guarantee in MachineGuarantees.Detect())
        {
            sheet.AddRow(
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

        output.Write(sheet);
        output.Line("[dim]unknown: assume it does not hold; docs/guarantees.md lists the promises of all systems[/]");
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

    // The runtime does not offer the name of the processor.
    private static string ProcessorName()
    {
        const string Info = "/proc/cpuinfo";
        string? line = File.Exists(Info)
            ? File.ReadLines(Info).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line is null ? "unnamed" : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}
