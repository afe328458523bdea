namespace Crosscore.Litmus.Syntax;

/// <summary>A question of a condition: did an instruction of a column fault?</summary>
/// <param name="Thread">The column.</param>
/// <param name="Label">The label of the instruction; <see langword="null"/> for any.</param>
/// <param name="Location">The location that was to be accessed; <see langword="null"/> for any.</param>
/// <param name="Kind">The kind of fault; <see langword="null"/> for any.</param>
internal sealed record FaultQuestion(int Thread, string? Label, string? Location, FaultKind? Kind)
{
    /// <summary>As herd writes it, without <c>fault</c> and the parentheses.</summary>
    public override string ToString() =>
        string.Join(
            ",",
            ((string?[])[Label is null ? $"P{Thread}" : $"P{Thread}:{Label}", Location, Kind?.Name()]).Where(part =>
                part is not null
            )
        );
}

/// <summary>Why an instruction faults.</summary>
internal enum FaultKind
{
    /// <summary>It is no instruction.</summary>
    UndefinedInstruction,

    /// <summary>It is a supervisor call.</summary>
    SupervisorCall,

    /// <summary>Nothing is mapped at the address.</summary>
    Translation,

    /// <summary>The entry of the page says that it was never accessed.</summary>
    AccessFlag,

    /// <summary>The entry of the page forbids the access.</summary>
    Permission,
}

/// <summary>The names of kinds of faults.</summary>
internal static class FaultKindNames
{
    private const string Mmu = "MMU:";

    /// <summary>As herd writes it.</summary>
    public static string Name(this FaultKind kind) => kind < FaultKind.Translation ? kind.ToString() : Mmu + kind;

    /// <summary>Looks a name up.</summary>
    /// <remarks>herd also calls faults of data accesses <c>D-MMU</c>; there are no others here.</remarks>
    public static FaultKind? Find(string name)
    {
        name = name.StartsWith("D-", StringComparison.OrdinalIgnoreCase) ? name[2..] : name;
        return Enum.GetValues<FaultKind>()
            .Cast<FaultKind?>()
            .FirstOrDefault(kind => name.Equals(kind!.Value.Name(), StringComparison.OrdinalIgnoreCase));
    }
}
