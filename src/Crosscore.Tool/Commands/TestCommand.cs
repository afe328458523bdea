using System.CommandLine;
using Crosscore.Litmus.Comparison;
using Crosscore.Litmus.Machine;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Exploration;
using Crosscore.Tool.Output;

namespace Crosscore.Tool.Commands;

/// <summary>The three commands that take tests: check, explore and run. They differ in what they ask and share everything else.</summary>
internal static class TestCommand
{
    public static Command Check() => Create("check", "Explore and run tests, and compare; without TESTS, the project's own", explore: true, run: true);

    public static Command Explore() => Create("explore", "Ask the model alone: every outcome that the cores allow", explore: true, run: false);

    public static Command Run() => Create("run", "Run tests on this machine alone, and count outcomes", explore: false, run: true);

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
        var outcomes = new Option<bool>("--outcomes") { Description = "Show the outcomes of each test, however many tests there are" };
        var trace = new Option<bool>("--trace") { Description = "Show a shortest way to the condition's outcome" };
        var model = new ModelOptions();
        var machine = new MachineOptions();

        var command = new Command(name, description) { tests, format, outcomes };
        if (explore)
        {
            command.Add(trace);
        }

        // The machine is x86-64: only that model can be held against it.
        model.AddTo(command, withCore: explore && !run);
        if (run)
        {
            machine.AddTo(command);
        }

        command.SetAction((result, cancellation) =>
        {
            IReadOnlyList<string> files = TestSelection.Resolve(result.GetValue(tests) ?? []);
            var options = new BenchOptions
            {
                Core = explore ? (run ? CoreKind.X86Tso : model.Core(result)) : null,
                Exploration = model.Read(result),
                Machine = run ? machine.Read(result) : null,
            };
            bool details = files.Count <= TableWriter.MostTestsWithDetails || result.GetValue(outcomes);
            using IReportWriter writer = result.GetValue(format) switch
            {
                "herd" => new HerdWriter(Console.Out),
                "json" => new JsonWriter(Console.OpenStandardOutput()),
                _ => new TableWriter(details, explore && (files.Count == 1 || result.GetValue(trace))),
            };
            return Task.FromResult(Examine(files, new TestBench(options), writer, cancellation));
        });
        return command;
    }

    private static int Examine(IReadOnlyList<string> files, TestBench bench, IReportWriter writer, CancellationToken cancellation)
    {
        int failures = 0;
        int unreadable = 0;
        using var progress = new ProgressLine();
        foreach (string file in files)
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
                failures += report.IsFailure ? 1 : 0;
            }
            catch (OperationCanceledException)
            {
                progress.Clear();
            }
            catch (Exception problem) when (problem is LitmusException or MachineRunException or InvalidDataException or IOException or UnauthorizedAccessException)
            {
                progress.Clear();
                Console.Error.WriteLine($"crosscore: {problem.Message}");
                unreadable++;
            }
        }

        if (cancellation.IsCancellationRequested)
        {
            Console.Error.WriteLine("crosscore: interrupted; what had begun was cut short, and the tests after it were not examined");
            failures++;
        }

        writer.Finish(unreadable);
        return unreadable > 0 ? ExitCode.BadInput : failures > 0 ? ExitCode.Failure : ExitCode.Success;
    }
}
