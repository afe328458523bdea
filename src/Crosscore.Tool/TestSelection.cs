using Crosscore.Model.Kernel.Checking;

namespace Crosscore.Tool;

/// <summary>Something that the user asked for and that cannot be done; the message names it and the way out.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>Turns the TESTS of the command line into files.</summary>
internal static class TestSelection
{
    /// <summary>The files of the arguments, in their order; those of a folder sorted by name.</summary>
    /// <param name="arguments">Files, folders, and <c>@list</c> files with one of them a line.</param>
    /// <param name="options">The options of the command, for one that is misspelt.</param>
    public static IReadOnlyList<string> Resolve(IReadOnlyList<string> arguments, IReadOnlyList<string> options)
    {
        var files = new List<string>();
        foreach (string argument in arguments.Count == 0 ? [ProjectFolder.Find("litmus")] : arguments)
        {
            Add(argument, files, fromList: null, options);
        }

        return files.Count > 0
            ? files
            : throw new UsageException($"found no .litmus file in {string.Join(", ", arguments)}");
    }

    private static void Add(string argument, List<string> files, string? fromList, IReadOnlyList<string> options)
    {
        string origin = fromList is null ? "" : $" (named in {fromList})";
        if (argument.StartsWith('@') && fromList is null)
        {
            string list = argument[1..];
            if (!File.Exists(list))
            {
                throw new UsageException($"found no list file '{list}'");
            }

            // Names in a list are relative to the list, so that it can be used from anywhere.
            string folder = Path.GetDirectoryName(list) ?? "";
            foreach (string line in File.ReadLines(list).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#'))
            {
                Add(Path.Combine(folder, line), files, list, options);
            }
        }
        else if (Directory.Exists(argument))
        {
            string[] found;
            try
            {
                found = Directory.GetFiles(argument, "*.litmus", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = false, AttributesToSkip = FileAttributes.ReparsePoint });
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                throw new UsageException(problem.Message);
            }

            Array.Sort(found, StringComparer.Ordinal);
            files.AddRange(found);
        }
        else if (File.Exists(argument))
        {
            files.Add(argument);
        }
        else if (argument.StartsWith('-'))
        {
            throw new UsageException($"unknown option '{argument}'{Suggestion.For(argument, options)} (see --help)");
        }
        else
        {
            throw new UsageException($"found no file or folder '{argument}'{origin}");
        }
    }
}
