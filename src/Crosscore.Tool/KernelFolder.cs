using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;

namespace Crosscore.Tool;

/// <summary>Where the project's kernel designs lie.</summary>
internal static class KernelFolder
{
    /// <summary>The folder of a clone, or the copy beside the program.</summary>
    public static string Path => ProjectFolder.Find("kernels");

    /// <summary>
    /// All designs: releases in their order, what was never released after them, what all are measured by last.
    /// </summary>
    public static IReadOnlyList<KernelDesign> All() =>
        [
            .. KernelDesign
                .NamesIn(Path)
                .OrderBy(Rank)
                .ThenBy(Release)
                .ThenBy(name => name, StringComparer.Ordinal)
                .Select(Load),
        ];

    /// <summary>Whether a design came with the command, and is not one of the user's own.</summary>
    public static bool Holds(KernelDesign design) =>
        System.IO.Path.GetFullPath(System.IO.Path.GetDirectoryName(design.File) ?? ".")
        == System.IO.Path.GetFullPath(Path);

    private static int Rank(string name) =>
        name == "specification" ? 2
        : name.StartsWith("linux-", StringComparison.Ordinal) ? 0
        : 1;

    // "linux-5.10-rc" comes before "linux-5.10", and both after "linux-5.4".
    private static (int Major, int Minor, bool Final) Release(string name)
    {
        string[] parts = name.Split('-');
        return parts.Length > 1 && Version.TryParse(parts[1], out Version? version)
            ? (version.Major, version.Minor, parts.Length == 2)
            : default;
    }

    /// <summary>A design by its name or file.</summary>
    public static KernelDesign Load(string name)
    {
        try
        {
            return KernelDesign.Load(name, Path);
        }
        catch (FileNotFoundException) when (KernelDesign.IsPath(name))
        {
            throw new UsageException(
                $"no such file '{name}'; the designs that come with the "
                    + $"command are {string.Join(", ", KernelDesign.NamesIn(Path))}"
            );
        }
        catch (FileNotFoundException)
        {
            throw new UsageException(
                $"found no kernel design '{name}'{Suggestion.For(name, KernelDesign.NamesIn(Path))}; "
                    + $"known are {string.Join(", ", KernelDesign.NamesIn(Path))}, in {Path}"
            );
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"cannot read the kernel design '{name}': {problem.Message}");
        }
        catch (KernelDesignException problem)
        {
            throw new UsageException(problem.Message);
        }
    }
}
