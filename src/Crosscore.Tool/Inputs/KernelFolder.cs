using Crosscore.Model.Kernel;
using Crosscore.Model.Kernel.Language;

namespace Crosscore.Tool.Inputs;

/// <summary>The folder of the project's kernel designs.</summary>
internal static class KernelFolder
{
    /// <summary>The folder of a clone, or the copy beside the program.</summary>
    public static string Path => ProjectFolder.Find("kernels");

    /// <summary>
    /// Loads all designs: releases in their order, then what was never released, then the specification.
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

    /// <summary>Whether a design comes with the command, unlike a design of the user.</summary>
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

    /// <summary>Loads a design by its name or file.</summary>
    public static KernelDesign Load(string name)
    {
        try
        {
            return KernelDesign.Load(name, Path);
        }
        catch (FileNotFoundException) when (KernelDesign.IsPath(name))
        {
            throw new UsageException(
                $"cannot load the kernel design: no such file '{name}'; correct the path, or name one of "
                    + string.Join(", ", KernelDesign.NamesIn(Path))
            );
        }
        catch (FileNotFoundException)
        {
            throw new UsageException(
                $"no kernel design '{name}' in {Path}: known designs are "
                    + $"{string.Join(", ", KernelDesign.NamesIn(Path))}"
                    + Suggestion.For(name, KernelDesign.NamesIn(Path))
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
