using System.CommandLine;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Crosscore.Tool.Output;

namespace Crosscore.Tool.Commands;

/// <summary>
/// Removes each labelled barrier, serialisation or restart of a design in turn: which tests then break.
/// </summary>
internal static class AblateCommand
{
    public static Command Create()
    {
        var tests = new Argument<string[]>("TESTS")
        {
            Description = "Files (.litmus), folders, or @list files; without any, the project's own",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var format = new Option<string>("--format")
        {
            Description = "table for people, markdown for documentation, json for programs",
            DefaultValueFactory = _ => "table",
        }.AcceptOnlyFromAmong("table", "markdown", "json");
        var pairs = new Option<bool>("--pairs")
        {
            Description = "Remove every pair of labels as well; shown where both are needed for a test to break",
        };
        var together = new Option<string[]>("--together")
        {
            Description = "Remove these labels together as well",
            HelpName = "LABEL,LABEL...",
        };
        var trace = new Option<bool>("--trace") { Description = "Show the shortest counterexample for each label" };
        var model = new ModelOptions();
        var kernel = new KernelOptions();
        var command = new Command(
            "ablate",
            "Remove each labelled barrier of a kernel design in turn: which tests then break"
        )
        {
            tests,
            format,
            pairs,
            together,
            trace,
        };
        command.AddAll([.. model.All(withCore: true), .. kernel.All]);
        command.SetAction(
            async (result, cancellation) =>
            {
                IReadOnlyList<KernelDesign> designs = kernel.Read(result);
                if (designs is not [KernelDesign design])
                {
                    throw new UsageException(
                        designs.Count == 0
                            ? "name the design to take apart: --kernel NAME"
                            : "--kernel all is too much to take apart at once: name one design"
                    );
                }

                if (result.GetValue(trace) && result.GetValue(format) != "table")
                {
                    throw new UsageException(
                        $"--trace is for people: expected it without --format {result.GetValue(format)}"
                    );
                }

                var options = model.Read(result) with { Fetch = kernel.Profile(result) };
                IReadOnlyList<IReadOnlyList<KernelLabel>> sets =
                [
                    .. (result.GetValue(together) ?? []).Select(set => Labels(design, set)),
                ];
                IReadOnlyList<KernelDesign> known = [design, .. KernelFolder.All()];
                TestMachine machine = kernel.Machine(result);
                TestSelection selection = TestSelection.Resolve(result.GetValue(tests) ?? [], command.OptionNames());
                IReadOnlyList<LitmusTest> read = [.. selection.All.Select(file => Read(file, known, machine))];

                // Without a choice, the core that the tests are written for; where they are not of one mind, x86's, and
                // the report passes over the others.
                CoreKind core =
                    model.Core(result)
                    ?? (
                        read.Select(test => test.HomeCore()).Distinct().ToList() is [CoreKind home]
                            ? home
                            : CoreKind.X86Tso
                    );
                using var progress = new ProgressLine();
                progress.Begin(design.Name);
                AblationReport report = await Task.Run(
                    () =>
                        new Ablation(core, options, progress).Run(
                            design,
                            read,
                            sets,
                            result.GetValue(pairs),
                            cancellation
                        ),
                    CancellationToken.None
                );
                progress.Clear();
                if (report.Tests.Count == 0)
                {
                    throw new UsageException(
                        $"none of the tests can tell what a removal breaks: "
                            + $"{string.Join("; ", report.LeftOut.Select(entry => $"{entry.Test.Name} {entry.Reason}"))}"
                    );
                }

                string again = CommandLine.Of(result, [.. model.All(withCore: true), .. kernel.All]);
                switch (result.GetValue(format))
                {
                    case "json":
                        AblationJson.Write(Console.OpenStandardOutput(), report, again);
                        break;
                    case "markdown":
                        AblationMarkdown.Write(Console.Out, report);
                        break;
                    default:
                        AblationTable.Write(Terminal.Console, report, again);
                        if (result.GetValue(trace))
                        {
                            AblationTable.WriteTraces(Terminal.Console, report, options);
                        }

                        break;
                }

                return ExitCode.Success;
            }
        );
        return command;
    }

    private static LitmusTest Read(string file, IReadOnlyList<KernelDesign> known, TestMachine machine)
    {
        try
        {
            LitmusTest test = LitmusParser.Parse(File.ReadAllText(file), file);
            DesignReport.RequireKnownCalls(test, known);
            return test with { System = test.System.On(machine, file) };
        }
        catch (LitmusException problem)
        {
            throw new UsageException(problem.Message);
        }
    }

    private static KernelLabel[] Labels(KernelDesign design, string set)
    {
        try
        {
            KernelLabel[] labels = [.. set.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(design.FindLabel)];
            string? twice = labels.GroupBy(label => label.Name).FirstOrDefault(group => group.Count() > 1)?.Key;
            return labels.Length == 0
                    ? throw new UsageException($"found '{set}' after --together, expected labels with commas between")
                : twice is not null ? throw new UsageException($"found {twice} twice in '{set}' after --together")
                : labels.FirstOrDefault(label => design.RemovedLabels.Contains(label.Name)) is KernelLabel gone
                    ? throw new UsageException(
                        $"found {gone.Name} after --together, but --remove leaves it out of every run"
                    )
                : labels;
        }
        catch (ArgumentException problem)
        {
            throw new UsageException(problem.Message);
        }
    }
}
