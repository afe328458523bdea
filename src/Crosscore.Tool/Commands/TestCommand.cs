using System.CommandLine;
using Crosscore.Litmus.Bench;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Tool.Inputs;
using Crosscore.Tool.Output;
using Crosscore.Tool.Status;

namespace Crosscore.Tool.Commands;

/// <summary>
/// A command that examines tests: check, explore or run. They differ in whether the model, this machine or both are
/// asked, and share everything else.
/// </summary>
internal sealed class TestCommand : Command
{
    private readonly Argument<string[]> _tests = new("TESTS")
    {
        Description = "Files (.litmus), folders, or @list files; without any, the project's tests",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string> _format = new Option<string>("--format")
    {
        Description = "table for people, herd for output compatible with herd7, json for programs",
        DefaultValueFactory = _ => "table",
    }.AcceptOnlyFromAmong("table", "herd", "json");

    private readonly Option<bool> _outcomes = new("--outcomes")
    {
        Description = "Show the outcomes of each test, however many tests there are",
    };

    private readonly Option<string> _failOn = new("--fail-on")
    {
        Description = $"What makes the exit status not 0: {FailOnRules.Explained}",
        HelpName = "CLASS,CLASS...",
        DefaultValueFactory = _ => FailOnRules.Default,
    };

    private readonly Option<bool> _trace = new("--trace")
    {
        Description = "Show a shortest trace to the condition's outcome",
    };

    private readonly Option<string?> _page = new("--html")
    {
        Description =
            "Write a shortest trace to the condition's outcome as a page; needs one test and one kernel design",
        HelpName = "FILE",
    };

    private readonly ModelOptions _model = new();
    private readonly KernelOptions _kernel = new();
    private readonly MachineOptions _machine = new();
    private readonly bool _explores;
    private readonly bool _runs;

    private TestCommand(string name, string description, bool explores, bool runs)
        : base(name, description)
    {
        _explores = explores;
        _runs = runs;
        this.AddAll([_format, _outcomes, _failOn]);
        Add(_tests);
        if (explores)
        {
            Add(_trace);
        }

        // The machine is x86-64: only that model can be compared with it.
        this.AddAll(_model.All(withCore: IsModelAlone));
        if (IsModelAlone)
        {
            Add(_page);
            this.AddAll(_kernel.All);
        }

        if (runs)
        {
            _machine.AddTo(this);
        }

        SetAction(ExamineAsync);
    }

    private bool IsModelAlone => _explores && !_runs;

    public static TestCommand Check() =>
        new("check", "Explore tests, run them on this machine, and compare", explores: true, runs: true);

    public static TestCommand Explore() =>
        new("explore", "Explore tests in the model: every outcome that the cores allow", explores: true, runs: false);

    public static TestCommand Run() =>
        new("run", "Run tests on this machine, and count outcomes", explores: false, runs: true);

    private async Task<int> ExamineAsync(ParseResult result, CancellationToken cancellation)
    {
        TestSelection selection = TestSelection.Resolve(result.GetValue(_tests) ?? [], this.OptionNames());
        FailOn failOn = FailOnRules.Parse(result.GetValue(_failOn)!);
        BenchOptions options = ReadOptions(result);
        string? page = IsModelAlone ? result.GetValue(_page) : null;
        int tests = selection.Files.Count + selection.Problems.Count;
        if (page is not null && tests != 1)
        {
            throw new UsageException($"--html needs exactly one test: found {tests}; name one file");
        }

        using IReportWriter inner = Writer(result, selection.Files.Count, failOn);
        IReportWriter writer = page is null
            ? inner
            : new PageWriter(inner, page, CommandLine.Of(result), DesignReport.ProfileName(options.Exploration.Fetch));
        var examination = new Examination(new TestBench(options), writer, failOn);

        // Not on this thread, which waits for an interruption by the user.
        return await Task.Run(() => examination.Run(selection, cancellation), CancellationToken.None);
    }

    private BenchOptions ReadOptions(ParseResult result)
    {
        var known = new Lazy<IReadOnlyList<KernelDesign>>(KernelFolder.All);
        CoreKind? chosen = IsModelAlone ? _model.Core(result) : null;
        ExplorationOptions exploration = _model.Read(result);
        return new BenchOptions
        {
            Core = _explores ? chosen ?? CoreKind.X86Tso : null,
            IsCoreChosen = chosen is not null,
            Exploration = IsModelAlone ? exploration with { Fetch = _kernel.Profile(result) } : exploration,
            Kernels = IsModelAlone ? _kernel.Read(result) : [],
            BaseOf = _kernel.BaseOf,
            KernelMachine = IsModelAlone ? _kernel.Machine(result) : default,
            KnownKernels = () => known.Value,
            Machine = _runs ? _machine.Read(result) : null,
        };
    }

    private IReportWriter Writer(ParseResult result, int tests, FailOn failOn)
    {
        bool everyOutcome = result.GetValue(_outcomes);
        Traces traces =
            !_explores ? Traces.None
            : result.GetValue(_trace) ? Traces.All
            : tests == 1 ? Traces.OfOne
            : Traces.None;
        return result.GetValue(_format) switch
        {
            "herd" => new HerdWriter(Console.Out, failOn),
            "json" => new JsonWriter(Console.OpenStandardOutput()),
            _ => new TableWriter(
                failOn,
                tests <= TableWriter.MaxTestsWithDetails || everyOutcome,
                everyOutcome,
                traces
            ),
        };
    }
}
