using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Crosscore.Tests.Raw;

/// <summary>How a child ended, and what it wrote.</summary>
internal sealed record ChildResult(int Status, byte[] Output, string Errors)
{
    public string Text => Encoding.UTF8.GetString(Output);

    /// <summary>What a <see cref="RawProgram"/> recorded.</summary>
    public long[] Values => MemoryMarshal.Cast<byte, long>(Output).ToArray();
}

/// <summary>
/// Starts children and waits for them. The bound on the wait only keeps a hanging child from hanging the tests; nothing
/// depends on it.
/// </summary>
internal static class ChildProcess
{
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(2);

    /// <summary>Runs a program of bare system calls and returns what it recorded.</summary>
    public static long[] Record(RawProgram program)
    {
        ChildResult result = RunFile(program, [], []);
        Assert.Equal(0, result.Status);
        return result.Values;
    }

    /// <summary>
    /// Runs this test program once more, as a child with a task, through a launcher or directly, with settings added to
    /// its environment.
    /// </summary>
    public static ChildResult RunThisProgram(
        string task,
        RawProgram? launcher = null,
        params IEnumerable<(string Name, string Value)> settings
    )
    {
        string[] command = CommandFor(task);
        return launcher is null ? Run(command[0], command[1..], settings) : RunFile(launcher, command, settings);
    }

    /// <summary>Starts this test program once more with a task, and does not wait for it.</summary>
    public static Process StartThisProgram(string task, params IEnumerable<(string Name, string Value)> settings)
    {
        string[] command = CommandFor(task);
        return Start(command[0], command[1..], settings);
    }

    /// <summary>The command line that runs this program once more with a task.</summary>
    public static string[] CommandFor(string task)
    {
        string self = Environment.ProcessPath!;
        return Path.GetFileNameWithoutExtension(self) == "dotnet"
            ? [self, typeof(ChildProcess).Assembly.Location, Sandbox.Child.Marker, task]
            : [self, Sandbox.Child.Marker, task];
    }

    /// <summary>Runs any program, with settings added to its environment.</summary>
    public static ChildResult RunCommand(string[] command, params IEnumerable<(string Name, string Value)> settings) =>
        Run(command[0], command[1..], settings);

    private static ChildResult RunFile(
        RawProgram program,
        string[] arguments,
        params IEnumerable<(string Name, string Value)> settings
    )
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("A raw program is a Linux executable.");
        }

        // Beside the tests, where executables may certainly be executed; a temporary folder may be mounted noexec.
        string file = Path.Combine(AppContext.BaseDirectory, $"raw-{Guid.NewGuid():N}");
        try
        {
            File.WriteAllBytes(file, program.Build());
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            return Run(file, arguments, settings);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static ChildResult Run(string file, string[] arguments, IEnumerable<(string Name, string Value)> settings)
    {
        using Process child = Start(file, arguments, settings);
        using var output = new MemoryStream();
        Task reading = child.StandardOutput.BaseStream.CopyToAsync(output);
        Task<string> errors = child.StandardError.ReadToEndAsync();
        if (!child.WaitForExit(Bound))
        {
            child.Kill(entireProcessTree: true);
            Assert.Fail($"{file} was still running after {Bound}.");
        }

        child.WaitForExit();
        reading.GetAwaiter().GetResult();
        return new ChildResult(child.ExitCode, output.ToArray(), errors.GetAwaiter().GetResult());
    }

    private static Process Start(string file, string[] arguments, IEnumerable<(string Name, string Value)> settings)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in settings)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }
}
