using System.CommandLine;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Machine.Assembly;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;
using Crosscore.Model.Exploration;
using Crosscore.Model.Kernel;
using Crosscore.Tool.Output;

namespace Crosscore.Tool.Commands;

/// <summary>
/// The three commands that take tests: check, explore and run. They differ in what they ask and share everything else.
/// </summary>
internal static class TestCommand
{
    public static Command Check() =>
        Create(
            "check",
            "Explore and run tests, and compare; without TESTS, the project's own",
            explore: true,
            run: true
        );

    public static Command Explore() =>
        Create("explore", "Ask the model alone: every outcome that the cores allow", explore: true, run: false);

    public static Command Run() =>
        Create("run", "Run tests on this machine alone, and count outcomes", explore: false, run: true);

    private static Command Create(string name, string description, bool explore, bool run)
    {
        var tests = new Argument<string[]>("TESTS")
        {
            Description = "Files (.litmus), folders, or @list files",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var format = new Option<string>("--format")
        {
            Description = "table for people, herd for the field's tools, json for programs",
            DefaultValueFactory = _ => "table",
        }.AcceptOnlyFromAmong("table", "herd", "json");
        var outcomes = new Option<bool>("--outcomes")
        {
            Description = "Show the outcomes of each test, however many tests there are",
        };
        var failOn = new Option<string>("--fail-on")
        {
            Description = $"What makes the exit status not 0: {FailOnRules.Explained}",
            HelpName = "CLASS,CLASS...",
            DefaultValueFactory = _ => FailOnRules.Default,
        };
        var trace = new Option<bool>("--trace") { Description = "Show a shortest trace to the condition's outcome" };
        var page = new Option<string?>("--html")
        {
            Description =
                "Write a shortest trace to the condition's outcome as a page, of one test on one kernel design",
            HelpName = "FILE",
        };
        var model = new ModelOptions();
        var machine = new MachineOptions();
        var kernel = new KernelOptions();

        var command = new Command(name, description) { tests, format, outcomes, failOn };
        if (explore)
        {
            command.Add(trace);
        }

        // The machine is x86-64: only that model can be held against it.
        command.AddAll(model.All(withCore: explore && !run));
        if (explore && !run)
        {
            command.Add(page);
            command.AddAll(kernel.All);
        }

        if (run)
        {
            machine.AddTo(command);
        }

        command.SetAction(
            async (result, cancellation) =>
            {
                TestSelection selection = TestSelection.Resolve(result.GetValue(tests) ?? [], command.OptionNames());
                IReadOnlyList<string> files = selection.Files;
                FailOn classes = FailOnRules.Parse(result.GetValue(failOn)!);
                var known = new Lazy<IReadOnlyList<KernelDesign>>(KernelFolder.All);
                var options = new BenchOptions
                {
                    Core = explore ? (run ? CoreKind.X86Tso : model.Core(result) ?? CoreKind.X86Tso) : null,
                    IsCoreChosen = explore && !run && model.Core(result) is not null,
                    Exploration =
                        explore && !run
                            ? model.Read(result) with
                            {
                                Fetch = kernel.Profile(result),
                            }
                            : model.Read(result),
                    Kernels = explore && !run ? kernel.Read(result) : [],
                    BaseOf = kernel.BaseOf,
                    KernelMachine = explore && !run ? kernel.Machine(result) : default,
                    KnownKernels = () => known.Value,
                    Machine = run ? machine.Read(result) : null,
                };
                string? pageFile = explore && !run ? result.GetValue(page) : null;
                if (pageFile is not null && files.Count + selection.Problems.Count != 1)
                {
                    throw new UsageException($"--html shows one test, found {files.Count + selection.Problems.Count}");
                }

                bool details = files.Count <= TableWriter.MostTestsWithDetails || result.GetValue(outcomes);
                using IReportWriter table = result.GetValue(format) switch
                {
                    "herd" => new HerdWriter(Console.Out, classes),
                    "json" => new JsonWriter(Console.OpenStandardOutput()),
                    _ => new TableWriter(
                        classes,
                        details,
                        result.GetValue(outcomes),
                        !explore ? Traces.None
                            : result.GetValue(trace) ? Traces.All
                            : files.Count == 1 ? Traces.OfOne
                            : Traces.None
                    ),
                };
                IReportWriter writer = pageFile is null
                    ? table
                    : new PageWriter(
                        table,
                        pageFile,
                        CommandLine.Of(result),
                        DesignReport.ProfileName(options.Exploration.Fetch)
                    );
                // Not on this thread: it waits for an interrupt of the user.
                var bench = new TestBench(options);
                return await Task.Run(
                    () => Examine(selection, bench, writer, classes, cancellation),
                    CancellationToken.None
                );
            }
        );
        return command;
    }

    private static int Examine(
        TestSelection selection,
        TestBench bench,
        IReportWriter writer,
        FailOn failOn,
        CancellationToken cancellation
    )
    {
        int failures = 0;
        int violated = 0;
        int unreadable = selection.Problems.Count;
        int bugs = 0;
        foreach (string problem in selection.Problems)
        {
            Console.Error.WriteLine($"crosscore: {problem}");
        }

        using var progress = new ProgressLine();
        foreach (string file in selection.Files)
        {
            if (cancellation.IsCancellationRequested)
            {
                break;
            }

            try
            {
                progress.Begin(file);
                TestReport report = bench.Examine(file, progress, cancellation);
                progress.Clear();
                writer.Write(report);
                int status = FailOnRules.StatusOf(report, failOn);
                failures += status == ExitCode.Failure ? 1 : 0;
                violated += status == ExitCode.Violated ? 1 : 0;
            }
            catch (OperationCanceledException)
            {
                progress.Clear();
            }
            catch (Exception problem)
                when (problem
                        is LitmusException
                            or MachineRunException
                            or InvalidDataException
                            or IOException
                            or UnauthorizedAccessException
                )
            {
                progress.Clear();
                Console.Error.WriteLine($"crosscore: {problem.Message}");
                unreadable++;
            }
            catch (Exception bug) when (bug is not UsageException)
            {
                // The other tests can still be examined.
                progress.Clear();
                Console.Error.WriteLine(
                    $"crosscore: {file}: this is a mistake of Crosscore, please report it with this test.\n{bug}"
                );
                bugs++;
            }
        }

        if (cancellation.IsCancellationRequested)
        {
            Console.Error.WriteLine(
                "crosscore: interrupted; what had begun was cut short, and the tests after it were not examined"
            );
            failures++;
        }

        writer.Finish(unreadable + bugs);
        return bugs > 0 ? ExitCode.InternalError
            : unreadable > 0 ? ExitCode.BadInput
            : failures > 0 ? ExitCode.Failure
            : violated > 0 ? ExitCode.Violated
            : ExitCode.Success;
    }
}
