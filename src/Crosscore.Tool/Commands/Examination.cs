using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Bench;
using Crosscore.Litmus.Syntax;
using Crosscore.Tool.Inputs;
using Crosscore.Tool.Output;
using Crosscore.Tool.Status;

namespace Crosscore.Tool.Commands;

/// <summary>Examines tests one after the other, writes their reports and counts what failed.</summary>
internal sealed class Examination(TestBench bench, IReportWriter writer, FailOn failOn)
{
    private int _failures;
    private int _violated;
    private int _unreadable;
    private int _bugs;

    private int Status =>
        _bugs > 0 ? ExitStatus.InternalError
        : _unreadable > 0 ? ExitStatus.BadInput
        : _failures > 0 ? ExitStatus.Failure
        : _violated > 0 ? ExitStatus.Violated
        : ExitStatus.Success;

    /// <summary>Examines the selected tests.</summary>
    /// <returns>The exit status.</returns>
    public int Run(TestSelection selection, CancellationToken cancellation)
    {
        foreach (string problem in selection.Problems)
        {
            Console.Error.WriteLine($"crosscore: {problem}");
            _unreadable++;
        }

        using var progress = new ProgressLine();
        foreach (string file in selection.Files)
        {
            if (cancellation.IsCancellationRequested)
            {
                break;
            }

            Examine(file, progress, cancellation);
        }

        if (cancellation.IsCancellationRequested)
        {
            Console.Error.WriteLine("crosscore: interrupted: the current test was cut short, later ones were skipped");
            _failures++;
        }

        writer.Finish(_unreadable + _bugs);
        return Status;
    }

    private void Examine(string file, ProgressLine progress, CancellationToken cancellation)
    {
        try
        {
            progress.Begin(Path.GetFileNameWithoutExtension(file));
            TestReport report = bench.Examine(file, progress, cancellation);
            progress.Clear();
            writer.Write(report);
            int status = ExitStatus.Of(report, failOn);
            _failures += status == ExitStatus.Failure ? 1 : 0;
            _violated += status == ExitStatus.Violated ? 1 : 0;
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
            _unreadable++;
        }
        catch (Exception bug) when (bug is not UsageException)
        {
            // The other tests can still be examined.
            progress.Clear();
            Console.Error.WriteLine(
                $"crosscore: {file}: internal error in Crosscore; please report it together with this test\n{bug}"
            );
            _bugs++;
        }
    }
}
