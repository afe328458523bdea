namespace Crosscore.Litmus.Syntax;

/// <summary>An initial value: a number, an address, an opcode or an entry of a translation table.</summary>
/// <param name="Number">The number; 0 for the address of a variable and for an entry.</param>
/// <param name="AddressOf">The variable whose address it is, or <see langword="null"/>.</param>
/// <param name="Element">The element whose address it is.</param>
internal readonly record struct InitialValue(ulong Number, string? AddressOf = null, int Element = 0)
{
    /// <summary>
    /// Gets the label, such as <c>P1:L0</c>, whose address <see cref="Number"/> is; otherwise <see langword="null"/>.
    /// </summary>
    public string? Label { get; init; }

    /// <summary>Gets the instruction whose opcode <see cref="Number"/> is; otherwise <see langword="null"/>.</summary>
    public ITestInstruction? Instruction { get; init; }

    /// <summary>Gets the entry of a translation table; <see langword="null"/> for any other value.</summary>
    public PageEntry? Entry { get; init; }

    /// <summary>Whether it is an address, which takes 8 bytes.</summary>
    public bool IsAddress => AddressOf is not null || Label is not null;
}

/// <summary>An entry of a translation table.</summary>
/// <param name="OutputAddress">The location at which the page lies; <see langword="null"/> if the test names
/// none.</param>
/// <param name="Fields">The other fields, in the layout of <see cref="Model.Programs.TableEntry"/>.</param>
internal sealed record PageEntry(string? OutputAddress, ulong Fields)
{
    private const string Prefix = "PTE(";

    /// <summary>Gets the name of the location that is the entry of another location's page.</summary>
    /// <param name="location">The other location.</param>
    public static string NameFor(string location) => $"{Prefix}{location})";

    /// <summary>
    /// Gets the location whose page an entry translates; <see langword="null"/> for a location that is no entry.
    /// </summary>
    /// <param name="name">The name of a location.</param>
    public static string? PageOf(string name) =>
        name.StartsWith(Prefix, StringComparison.Ordinal) ? name[Prefix.Length..^1] : null;
}
