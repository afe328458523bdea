namespace Crosscore.Litmus.Syntax;

/// <summary>
/// A litmus test as written: its program, its initial state and the question it asks of the final states.
/// </summary>
internal sealed record LitmusTest
{
    /// <summary>Gets the file it was read from, as the user named it.</summary>
    public required string File { get; init; }

    /// <summary>Gets the instruction set that it is written in.</summary>
    public required Architecture Architecture { get; init; }

    /// <summary>Gets the name in its first line.</summary>
    public required string Name { get; init; }

    /// <summary>Gets the quoted text under the first line; empty when there is none.</summary>
    public required string Description { get; init; }

    /// <summary>Gets the <c>Key=value</c> lines of the header.</summary>
    public required IReadOnlyDictionary<string, string> Properties { get; init; }

    /// <summary>Gets where each of <see cref="Properties"/> stands.</summary>
    public required IReadOnlyDictionary<string, SourcePosition> PropertyPositions { get; init; }

    /// <summary>Gets other names of variables, as other linear addresses of the same memory.</summary>
    public required IReadOnlyDictionary<string, string> Aliases { get; init; }

    /// <summary>Gets where its threads run.</summary>
    public required TestSystem System { get; init; }

    /// <summary>Gets the shared memory, in the order of first mention.</summary>
    public required IReadOnlyList<Variable> Variables { get; init; }

    /// <summary>Gets the columns.</summary>
    public required IReadOnlyList<LitmusThread> Threads { get; init; }

    /// <summary>Gets what a final state is made of, in the order in which it is printed: registers, then
    /// memory.</summary>
    public required IReadOnlyList<Observable> Observables { get; init; }

    /// <summary>Final states for which this is false do not count; <see langword="null"/> when all do.</summary>
    public required Proposition? Filter { get; init; }

    /// <summary>Gets how the condition is asked.</summary>
    public required Quantifier Quantifier { get; init; }

    /// <summary>Gets the condition.</summary>
    public required Proposition Condition { get; init; }

    /// <summary>Gets the arrays that its question names as a whole; herd prints these as a whole.</summary>
    public IReadOnlySet<string> WholeArrays { get; init; } = new HashSet<string>();

    /// <summary>Gets the elements of arrays that its question names one by one.</summary>
    public IReadOnlySet<(string Variable, int Element)> NamedElements { get; init; } = new HashSet<(string, int)>();

    /// <summary>Gets what its questions about faults are about.</summary>
    public FaultTable Faults => field ??= new FaultTable(this);

    /// <summary>
    /// Gets the opcodes that it writes as instructions or has at places whose address it takes; <see langword="null"/>
    /// for an instruction set in whose tests code is no data.
    /// </summary>
    public IReadOnlyDictionary<ulong, ITestInstruction>? Opcodes { get; init; }

    /// <summary>Gets the entries of translation tables in its initial state.</summary>
    internal IEnumerable<PageEntry> PageEntries => InitialValues.Select(value => value.Entry).OfType<PageEntry>();

    /// <summary>Gets all values of its initial state: of memory, then of registers.</summary>
    internal IEnumerable<InitialValue> InitialValues =>
        Variables
            .SelectMany(variable => variable.InitialValues)
            .Concat(Threads.SelectMany(thread => thread.InitialRegisters.Values));

    /// <summary>Whether it looks at translation tables, so that accesses are translated.</summary>
    public bool HasTables => Variables.Any(variable => variable.Translates is not null);
}

/// <summary>How a condition is asked of the final states.</summary>
public enum Quantifier
{
    /// <summary><c>exists</c>: is there one for which it is true?</summary>
    Exists,

    /// <summary><c>~exists</c>: is there none for which it is true?</summary>
    NotExists,

    /// <summary><c>forall</c>: is it true for all?</summary>
    ForAll,
}

/// <summary>A location, or an array of them, in shared memory.</summary>
internal sealed class Variable
{
    /// <summary>Gets its name.</summary>
    public required string Name { get; init; }

    /// <summary>Gets the place of its declaration or first mention.</summary>
    public required SourcePosition Position { get; init; }

    /// <summary>Gets the type of an element.</summary>
    public required DataType Type { get; init; }

    /// <summary>Whether it is code: a value stands for what the code returns.</summary>
    public bool IsCode { get; init; }

    /// <summary>
    /// Whether nothing is mapped there at the start: the first store to it maps the page and writes it.
    /// </summary>
    public bool IsUnmapped { get; init; }

    /// <summary>
    /// Gets the variable whose page it translates, as the entry of a translation table; <see langword="null"/> for
    /// ordinary memory.
    /// </summary>
    public string? Translates { get; init; }

    /// <summary>Whether it was declared as an array.</summary>
    public required bool IsArray { get; init; }

    /// <summary>Gets one value for each element; a scalar has one.</summary>
    public required IReadOnlyList<InitialValue> InitialValues { get; init; }

    /// <summary>Gets the bytes of the whole.</summary>
    public int Size => Type.Width * InitialValues.Count;

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>One value of a final state: a register of a thread, or an element of a variable.</summary>
/// <param name="Thread">The thread, or -1 for memory.</param>
/// <param name="Register">The register, when <paramref name="Thread"/> is not -1.</param>
/// <param name="Variable">The variable, or <see langword="null"/> for a register.</param>
/// <param name="Element">Which element of the variable.</param>
/// <param name="Type">How its bits are read.</param>
internal sealed record Observable(int Thread, TestRegister Register, Variable? Variable, int Element, DataType Type)
{
    /// <summary>Whether it is memory.</summary>
    public bool IsMemory => Variable is not null;

    /// <summary>
    /// Whether it is a register of which the initial state says nothing, and that the column uses with 8 bytes:
    /// compared with a number that an <c>int</c> can hold it is read as one, as in herd.
    /// </summary>
    public bool IsUndeclared { get; init; }

    /// <summary>As herd writes it: <c>0:rax</c>, <c>[x]</c>, <c>t[1]</c>.</summary>
    public override string ToString() =>
        Variable switch
        {
            null when Register.Fault is not null => Register.Name,
            null => $"{Thread}:{Register.Name}",
            { IsArray: true } => $"{Variable.Name}[{Element}]",
            _ => $"[{Variable.Name}]",
        };
}
