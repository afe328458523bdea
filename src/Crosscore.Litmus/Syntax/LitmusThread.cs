namespace Crosscore.Litmus.Syntax;

/// <summary>One column: a thread of the process.</summary>
internal sealed class LitmusThread
{
    /// <summary>Gets its number, 0 for P0.</summary>
    public required int Id { get; init; }

    /// <summary>Gets the registers with an initial value; all others start as zero.</summary>
    public required IReadOnlyDictionary<TestRegister, InitialValue> InitialRegisters { get; init; }

    /// <summary>
    /// Gets the instructions, in order. A fault handler (column P0.F) follows the column that it belongs to, with the
    /// end of that column as an instruction between them.
    /// </summary>
    public required IReadOnlyList<ITestInstruction> Instructions { get; init; }

    /// <summary>Gets the index in <see cref="Instructions"/> at which the fault handler begins; -1 without
    /// one.</summary>
    public int Handler { get; init; } = -1;

    /// <summary>
    /// Gets the labels, with the index in <see cref="Instructions"/> that each stands before;
    /// <c>Instructions.Count</c> is the end.
    /// </summary>
    public required IReadOnlyDictionary<string, int> Labels { get; init; }

    /// <summary>Gets the label of an instruction, the first one in ordinal order if it has several.</summary>
    /// <param name="index">The instruction, as an index into <see cref="Instructions"/>.</param>
    internal string? LabelAt(int index) =>
        Labels
            .Where(label => label.Value == index)
            .Select(label => label.Key)
            .Order(StringComparer.Ordinal)
            .FirstOrDefault();
}
