using Crosscore.Model.Kernel.Checking;
using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel;

/// <summary>
/// A kernel design: what a text file in <c>kernels/</c> says, read, joined with the designs it extends, and checked. It
/// never changes; <see cref="With"/> makes another one with other options or with labeled calls left out. The language
/// is described in <c>docs/kernel-language.md</c>.
/// </summary>
public sealed class KernelDesign
{
    /// <summary>How the file of a design is called, behind its name.</summary>
    public const string Extension = ".kernel";

    private readonly Dictionary<string, int> _firstLines;
    private readonly Lazy<KernelDesign?> _base;

    private KernelDesign(
        MergedDesign merged,
        IReadOnlyList<KernelSourceLine> lines,
        Dictionary<string, int> firstLines,
        Func<KernelDesign?> extended
    )
    {
        Merged = merged;
        SourceLines = lines;
        _firstLines = firstLines;
        _base = new Lazy<KernelDesign?>(extended);
        Options = merged.Options.Values.ToDictionary(
            option => option.Name,
            option => new KernelOption(option.Name, option.Type!.Value, option.Value)
        );
        Syscalls =
        [
            .. merged
                .Routines.Where(routine => routine.Kind == RoutineKind.Syscall)
                .Select(routine => new KernelSyscall(
                    routine.Name,
                    [.. routine.Parameters.Select(parameter => parameter.Type)]
                )),
        ];
        Labels = [.. merged.Routines.SelectMany(LabelsOf)];
        RemovedLabels = new HashSet<string>();
    }

    private KernelDesign(
        KernelDesign other,
        IReadOnlyDictionary<string, KernelOption> options,
        MergedDesign merged,
        IReadOnlySet<string> removed
    )
    {
        Merged = merged;
        SourceLines = other.SourceLines;
        _firstLines = other._firstLines;
        _base = other._base;
        Options = options;
        Syscalls = other.Syscalls;
        Labels = other.Labels;
        RemovedLabels = removed;
    }

    /// <summary>Its name.</summary>
    public string Name => Merged.Files[^1].Name;

    /// <summary>Its file, as the user named it; those that it extends are in <see cref="SourceLines"/> too.</summary>
    public string File => Merged.Files[^1].File;

    /// <summary>The design that it extends, as its files say it; <see langword="null"/> for none.</summary>
    public KernelDesign? Base => _base.Value;

    /// <summary>
    /// Every option with its value: those of the design, and those that the machine reads from any design.
    /// </summary>
    public IReadOnlyDictionary<string, KernelOption> Options { get; }

    /// <summary>The system calls.</summary>
    public IReadOnlyList<KernelSyscall> Syscalls { get; }

    /// <summary>The variables in memory.</summary>
    public IReadOnlyList<KernelVariable> Variables =>
        [
            .. Merged
                .Variables.Where(variable => variable.Scope != VariableScope.Register)
                .Select(variable => new KernelVariable(variable.Name, IndexOf(variable.Scope), variable.Type)),
        ];

    /// <summary>What can be left out, in the order of the text, the inherited first.</summary>
    public IReadOnlyList<KernelLabel> Labels { get; }

    /// <summary>The names of the labels whose calls are left out.</summary>
    public IReadOnlySet<string> RemovedLabels { get; }

    /// <summary>
    /// The lines of all files of the design. The first entry is no line: what comes from none says 0.
    /// </summary>
    public IReadOnlyList<KernelSourceLine> SourceLines { get; }

    internal MergedDesign Merged { get; }

    /// <summary>
    /// Reads a design and those that it extends. What the text of a file extends is looked for beside that file first,
    /// then in the folder.
    /// </summary>
    /// <param name="nameOrPath">Its file, or the name of a design in the folder.</param>
    /// <param name="folder">Where designs lie that are named without a path.</param>
    /// <exception cref="KernelDesignException">The text of one of the files is not a design.</exception>
    /// <exception cref="FileNotFoundException">There is no such design.</exception>
    public static KernelDesign Load(string nameOrPath, string? folder = null)
    {
        ArgumentNullException.ThrowIfNull(nameOrPath);
        folder ??= "";
        bool isPath = IsPath(nameOrPath);
        string own = isPath ? Path.GetDirectoryName(nameOrPath) ?? "" : folder;
        string name = isPath ? Path.GetFileNameWithoutExtension(nameOrPath) : nameOrPath;
        string PathOf(string design)
        {
            string beside = Path.Combine(own, design + Extension);
            return isPath && design == name ? nameOrPath
                : System.IO.File.Exists(beside) ? beside
                : Path.Combine(folder, design + Extension);
        }

        if (!System.IO.File.Exists(PathOf(name)))
        {
            throw new FileNotFoundException(
                isPath
                    ? $"There is no file '{nameOrPath}'."
                    : $"There is no kernel design '{name}' in {Called(folder)}{Suggestion.For(name, NamesIn(folder))}.",
                PathOf(name)
            );
        }

        string places = !isPath || own == folder ? "" : $" beside {nameOrPath} or in {Called(folder)}";
        return Load(
            name,
            PathOf,
            path => System.IO.File.Exists(path) ? System.IO.File.ReadAllText(path) : null,
            [.. NamesIn(own).Concat(NamesIn(folder)).Distinct()],
            places
        );
    }

    /// <summary>Whether an argument is the file of a design, and not the name of one.</summary>
    /// <param name="nameOrPath">The argument.</param>
    public static bool IsPath(string nameOrPath)
    {
        ArgumentNullException.ThrowIfNull(nameOrPath);
        return nameOrPath.EndsWith(Extension, StringComparison.Ordinal)
            || nameOrPath.Contains(Path.DirectorySeparatorChar)
            || System.IO.File.Exists(nameOrPath);
    }

    /// <summary>The names of the designs in a folder, in alphabetical order.</summary>
    public static IReadOnlyList<string> NamesIn(string folder) =>
        Directory.Exists(folder.Length == 0 ? "." : folder)
            ?
            [
                .. Directory
                    .EnumerateFiles(folder.Length == 0 ? "." : folder, "*" + Extension)
                    .Select(file => Path.GetFileNameWithoutExtension(file))
                    .Order(StringComparer.Ordinal),
            ]
            : [];

    /// <summary>
    /// The same design with other values for options, or with labeled calls left out; what was left out already stays
    /// out.
    /// </summary>
    /// <param name="options">Values by the name of the option, as they are written in a design.</param>
    /// <param name="removedLabels">Labels, with their routine or, where that is clear, without.</param>
    /// <exception cref="ArgumentException">An option or a label is not known, or the option cannot have the
    /// value.</exception>
    public KernelDesign With(
        IReadOnlyDictionary<string, string>? options = null,
        IEnumerable<string>? removedLabels = null
    )
    {
        var values = new Dictionary<string, KernelOption>(Options);
        foreach ((string name, string value) in options ?? new Dictionary<string, string>())
        {
            if (!Options.TryGetValue(name, out KernelOption? option))
            {
                throw new ArgumentException($"{Name} has no option '{name}'{Suggestion.For(name, Options.Keys)}.");
            }

            if (MergedDesign.ExpectedValue(name, option.Type, value) is { } expected)
            {
                throw new ArgumentException($"The option '{name}' can be {expected}, not '{value}'.");
            }

            values[name] = option with { Value = value };
        }

        var removed = new HashSet<string>(RemovedLabels);
        removed.UnionWith((removedLabels ?? []).Select(name => FindLabel(name).Name));
        return new KernelDesign(this, values, Merged.WithOptions(values.Values), removed);
    }

    /// <summary>The label of a name, with its routine or, where that is clear, without.</summary>
    /// <exception cref="ArgumentException">There is none, or more than one.</exception>
    public KernelLabel FindLabel(string name)
    {
        List<KernelLabel> found =
        [
            .. Labels.Where(label => label.Name == name || label.Name.EndsWith("." + name, StringComparison.Ordinal)),
        ];
        return found switch
        {
            [KernelLabel only] => only,
            [] => throw new ArgumentException(
                $"{Name} has no label '{name}'{Suggestion.For(name, Labels.Select(NameToCompare))}."
            ),
            _ => throw new ArgumentException(
                $"The label '{name}' of {Name} is ambiguous: {string.Join(", ", found.Select(label => label.Name))}."
            ),
        };

        // A name without a routine is compared with the labels alone.
        string NameToCompare(KernelLabel label) =>
            name.Contains('.') ? label.Name : label.Name[(label.Name.IndexOf('.') + 1)..];
    }

    /// <summary>The value of an option that is true or false.</summary>
    public bool Flag(string option) => Options[option].Value == "true";

    /// <summary>Reads a design whose files lie anywhere.</summary>
    internal static KernelDesign Load(
        string name,
        Func<string, string> pathOf,
        Func<string, string?> read,
        IReadOnlyList<string> known,
        string places = ""
    )
    {
        var files = new List<DesignFile>();
        var texts = new List<string>();
        string? next = name;
        while (next is not null)
        {
            string path = pathOf(next);
            string text =
                read(path)
                ?? throw files[^1]
                    .BasePosition.Error(
                        $"found '{next}', expected the name of a design{places}{Suggestion.For(next, known)}"
                    );
            DesignFile file = KernelParser.Parse(path, text);
            if (file.Name != next)
            {
                throw file.NamePosition.Error($"found '{file.Name}', expected '{next}', the name of the file");
            }

            if (
                file.Base is not null
                && (file.Base == name || files.Exists(other => other.Name == file.Base) || file.Base == file.Name)
            )
            {
                throw file.BasePosition.Error(
                    $"found '{file.Base}', expected a design that does not itself extend '{file.Name}'"
                );
            }

            files.Add(file);
            texts.Add(text);
            next = file.Base;
        }

        files.Reverse();
        texts.Reverse();
        var merged = new MergedDesign(files);
        DesignChecker.Check(merged);
        (List<KernelSourceLine> lines, Dictionary<string, int> firstLines) = Number(files, texts);
        string? extended = files.Count > 1 ? files[^2].Name : null;
        return new KernelDesign(
            merged,
            lines,
            firstLines,
            () => extended is null ? null : Load(extended, pathOf, read, known, places)
        );
    }

    private static string Called(string folder) => folder.Length == 0 ? "the current folder" : folder;

    /// <summary>The index of a place in <see cref="SourceLines"/>.</summary>
    internal int IndexOf(Position position) =>
        position.File is null ? 0 : _firstLines[position.File] + position.Line - 1;

    private static KernelType IndexOf(VariableScope scope) =>
        scope switch
        {
            VariableScope.PerCpu => KernelType.Cpu,
            VariableScope.Task => KernelType.Task,
            VariableScope.Mm => KernelType.Mm,
            _ => KernelType.Void,
        };

    private static (List<KernelSourceLine> Lines, Dictionary<string, int> First) Number(
        List<DesignFile> files,
        List<string> texts
    )
    {
        var lines = new List<KernelSourceLine> { new("", 0, "") };
        var first = new Dictionary<string, int>();
        for (int file = 0; file < files.Count; file++)
        {
            first.Add(files[file].File, lines.Count);
            lines.AddRange(
                texts[file]
                    .Split('\n')
                    .Select((text, index) => new KernelSourceLine(files[file].File, index + 1, text.Trim()))
            );
        }

        return (lines, first);
    }

    private IEnumerable<KernelLabel> LabelsOf(RoutineDeclaration routine) =>
        TreeWalk
            .Statements(routine.Body)
            .OfType<LabeledStatement>()
            .Select(labeled => new KernelLabel(
                $"{routine.Name}.{labeled.Label}",
                LabelKinds.Of(Merged, labeled.Inner.Call),
                IndexOf(labeled.Inner.Position)
            ));
}
