using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Kernel.Syntax;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>
/// A design and everything it extends, as one: what a file declares replaces what its base declares under the same
/// name, and takes its place in the order.
/// </summary>
internal sealed class MergedDesign
{
    private readonly List<Declaration> _declarations = [];
    private readonly Dictionary<string, OptionDeclaration> _options = [];

    /// <param name="files">The base first.</param>
    public MergedDesign(IReadOnlyList<DesignFile> files)
    {
        Files = files;
        foreach (MachineOption option in Vocabulary.MachineOptions)
        {
            _options.Add(
                option.Name,
                new OptionDeclaration(option.Name, default, option.Type, option.Default, default)
            );
        }

        foreach (DesignFile file in files)
        {
            Merge(file);
        }
    }

    private MergedDesign(MergedDesign other, IEnumerable<KernelOption> options)
    {
        Files = other.Files;
        _declarations = other._declarations;
        _options = options.ToDictionary(
            option => option.Name,
            option => other._options[option.Name] with { Value = option.Value }
        );
    }

    /// <summary>The files, the base first.</summary>
    public IReadOnlyList<DesignFile> Files { get; }

    /// <summary>
    /// Every option, those of the machine included, with its type and the value that it has in this design.
    /// </summary>
    public IReadOnlyDictionary<string, OptionDeclaration> Options => _options;

    public IEnumerable<VariableDeclaration> Variables => _declarations.OfType<VariableDeclaration>();

    public IEnumerable<RoutineDeclaration> Routines => _declarations.OfType<RoutineDeclaration>();

    public VariableDeclaration? FindVariable(string name) =>
        Variables.FirstOrDefault(variable => variable.Name == name);

    public RoutineDeclaration? FindRoutine(string name) => Routines.FirstOrDefault(routine => routine.Name == name);

    /// <summary>The routine of a kind of which there is at most one.</summary>
    public RoutineDeclaration? FindRoutine(RoutineKind kind) =>
        Routines.FirstOrDefault(routine => routine.Kind == kind);

    /// <summary>The interrupt routines, in the order of their numbers.</summary>
    public IEnumerable<RoutineDeclaration> Handlers => Routines.Where(routine => routine.Kind == RoutineKind.Interrupt);

    /// <summary>The same with other values for its options.</summary>
    public MergedDesign WithOptions(IEnumerable<KernelOption> options) => new(this, options);

    private void Merge(DesignFile file)
    {
        var here = new Dictionary<string, Position>();
        foreach (Declaration declaration in file.Declarations)
        {
            if (!here.TryAdd(declaration.Name, declaration.Position))
            {
                throw declaration.Position.Error(
                    $"found a second '{declaration.Name}', expected one; "
                        + $"the first is in line {here[declaration.Name].Line}"
                );
            }

            if (declaration is OptionDeclaration option)
            {
                Merge(option);
            }
            else
            {
                Merge(declaration);
            }
        }
    }

    private void Merge(Declaration declaration)
    {
        int inherited = _declarations.FindIndex(other => other.Name == declaration.Name);
        if (_options.ContainsKey(declaration.Name))
        {
            throw declaration.Position.Error(
                $"found '{declaration.Name}', expected another name: there is an option of this one"
            );
        }

        if (inherited < 0)
        {
            _declarations.Add(declaration);
            return;
        }

        if (KindOf(_declarations[inherited]) != KindOf(declaration))
        {
            throw declaration.Position.Error(
                $"found {KindOf(declaration)} '{declaration.Name}', expected "
                    + $"{KindOf(_declarations[inherited])}, which it is in the design that this one extends"
            );
        }

        _declarations[inherited] = declaration;
    }

    private void Merge(OptionDeclaration option)
    {
        if (_declarations.Exists(other => other.Name == option.Name))
        {
            throw option.Position.Error(
                $"found '{option.Name}', expected another name: there is a variable or a routine of this one"
            );
        }

        bool known = _options.TryGetValue(option.Name, out OptionDeclaration? before);
        if (!known && option.Type is null)
        {
            throw option.Position.Error(
                $"found '{option.Name}', expected the name of an option, or a type "
                    + $"before a new one{Suggestion.For(option.Name, _options.Keys)}"
            );
        }

        KernelType type = before?.Type ?? option.Type!.Value;
        if (option.Type is not null && option.Type != type)
        {
            throw option.Position.Error(
                $"found '{option.Name}' as {Vocabulary.NameOf(option.Type.Value)}, "
                    + $"expected {Vocabulary.NameOf(type)}, which it is already"
            );
        }

        string? expected = ExpectedValue(option.Name, type, option.Value);
        _options[option.Name] = expected is null
            ? option with
            {
                Type = type,
            }
            : throw option.ValuePosition.Error($"found '{option.Value}', expected {expected} for '{option.Name}'");
    }

    /// <summary>What values an option can have, when this is not one of them.</summary>
    public static string? ExpectedValue(string name, KernelType type, string value)
    {
        IReadOnlyList<string> words =
            Vocabulary.MachineOptions.FirstOrDefault(option => option.Name == name)?.Words ?? [];
        return type switch
        {
            KernelType.Bool => value is "true" or "false" ? null : "true or false",
            KernelType.Int => int.TryParse(value, out int number) && number >= 0 ? null : "a number",
            _ => words.Contains(value) ? null : string.Join(" or ", words),
        };
    }

    private static string KindOf(Declaration declaration) =>
        declaration switch
        {
            VariableDeclaration { Scope: VariableScope.Global } => "a global variable",
            VariableDeclaration { Scope: VariableScope.PerCpu } => "a variable of each CPU",
            VariableDeclaration { Scope: VariableScope.Task } => "a variable of each task",
            VariableDeclaration { Scope: VariableScope.Mm } => "a variable of each address space",
            VariableDeclaration => "a register of each CPU",
            RoutineDeclaration { Kind: RoutineKind.Syscall } => "a system call",
            RoutineDeclaration { Kind: RoutineKind.Interrupt } => "an interrupt",
            _ => "a function",
        };
}
