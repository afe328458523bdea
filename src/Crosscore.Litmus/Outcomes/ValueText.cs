using Crosscore.Litmus.Isa;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Outcomes;

/// <summary>
/// Formats the values of final states in herd's notation, so that the field's tools for comparing logs read them.
/// </summary>
internal static class ValueText
{
    /// <summary>Formats a final value of an observable.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">The test's memory.</param>
    /// <param name="observable">One of the test's observables; no question about faults.</param>
    /// <param name="value">The value.</param>
    /// <param name="whole">Whether to print all of a number that no <c>int</c> holds, of an undeclared register; herd
    /// cuts it.</param>
    public static string Format(LitmusTest test, MemoryLayout layout, Observable observable, ulong value, bool whole)
    {
        DataType type = observable.Type;
        return IsPageEntry(type, value) ? Format(test, layout, value, type)
            : ValueNames.Symbol(test, layout, value) is string symbol ? symbol
            : observable.IsUndeclared && (ValueNames.IsInt(value) || !whole) ? DataType.Int.Format(value)
            : type.Format(value);
    }

    /// <summary>Formats a value of a type as a test would write it.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">The test's memory.</param>
    /// <param name="value">The value.</param>
    /// <param name="type">Its type.</param>
    public static string Format(LitmusTest test, MemoryLayout layout, ulong value, DataType type) =>
        IsPageEntry(type, value) && test.InstructionSet().PageEntries is { } entries
            ? entries.Format(value, address => layout.Describe(address))
            : layout.Describe(value) ?? type.Format(value);

    private static bool IsPageEntry(DataType type, ulong value) => type == DataType.TableEntry && value != 0;
}
