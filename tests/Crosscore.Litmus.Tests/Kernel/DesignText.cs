using Crosscore.Model.Kernel;

namespace Crosscore.Litmus.Tests.Kernel;

/// <summary>Designs as the tests write them: the text of one, or the names of those that the project has.</summary>
internal static class DesignText
{
    /// <summary>The folder of the project's own designs.</summary>
    public static string Folder { get; } = FindFolder();

    public static IReadOnlyList<string> Names => KernelDesign.NamesIn(Folder);

    /// <summary>A design from what comes behind its first line, which is number 1.</summary>
    public static KernelDesign Parse(string declarations) => Parse(("d", "design d;\n" + declarations));

    /// <summary>The first of some designs; the others are there to be extended.</summary>
    public static KernelDesign Parse(params (string Name, string Text)[] files)
    {
        Dictionary<string, string> texts = files.ToDictionary(
            file => file.Name + KernelDesign.Extension,
            file => file.Text
        );
        return KernelDesign.Load(
            files[0].Name,
            name => name + KernelDesign.Extension,
            path => texts.GetValueOrDefault(path),
            [.. files.Select(file => file.Name)]
        );
    }

    private static string FindFolder()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string kernels = Path.Combine(folder.FullName, "kernels");
            if (File.Exists(Path.Combine(kernels, "specification.kernel")))
            {
                return kernels;
            }
        }

        throw new DirectoryNotFoundException("The folder kernels/ is in none of the folders above the tests.");
    }
}
