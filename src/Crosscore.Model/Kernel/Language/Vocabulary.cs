namespace Crosscore.Model.Kernel.Language;

/// <summary>An option that the machine reads, whatever the design.</summary>
internal sealed record MachineOption(string Name, KernelType Type, string Default, IReadOnlyList<string> Words);

/// <summary>The words that mean something in every design, and how types are written.</summary>
internal static class Vocabulary
{
    /// <summary>What the machine itself asks of a design.</summary>
    public static readonly IReadOnlyList<MachineOption> MachineOptions =
    [
        new("interrupt_entry_serializes", KernelType.Bool, "false", []),
        new("interrupt_return_serializes", KernelType.Bool, "true", []),
        new("syscall_return_serializes", KernelType.Bool, "false", []),
        new("pti", KernelType.Bool, "false", []),
        new("preemptible", KernelType.Bool, "false", []),
        new("ipi_order", KernelType.Word, "release_acquire", ["none", "release_acquire", "full"]),
    ];

    /// <summary>Errors have the value that a system call returns for them: the number of Linux, negated.</summary>
    public static readonly IReadOnlyDictionary<string, ulong> Errors = new Dictionary<string, long>
    {
        ["EPERM"] = -1,
        ["EINTR"] = -4,
        ["ENXIO"] = -6,
        ["EAGAIN"] = -11,
        ["ENOMEM"] = -12,
        ["EBUSY"] = -16,
        ["ENODEV"] = -19,
        ["EINVAL"] = -22,
        ["ENOSYS"] = -38,
    }.ToDictionary(pair => pair.Key, pair => (ulong)pair.Value);

    /// <summary>Names that every routine knows, and their types.</summary>
    public static readonly IReadOnlyDictionary<string, KernelType> Values = new Dictionary<string, KernelType>
    {
        ["true"] = KernelType.Bool,
        ["false"] = KernelType.Bool,
        ["none"] = KernelType.None,
        ["this_cpu"] = KernelType.Cpu,
        ["current"] = KernelType.Task,
        ["online"] = KernelType.Cpus,
        ["num_online"] = KernelType.Int,
        ["in_interrupt"] = KernelType.Bool,
    };

    /// <summary>Words that only initial values know.</summary>
    public static readonly IReadOnlyDictionary<string, (KernelType Type, VariableScope[] Scopes)> Initials =
        new Dictionary<string, (KernelType, VariableScope[])>
        {
            ["population"] = (KernelType.Int, [VariableScope.Mm]),
            ["running"] = (KernelType.Task, [VariableScope.PerCpu, VariableScope.Register]),
            ["home"] = (KernelType.Mm, [VariableScope.Task]),
            ["running.home"] = (KernelType.Mm, [VariableScope.PerCpu, VariableScope.Register]),
        };

    private static readonly Dictionary<string, KernelType> Types = new()
    {
        ["bool"] = KernelType.Bool,
        ["int"] = KernelType.Int,
        ["cpu"] = KernelType.Cpu,
        ["task"] = KernelType.Task,
        ["mm"] = KernelType.Mm,
        ["cpus"] = KernelType.Cpus,
        ["lock"] = KernelType.Lock,
    };

    private static readonly HashSet<string> Keywords =
    [
        "design",
        "extends",
        "option",
        "global",
        "percpu",
        "register",
        "syscall",
        "interrupt",
        "switch",
        "function",
        "syscall_return",
        "interrupt_return",
        "exit",
        "if",
        "else",
        "while",
        "for",
        "in",
        "return",
        "break",
        "continue",
    ];

    /// <summary>The type that a word names.</summary>
    public static bool IsType(string word, out KernelType type) => Types.TryGetValue(word, out type);

    public static bool IsKeyword(string word) => Keywords.Contains(word);

    /// <summary>Whether a name means something already, so that no design can give it to something else.</summary>
    public static bool IsTaken(string name) =>
        IsKeyword(name) || Values.ContainsKey(name) || Errors.ContainsKey(name) || Primitives.All.ContainsKey(name);

    /// <summary>For messages.</summary>
    public static string NameOf(KernelType type) =>
        type switch
        {
            KernelType.Void => "no value",
            KernelType.None => "none",
            KernelType.Word => "a word",
            _ => Types.First(pair => pair.Value == type).Key,
        };

    /// <summary>For messages: how a variable of a scope is written.</summary>
    public static string Access(VariableScope scope, string name) =>
        scope switch
        {
            VariableScope.PerCpu => $"a variable of each CPU, as in '{name}[this_cpu]'",
            VariableScope.Task => $"a variable of each task, as in 'current.{name}'",
            VariableScope.Mm => $"a variable of each address space, as in 'current.mm.{name}'",
            VariableScope.Register => $"a register of this CPU, written '{name}'",
            _ => $"a global variable, written '{name}'",
        };
}
