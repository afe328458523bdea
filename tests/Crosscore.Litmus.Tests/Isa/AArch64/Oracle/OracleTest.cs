namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// A litmus test as the oracle reads it, with a separate reader: what the project's parser gets wrong, it must not get
/// wrong too.
/// </summary>
internal sealed class OracleTest
{
    public required string Name { get; init; }

    public required IReadOnlyList<OracleThread> Threads { get; init; }

    public required IReadOnlyList<OracleVariable> Variables { get; init; }

    public required IReadOnlyList<OracleLocation> Observables { get; init; }

    public required OracleQuantifier Quantifier { get; init; }

    public required Func<FinalState, bool> Condition { get; init; }

    public required Func<FinalState, bool>? Filter { get; init; }

    public byte InitialByte(ulong address) =>
        VariableAt(address) is OracleVariable variable
            ? (byte)(
                variable.Initial[(int)(address - variable.Address) / variable.Width]
                >> (8 * ((int)(address - variable.Address) % variable.Width))
            )
            : (byte)0;

    public OracleVariable? VariableAt(ulong address) =>
        Variables.FirstOrDefault(variable =>
            address >= variable.Address
            && address < variable.Address + (ulong)(variable.Width * variable.Initial.Length)
        );

    /// <summary>As herd says it: allowed, forbidden or required.</summary>
    public string Kind(IEnumerable<FinalState> outcomes)
    {
        bool some = outcomes.Any(Condition);
        bool all = outcomes.All(Condition);
        return Quantifier == OracleQuantifier.ForAll
            ? all
                ? "Required"
                : "Forbidden"
            : some
                ? "Allowed"
                : "Forbidden";
    }
}

internal enum OracleQuantifier
{
    Exists,
    NotExists,
    ForAll,
}

internal sealed record OracleThread(
    IReadOnlyList<Instruction> Code,
    IReadOnlyDictionary<string, int> Labels,
    IReadOnlyDictionary<int, ulong> InitialRegisters
);

/// <summary>A variable, or an array of them, of <see cref="Width"/> bytes an element.</summary>
internal sealed record OracleVariable(
    string Name,
    ulong Address,
    int Width,
    bool Signed,
    bool IsArray,
    ulong[] Initial
);

/// <summary>What is looked at in a final state: a register, or an element of a variable.</summary>
internal sealed record OracleLocation(int Thread, int Register, OracleVariable? Variable, int Element, int Width)
{
    public string Name =>
        Variable is null ? $"{Thread}:X{Register}"
        : Variable.IsArray ? $"{Variable.Name}[{Element}]"
        : $"[{Variable.Name}]";
}

/// <summary>A final state: the value of each of <see cref="OracleTest.Observables"/>, cut to its width.</summary>
internal sealed class FinalState(ulong[] values) : IEquatable<FinalState>
{
    public ulong[] Values { get; } = values;

    public bool Equals(FinalState? other) => other is not null && Values.AsSpan().SequenceEqual(other.Values);

    public override bool Equals(object? obj) => Equals(obj as FinalState);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (ulong value in Values)
        {
            hash.Add(value);
        }

        return hash.ToHashCode();
    }

    public string Describe(OracleTest test) =>
        string.Join(
            ' ',
            Values.Select(
                (value, index) =>
                {
                    int unused = 64 - (8 * test.Observables[index].Width);
                    return $"{test.Observables[index].Name}={(long)(value << unused) >> unused};";
                }
            )
        );
}
