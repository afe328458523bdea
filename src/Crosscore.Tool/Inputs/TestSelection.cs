using Crosscore.Model.Kernel.Language;

namespace Crosscore.Tool.Inputs;

/// <summary>Thrown when a request cannot be carried out; the message says why and what to do.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The files that the arguments TESTS name.</summary>
/// <param name="Files">The files, in the order of the arguments; those of a folder sorted by name.</param>
/// <param name="Problems">What cannot be examined, each with the reason and what to do.</param>
internal sealed record TestSelection(IReadOnlyList<string> Files, IReadOnlyList<string> Problems)
{
    /// <summary>Gets the files of a command that needs every one of them.</summary>
    /// <exception cref="UsageException">Something cannot be examined.</exception>
    public IReadOnlyList<string> All =>
        Problems.Count == 0 ? Files : throw new UsageException(string.Join("\ncrosscore: ", Problems));

    /// <summary>Finds the files.</summary>
    /// <param name="arguments">Files, folders, and <c>@list</c> files with one of them a line.</param>
    /// <param name="options">The options of the command, to suggest one for a misspelled option.</param>
    /// <exception cref="UsageException">An option is unknown, or there is no test at all.</exception>
    public static TestSelection Resolve(IReadOnlyList<string> arguments, IReadOnlyList<string> options)
    {
        var files = new List<string>();
        var problems = new List<string>();
        foreach (string argument in arguments.Count == 0 ? [ProjectFolder.Find("litmus")] : arguments)
        {
            Add(argument, files, problems, fromList: null, options);
        }

        return files.Count + problems.Count > 0
            ? new TestSelection(files, problems)
            : throw new UsageException(
                $"no .litmus file in {string.Join(", ", arguments)}; name a file, a folder or a @list"
            );
    }

    private static void Add(
        string argument,
        List<string> files,
        List<string> problems,
        string? fromList,
        IReadOnlyList<string> options
    )
    {
        string origin = fromList is null ? "" : $" (named in {fromList})";
        if (argument.StartsWith('@') && fromList is null)
        {
            AddList(argument[1..], files, problems, options);
        }
        else if (Directory.Exists(argument))
        {
            try
            {
                string[] found = Directory.GetFiles(
                    argument,
                    "*.litmus",
                    new EnumerationOptions
                    {
                        RecurseSubdirectories = true,
                        IgnoreInaccessible = false,
                        AttributesToSkip = FileAttributes.ReparsePoint,
                    }
                );
                Array.Sort(found, StringComparer.Ordinal);
                files.AddRange(found);
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                problems.Add(
                    $"{argument}: not examined{origin}: {problem.Message}; make it readable, or name single files"
                );
            }
        }
        else if (File.Exists(argument))
        {
            files.Add(argument);
        }
        else if (argument.StartsWith('-') && fromList is null)
        {
            throw new UsageException($"unknown option '{argument}'{Suggestion.For(argument, options)} (see --help)");
        }
        else
        {
            string correct = fromList is null ? "correct the name" : "correct the name in the list";
            problems.Add($"{argument}: not examined: no such file or directory{origin}; {correct}");
        }
    }

    // Names in a list are relative to the list, so that it can be used from anywhere.
    private static void AddList(string list, List<string> files, List<string> problems, IReadOnlyList<string> options)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(list);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            string why = File.Exists(list) ? problem.Message : "no such file";
            problems.Add($"@{list}: not examined: {why}; name a file with one test per line after the @");
            return;
        }

        string folder = Path.GetDirectoryName(list) ?? "";
        foreach (string line in lines.Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#'))
        {
            Add(Path.Combine(folder, line), files, problems, list, options);
        }
    }
}
