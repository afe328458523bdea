using System.Text.RegularExpressions;
using ArchUnitNET.Domain;
using ArchUnitNET.Domain.Dependencies;

namespace Crosscore.Tool.Tests.Architecture;

/// <summary>
/// Which folder of an assembly refers to which, from what the compiler made: signatures, fields, bodies of methods. A
/// type belongs to the folder of the file that declares it.
/// </summary>
internal sealed partial class FolderGraph
{
    private readonly Dictionary<string, string> _folderOf = []; // by the full name of a type that is not nested
    private readonly SortedDictionary<string, SortedDictionary<string, string>> _arrows = new(StringComparer.Ordinal);

    /// <param name="types">The types of the assembly.</param>
    /// <param name="sources">The folder that its project lies in.</param>
    /// <param name="depth">How many levels of folders count; 1 for rooms.</param>
    public FolderGraph(IEnumerable<IType> types, string sources, int depth = int.MaxValue)
    {
        foreach (string file in Directory.EnumerateFiles(sources, "*.cs", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(sources, file).Replace('\\', '/');
            if (!relative.StartsWith("obj/", StringComparison.Ordinal))
            {
                string folder = string.Join('/', Path.GetDirectoryName(relative)!.Split('/').Take(depth));
                Add(File.ReadAllText(file), folder);
                if (relative == "Program.cs")
                {
                    _folderOf["Program"] = folder; // the compiler's name for statements at the top level
                }
            }
        }

        foreach (IType type in types)
        {
            if (FolderOf(type) is not { } from)
            {
                continue;
            }

            foreach (ITypeDependency dependency in type.Dependencies)
            {
                if (FolderOf(dependency.Target) is { } to && to != from)
                {
                    _ = ArrowsFrom(from).TryAdd(to, $"{type.Name} -> {dependency.Target.Name}");
                }
            }
        }
    }

    /// <summary>How many types have a folder.</summary>
    public int Count => _folderOf.Count;

    /// <summary>The folders that a folder refers to, each with one reference as the example.</summary>
    public IReadOnlyDictionary<string, string> From(string folder) => ArrowsFrom(folder);

    /// <summary>
    /// The sets of folders that reach each other, as text: with the arrows inside of each and an example of each arrow.
    /// </summary>
    public IEnumerable<string> Cycles()
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string folder in _arrows.Keys)
        {
            string[] cycle = [.. Reached(folder).Where(other => Reached(other).Contains(folder)).Order()];
            if (cycle.Length == 0 || !seen.Add(cycle[0]))
            {
                continue;
            }

            IEnumerable<string> arrows = cycle.SelectMany(from =>
                ArrowsFrom(from)
                    .Where(arrow => cycle.Contains(arrow.Key))
                    .Select(arrow => $"  {Shown(from)} -> {Shown(arrow.Key)}  ({arrow.Value})")
            );
            yield return string.Join('\n', arrows.Prepend(string.Join(", ", cycle.Select(Shown))));
        }
    }

    private static string Shown(string folder) => folder.Length == 0 ? "(root)" : folder;

    private void Add(string source, string folder)
    {
        string space = NamespaceLine().Match(source) is { Success: true } match ? match.Groups[1].Value + "." : "";
        foreach (Match declaration in Declaration().Matches(source))
        {
            _folderOf[space + declaration.Groups[1].Value] = folder;
        }
    }

    private string? FolderOf(IType type)
    {
        // Of a nested type the outermost one counts, and neither the arity nor the arguments of a generic one.
        string name = type.FullName.Split('+', '`', '<', '[')[0];
        return _folderOf.GetValueOrDefault(name);
    }

    private SortedDictionary<string, string> ArrowsFrom(string folder)
    {
        if (!_arrows.TryGetValue(folder, out SortedDictionary<string, string>? arrows))
        {
            arrows = _arrows[folder] = new SortedDictionary<string, string>(StringComparer.Ordinal);
        }

        return arrows;
    }

    private HashSet<string> Reached(string folder)
    {
        var reached = new HashSet<string>(StringComparer.Ordinal);
        var pending = new Stack<string>([folder]);
        while (pending.TryPop(out string? at))
        {
            foreach (string next in _arrows.GetValueOrDefault(at)?.Keys.ToArray() ?? [])
            {
                if (reached.Add(next))
                {
                    pending.Push(next);
                }
            }
        }

        return reached;
    }

    [GeneratedRegex(@"^namespace\s+([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();

    // At the margin: a declaration that is not nested.
    [GeneratedRegex(
        @"^(?:(?:public|internal|file|static|sealed|abstract|readonly|ref|partial|unsafe)\s+)*"
            + @"(?:class|struct|interface|enum|record(?:\s+struct|\s+class)?|delegate\s+[^(]*?)\s+(\w+)",
        RegexOptions.Multiline
    )]
    private static partial Regex Declaration();
}
