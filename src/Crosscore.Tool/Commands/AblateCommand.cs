using System.CommandLine;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;
using Crosscore.Tool.Inputs;
using Crosscore.Tool.Output;
using Crosscore.Tool.Status;

namespace Crosscore.Tool.Commands;

/// <summary>
/// Removes each labeled barrier, serialization or restart of a design in turn: which tests then break.
/// </summary>
internal sealed class AblateCommand : Command
{
    private readonly Argument<string[]> _tests = new("TESTS")
    {
        Description = "Files (.litmus), folders, or @list files; without any, the project's tests",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string> _format = new Option<string>("--format")
    {
        Description = "table for people, markdown for documentation, json for programs",
        DefaultValueFactory = _ => "table",
    }.AcceptOnlyFromAmong("table", "markdown", "json");

    private readonly Option<bool> _pairs = new("--pairs")
    {
        Description = "Remove every pair of labels as well; a pair is shown if a test breaks only without both",
    };

    private readonly Option<string[]> _together = new("--together")
    {
        Description = "Remove these labels together as well",
        HelpName = "LABEL,LABEL...",
    };

    private readonly Option<bool> _trace = new("--trace")
    {
        Description = "Show the shortest counterexample for each label",
    };

    private readonly ModelOptions _model = new();
    private readonly KernelOptions _kernel = new();

    public AblateCommand()
        : base("ablate", "Remove each labeled barrier of a kernel design in turn: which tests then break")
    {
        Add(_tests);
        this.AddAll([_format, _pairs, _together, _trace]);
        this.AddAll(Shared);
        SetAction(AblateAsync);
    }

    // The options that a command for a counterexample repeats.
    private IEnumerable<Option> Shared => [.. _model.All(withCore: true), .. _kernel.All];

    private async Task<int> AblateAsync(ParseResult result, CancellationToken cancellation)
    {
        if (_kernel.Read(result) is not [KernelDesign design])
        {
            throw new UsageException("ablate needs exactly one design: --kernel NAME");
        }

        if (result.GetValue(_trace) && result.GetValue(_format) != "table")
        {
            throw new UsageException($"--trace cannot be combined with --format {result.GetValue(_format)}");
        }

        ExplorationOptions options = _model.Read(result) with { Fetch = _kernel.Profile(result) };
        IReadOnlyList<KernelLabel>[] sets = [.. (result.GetValue(_together) ?? []).Select(set => Labels(design, set))];
        IReadOnlyList<LitmusTest> tests = ReadTests(result, design);
        using var progress = new ProgressLine();
        progress.Begin(design.Name);
        var ablation = new Ablation(_model.Core(result) ?? CommonCore(tests), options, progress);
        bool pairs = result.GetValue(_pairs);
        AblationReport report = await Task.Run(
            () => ablation.Run(design, tests, sets, pairs, cancellation),
            CancellationToken.None
        );
        progress.Clear();
        if (report.Tests.Count == 0)
        {
            string reasons = string.Join("; ", report.LeftOut.Select(entry => $"{entry.Test.Name} {entry.Reason}"));
            throw new UsageException($"none of the tests is applicable: {reasons}");
        }

        Write(result, report, options);
        return ExitStatus.Success;
    }

    private void Write(ParseResult result, AblationReport report, ExplorationOptions options)
    {
        string again = CommandLine.Of(result, Shared);
        switch (result.GetValue(_format))
        {
            case "json":
                AblationJson.Write(Console.OpenStandardOutput(), report, again);
                break;
            case "markdown":
                AblationMarkdown.Write(Console.Out, report);
                break;
            default:
                AblationTable.Write(ReportOutput.Standard, report, again);
                if (result.GetValue(_trace))
                {
                    AblationTable.WriteTraces(ReportOutput.Standard, report, options);
                }

                break;
        }
    }

    private IReadOnlyList<LitmusTest> ReadTests(ParseResult result, KernelDesign design)
    {
        IReadOnlyList<KernelDesign> known = [design, .. KernelFolder.All()];
        TestMachine machine = _kernel.Machine(result);
        TestSelection selection = TestSelection.Resolve(result.GetValue(_tests) ?? [], this.OptionNames());
        return [.. selection.All.Select(file => Read(file, known, machine))];
    }

    // The core that the tests are written for; if they differ, x86's, and the report skips the others.
    private static CoreKind CommonCore(IReadOnlyList<LitmusTest> tests) =>
        tests.Select(test => test.HomeCore()).Distinct().ToList() is [CoreKind home] ? home : CoreKind.X86Tso;

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
        KernelLabel[] labels;
        try
        {
            labels = [.. set.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(design.FindLabel)];
        }
        catch (ArgumentException problem)
        {
            throw new UsageException(problem.Message);
        }

        string? twice = labels.GroupBy(label => label.Name).FirstOrDefault(group => group.Count() > 1)?.Key;
        KernelLabel? removed = labels.FirstOrDefault(label => design.RemovedLabels.Contains(label.Name));
        return labels.Length == 0
                ? throw new UsageException($"found '{set}' after --together, expected labels separated by commas")
            : twice is not null
                ? throw new UsageException($"found {twice} twice in '{set}' after --together, expected it once")
            : removed is not null
                ? throw new UsageException($"--together repeats {removed.Name}, which --remove removes from every run")
            : labels;
    }
}
