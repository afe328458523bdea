using Crosscore.Litmus.Answers;
using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Outcomes;
using Crosscore.Litmus.Parsing;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Verdicts;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;

namespace Crosscore.Litmus.Bench;

/// <summary>What to find out about tests.</summary>
internal sealed record BenchOptions
{
    /// <summary>Whether to ask the model, and of which kind of core.</summary>
    public CoreKind? Core { get; init; }

    /// <summary>
    /// Whether the user named that core; otherwise a test that is written for another one is explored on that.
    /// </summary>
    public bool IsCoreChosen { get; init; }

    /// <summary>Gets the core to explore a test on; <see langword="null"/> for none.</summary>
    /// <param name="test">The test.</param>
    public CoreKind? CoreOf(LitmusTest test) => Core is null || IsCoreChosen ? Core : test.HomeCore();

    /// <summary>Kernel designs to explore every test on; none for each test's own choice.</summary>
    public IReadOnlyList<KernelDesign> Kernels { get; init; } = [];

    /// <summary>
    /// Gets the design that one of <see cref="Kernels"/> is compared with: the one that it extends;
    /// <see langword="null"/> for none.
    /// </summary>
    public Func<DesignReport, KernelDesign?> BaseOf { get; init; } = _ => null;

    /// <summary>Gets what the machine beneath kernel designs has in addition to what tests say.</summary>
    public TestMachine KernelMachine { get; init; }

    /// <summary>Gets all designs that are known, for tests that are about kernels.</summary>
    public Func<IReadOnlyList<KernelDesign>> KnownKernels { get; init; } = () => [];

    /// <summary>Gets how to explore.</summary>
    public ExplorationOptions Exploration { get; init; } = new();

    /// <summary>Whether to run on this machine, and how.</summary>
    public MachineRunOptions? Machine { get; init; }

    /// <summary>Gets how long a control (<see cref="Expectation.MustBeSeen"/>) may run until its outcome is
    /// seen.</summary>
    public TimeSpan ControlLimit { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>Examines tests: reads, explores, runs and compares them.</summary>
/// <param name="options">What to find out.</param>
internal sealed class TestBench(BenchOptions options)
{
    private readonly KnownAnswers _known = new();
    private IReadOnlyList<MachineGuarantee>? _guarantees;

    /// <summary>Called when an exploration without a kernel design begins.</summary>
    internal Action<CoreKind>? OnExplore { get; init; }

    /// <summary>Runs a test on the machine.</summary>
    internal Func<LitmusTest, MachineRunOptions, CancellationToken, MachineRun> OnMachine { get; init; } =
        MachineRunner.Run;

    /// <summary>Gets what this machine promises.</summary>
    internal Func<IReadOnlyList<MachineGuarantee>> Guarantees { get; init; } = MachineGuarantees.Detect;

    /// <summary>Examines the test in a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="progress">Receives progress reports of long explorations.</param>
    /// <param name="cancellation">Ends the examination early.</param>
    /// <exception cref="LitmusException">The file holds no test that can be understood.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">A table of known answers beside it cannot be read.</exception>
    public TestReport Examine(
        string file,
        IProgress<ExplorationProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        LitmusTest test = LitmusParser.Parse(File.ReadAllText(file), file);

        // A mistake in the test's header is reported before anything runs.
        bool control = Expectation.MustBeSeen(test);
        CoreKind? chosen = options.CoreOf(test);
        if (chosen is CoreKind cores && (options.Kernels.Count > 0 || Expectation.IsAboutKernels(test)))
        {
            List<DesignReport> designs = OnKernels(test, cores, progress, cancellation);
            return new TestReport
            {
                Test = test,
                Designs = designs,
                NotRunBecause = WhyNothingRan(test, designs),
            };
        }

        ModelVerdict? model = chosen is CoreKind core ? Explore(test, core, progress, cancellation) : null;

        // Only outcomes of a machine are compared with sequential consistency.
        ModelVerdict? sequential =
            model is { Core: CoreKind.Sc } ? model
            : test.InstructionSet().Assembler is null ? null
            : Explore(test, CoreKind.Sc, progress, cancellation, endings: false);
        (MachineRun? run, string? problem) = options.Machine is MachineRunOptions machine
            ? Run(test, machine, control, model, sequential, progress, cancellation)
            : default;
        var report = new TestReport
        {
            Test = test,
            Model = model,
            Sequential = sequential,
            Known = model is null ? null : _known.Compare(model),
            Run = run,
            NotRunBecause = problem,
        };
        Outcome[] forbidden = [.. report.Forbidden.Select(outcome => outcome.Outcome)];
        return forbidden.Length == 0
            ? report
            : report.With(
                KnownDefect.Explaining(test, forbidden, options.Exploration, _guarantees ??= Guarantees(), cancellation)
            );
    }

    private ModelVerdict Explore(
        LitmusTest test,
        CoreKind core,
        IProgress<ExplorationProgress>? progress,
        CancellationToken cancellation,
        bool endings = true
    )
    {
        OnExplore?.Invoke(core);
        ExplorationOptions exploration = endings ? options.Exploration : options.Exploration with { Endings = false };
        return ModelVerdict.Of(test, core, exploration, null, progress, cancellation);
    }

    // A test about kernels names those that it expects something of; the others would only take time.
    private List<DesignReport> OnKernels(
        LitmusTest test,
        CoreKind core,
        IProgress<ExplorationProgress>? progress,
        CancellationToken cancellation
    )
    {
        DesignReport.RequireKnownCalls(test, options.Kernels.Concat(options.KnownKernels()));
        string profile = DesignReport.ProfileName(options.Exploration.Fetch);
        IEnumerable<KernelDesign> designs =
            options.Kernels.Count > 0
                ? options.Kernels
                : options.KnownKernels().Where(design => Expectation.OnKernel(test, design.Name, profile) is not null);
        DesignReport On(KernelDesign design) =>
            DesignReport.Of(test, design, core, options.Exploration, options.KernelMachine, progress, cancellation);
        List<DesignReport> reports = [.. designs.Select(On)];
        return reports.ConvertAll(report =>
            options.BaseOf(report) is not KernelDesign extended
                ? report
                : report with
                {
                    Base = reports.Find(other => other.Design.Name == extended.Name) ?? On(extended),
                }
        );
    }

    // A verdict on no design at all is none: what each of them lacks, or that there is none, is then the answer.
    private string? WhyNothingRan(LitmusTest test, List<DesignReport> designs)
    {
        if (designs.Exists(design => design.Verdict is not null))
        {
            return null;
        }

        IReadOnlyList<KernelDesign> known = [.. options.Kernels, .. options.KnownKernels()];
        if (designs.Count == 0)
        {
            string[] names = [.. known.Select(design => design.Name)];
            string[] unknown = [.. Expectation.NamesOfDesigns(test).Except(names)];
            string profile = DesignReport.ProfileName(options.Exploration.Fetch);
            return unknown.Length == 0
                ? $"its Expect[...] lines say nothing of the profile {profile}; name a design with --kernel"
                : string.Join(
                    "; ",
                    unknown.Select(name => $"no kernel design has the name {name}{Suggestion.For(name, names)}")
                );
        }

        string nowhere = DesignReport.NamesOfNoDesign(test, known);
        return nowhere.Length > 0
            ? nowhere
            : string.Join(
                "; ",
                designs
                    .GroupBy(design => string.Join(", ", design.Lacking), design => design.Design.Name)
                    .Select(group => $"no {group.Key} on {string.Join(", ", group)}")
            );
    }

    private (MachineRun? Run, string? Problem) Run(
        LitmusTest test,
        MachineRunOptions machine,
        bool control,
        ModelVerdict? model,
        ModelVerdict? sequential,
        IProgress<ExplorationProgress>? progress,
        CancellationToken cancellation
    )
    {
        ModelVerdict? verdict = sequential ?? model;
        if (test.WhyModelOnly() is string reason)
        {
            return (null, reason);
        }

        // A bad address would end this process, so it is ruled out beforehand, for the processor as it is.
        if (
            test.Threads.Any(test.InstructionSet().Assembler!.HasComputedAddress)
            && !(
                model is { Core: CoreKind.X86Tso } ? model : Explore(test, CoreKind.X86Tso, progress, cancellation)
            ).IsComplete
        )
        {
            return (
                null,
                $"its computed addresses could not all be checked within "
                    + "the bound, and a bad one would end this process."
            );
        }

        try
        {
            MachineRun run = OnMachine(test, machine, cancellation);
            bool IsControl(Outcome outcome) => test.PassesFilter(outcome) && verdict!.IsWitness(outcome);
            bool seen = run.Histogram.Keys.Any(IsControl);
            if (control && !seen)
            {
                // As long as it takes, within the limit: what is asked is whether it can be seen here at all.
                run = OnMachine(
                    test,
                    machine with
                    {
                        Iterations = long.MaxValue,
                        TimeLimit = options.ControlLimit,
                        StopWhen = IsControl,
                    },
                    cancellation
                );
            }

            return (run, null);
        }
        catch (MachineRunException exception)
        {
            return (null, exception.Message);
        }
    }
}
