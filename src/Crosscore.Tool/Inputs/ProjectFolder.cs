namespace Crosscore.Tool.Inputs;

/// <summary>
/// Finds folders of the project: in a clone the folder itself, so that edits take effect; elsewhere the copy beside the
/// program.
/// </summary>
internal static class ProjectFolder
{
    public static string Find(string name)
    {
        for (string? folder = Environment.CurrentDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Crosscore.slnx")))
            {
                return Path.GetRelativePath(Environment.CurrentDirectory, Path.Combine(folder, name));
            }
        }

        return Path.Combine(AppContext.BaseDirectory, name);
    }
}
