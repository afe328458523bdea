using System.Text;
using System.Text.RegularExpressions;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests;

/// <summary>Debuggers and breakpoints, theirs and this library's.</summary>
public sealed partial class TracedTests
{
    [Fact]
    public void While_a_tracer_is_attached_no_breakpoint_is_written_and_the_plan_says_why()
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.PlanWhileTraced);
        Assert.SkipWhen(result.Status == Launcher.NotAvailable, "This system does not let a parent trace its child.");
        Assert.True(result.Status == 0, result.Errors);
        string[] lines = result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.StartsWith("Breakpoint: ", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("TracerAttached: ", lines[1], StringComparison.Ordinal);
        Assert.Matches(@"task \d+ traces this process", lines[1]);
        Assert.StartsWith("TracerAttached: ", lines[2], StringComparison.Ordinal);
        Assert.Equal("3", lines[3]); // As it was.
        Assert.StartsWith("PageSwap: ", lines[4], StringComparison.Ordinal);
        Assert.Matches(@"task \d+ traces this process", lines[4]);
        Assert.Equal($"{0x08070605 + 2}", lines[5]);
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(4711, "task 4711 traces this process")]
    [InlineData(-Errno.ENOENT, "not known: /proc/self/status answered ENOENT")] // No /proc.
    [InlineData(-Errno.EMFILE, "not known: /proc/self/status answered EMFILE")]
    [InlineData(-Errno.ENODATA, "not known: /proc/self/status answered ENODATA")]
    public void Not_to_know_whether_there_is_a_tracer_is_an_obstacle_too(int answer, string? obstacle)
    {
        string? found = BreakpointConditions.TracerObstacle(answer);
        Assert.Equal(obstacle is null, found is null);
        Assert.Contains(obstacle ?? "", found ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Name:\tx\nUmask:\t0022\nState:\tR (running)\nTracerPid:\t0\nUid:\t0\n", 0)]
    [InlineData("Name:\tx\nTracerPid:\t1234\nUid:\t0\n", 1234)]
    [InlineData("Name:\tTracerPid:5\nUid:\t0\n", -Errno.ENODATA)] // A name that looks like the line.
    [InlineData("Name:\tx\nTracerPid:\t\n", -Errno.ENODATA)]
    [InlineData("Name:\tx\nTracerPid:\t-5\n", -Errno.ENODATA)]
    [InlineData("", -Errno.ENODATA)]
    public void The_kernels_line_about_the_tracer_is_understood(string status, int tracer) =>
        Assert.Equal(tracer, Tracer.Parse(Encoding.UTF8.GetBytes(status)));

    [Fact]
    public void The_kernel_is_asked_about_this_process()
    {
        string line = File.ReadLines("/proc/self/status")
            .First(line => line.StartsWith("TracerPid:", StringComparison.Ordinal));
        Assert.Equal(line, $"TracerPid:\t{Tracer.Find()}");
    }

    /// <summary>The pages are shared and not writable, so the kernel refuses a debugger's INT3.</summary>
    [Fact]
    public void Software_breakpoints_of_gdb_are_never_hit_and_hardware_breakpoints_are()
    {
        Machine.NeedsRawPrograms();
        Assert.SkipUnless(File.Exists("/usr/bin/gdb"), "gdb is not installed.");
        ChildResult result = ChildProcess.RunThisProgram(Child.MeetDebuggersBreakpoints);
        Assert.SkipWhen(
            result.Errors.Contains("ptrace: Operation not permitted", StringComparison.Ordinal),
            "This system does not let a child trace its parent."
        );
        Assert.SkipWhen(
            result.Errors.Contains("hardware breakpoint", StringComparison.OrdinalIgnoreCase),
            "This machine has no hardware breakpoints: " + result.Errors
        );
        Assert.True(result.Status == 0, result.Errors);
        Assert.Equal(
            ["1: 0", "2: 0", $"3: {TracedTrial.Calls}", $"4: {TracedTrial.Calls}", "5: 1"],
            Hits(result.Text).Distinct()
        );
    }

    /// <summary>"info breakpoints": a line that begins with the number, and one below it where it was hit.</summary>
    private static List<string> Hits(string text)
    {
        var hits = new List<string>();
        string[] lines = text.Split('\n');
        for (int index = 0; index < lines.Length; index++)
        {
            if (Breakpoint().Match(lines[index]) is { Success: true } breakpoint)
            {
                Match hit = index + 1 < lines.Length ? Hit().Match(lines[index + 1]) : Match.Empty;
                hits.Add($"{breakpoint.Groups[1].Value}: {(hit.Success ? hit.Groups[1].Value : "0")}");
            }
        }

        return hits;
    }

    [GeneratedRegex(@"^(\d)\s+(?:hw )?breakpoint\s+keep")]
    private static partial Regex Breakpoint();

    [GeneratedRegex(@"already hit (\d+) time")]
    private static partial Regex Hit();
}
