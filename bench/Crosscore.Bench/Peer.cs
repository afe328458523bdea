using System.Diagnostics;

namespace Crosscore.Bench;

/// <summary>Programs of others, started as processes.</summary>
internal static class Peer
{
    /// <summary>The path of a program, or <see langword="null"/> when it is not on PATH.</summary>
    public static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(File.Exists);

    /// <summary>Runs a program to its end.</summary>
    /// <returns>Its output and how long it took, or <see langword="null"/> when the limit passed or it
    /// failed.</returns>
    public static (string Output, TimeSpan Time)? Run(
        string program,
        IEnumerable<string> arguments,
        string folder,
        TimeSpan limit
    )
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        long began = Stopwatch.GetTimestamp();
        using Process process =
            Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start.");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(limit))
        {
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            return null;
        }

        TimeSpan time = Stopwatch.GetElapsedTime(began);
        Task.WaitAll(output, errors);
        return process.ExitCode == 0 ? (output.Result, time) : null;
    }
}
