using System.Diagnostics;

namespace Crosscore.Tool.Tests;

/// <summary>Runs the command and keeps what it says.</summary>
/// <param name="Status">The exit status.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Errors">Standard error.</param>
internal sealed record Command(int Status, string Output, string Errors)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>The folder of the solution.</summary>
    public static string Repository { get; } = FindRepository();

    /// <summary>Runs it in the folder of the solution, with the arguments as they stand.</summary>
    public static Command Run(params string[] arguments) => RunIn(Repository, arguments);

    /// <summary>Runs it in a folder.</summary>
    public static Command RunIn(string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(
            Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet"
        )
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in arguments.Prepend(Path.Combine(AppContext.BaseDirectory, "Crosscore.Tool.dll")))
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            Assert.Fail($"crosscore {string.Join(' ', arguments)} did not end within {Patience.TotalSeconds:0} s.");
        }

        return new Command(process.ExitCode, output.Result, errors.Result);
    }

    private static string FindRepository()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Crosscore.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("These tests run inside of the solution's folder.");
    }
}

/// <summary>A litmus test in a temporary file, which is deleted when the test is over.</summary>
internal sealed class LitmusFile : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("crosscore-tool").FullName;

    public LitmusFile(string text, string name = "Test")
    {
        Name = Path.Combine(_folder, name + ".litmus");
        File.WriteAllText(Name, text);
    }

    public string Name { get; }

    /// <summary>Another file beside it.</summary>
    public string Beside(string name) => Path.Combine(_folder, name);

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
