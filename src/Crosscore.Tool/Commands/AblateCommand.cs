using System.CommandLine;
using Crosscore.Litmus.Comparison;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Tool.Output;

namespace Crosscore.Tool.Commands;

/// <summary>Removes each labelled barrier, serialisation or restart of a design in turn: which tests then break.</summary>
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
        var pairs = new Option<bool>("--pairs") { Description = "Remove every pair of labels as well; shown where both are needed for a test to break" };
        var together = new Option<string[]>("--together")
        {
            Description = "Remove these labels together as well",
            HelpName = "LABEL,LABEL...",
        };
        var trace = new Option<bool>("--trace") { Description = "Show the shortest counterexample for each label" };
        var model = new ModelOptions();
        var kernel = new KernelOptions();
        var command = new Command("ablate", "Remove each labelled barrier of a kernel design in turn: which tests then break") { tests, format, pairs, together, trace };
        model.AddTo(command, withCore: true);
        kernel.AddTo(command);
        command.SetAction(async (result, cancellation) =>
        {
            IReadOnlyList<KernelDesign> designs = kernel.Read(result);
            if (designs is not [KernelDesign design])
            {
                throw new UsageException(designs.Count == 0 ? "name the design to take apart: --kernel NAME" : "--kernel all is too much to take apart at once: name one design");
            }

            var options = model.Read(result) with { Fetch = kernel.Profile(result) };
            IReadOnlyList<IReadOnlyList<KernelLabel>> sets = [.. (result.GetValue(together) ?? []).Select(set => Labels(design, set))];
            IReadOnlyList<KernelDesign> known = [design, .. KernelFolder.All()];
            IReadOnlyList<LitmusTest> read = [.. TestSelection.Resolve(result.GetValue(tests) ?? []).Select(file => Read(file, known))];
            using var progress = new ProgressLine();
            progress.Begin(design.Name);
            AblationReport report = await Task.Run(
                () => new Ablation(model.Core(result) ?? CoreKind.X86Tso, options, progress).Run(design, read, sets, result.GetValue(pairs), cancellation), CancellationToken.None);
            progress.Clear();
            string again = Again(result, design, options);
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
        });
        return command;
    }

    private static LitmusTest Read(string file, IReadOnlyList<KernelDesign> known)
    {
        try
        {
            LitmusTest test = LitmusParser.Parse(File.ReadAllText(file), file);
            DesignReport.RequireKnownCalls(test, known);
            return test;
        }
        catch (LitmusException problem)
        {
            throw new UsageException(problem.Message);
        }
    }

    private static IReadOnlyList<KernelLabel> Labels(KernelDesign design, string set)
    {
        try
        {
            return [.. set.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(design.FindLabel)];
        }
        catch (ArgumentException problem)
        {
            throw new UsageException(problem.Message);
        }
    }

    // What every command that shows a counterexample has in common: everything but the test and the labels.
    private static string Again(ParseResult result, KernelDesign design, ExplorationOptions options)
    {
        IEnumerable<string> words = ["--kernel", result.GetValue<string>("--kernel")!];
        words = words.Concat(design.RemovedLabels.SelectMany(label => new[] { "--remove", label }));
        foreach (string setting in result.GetValue<string[]>("--option") ?? [])
        {
            words = words.Concat(["--option", setting]);
        }

        string core = result.GetValue<string>("--core") ?? "x86-tso";
        words = core == "x86-tso" ? words : words.Concat(["--core", core]);
        string profile = DesignReport.ProfileName(options.Fetch);
        return string.Join(' ', profile == "sdm" ? words : words.Concat(["--profile", profile]));
    }
}
