using System.Globalization;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Syntax.AArch64;

namespace Crosscore.Litmus;

/// <summary>
/// The values of final states in herd's notation, so that the field's tools for comparing logs read them.
/// </summary>
internal static class ValueText
{
    /// <summary>
    /// Whether a value is an address of the test's memory or code, or an entry of a translation table that leads there:
    /// herd compares these as a whole.
    /// </summary>
    public static bool IsSymbolic(ulong value) => value >> 40 == MemoryLayout.ModelBase >> 40;

    /// <summary>
    /// Whether an undeclared register is read as an <c>int</c> where it has this value, as herd reads it; a number that
    /// needs more bytes can only be meant whole.
    /// </summary>
    public static bool IsInt(ulong value) => value == (ulong)(int)value || value == (uint)value;

    /// <summary>A final value of an observable.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">The test's memory.</param>
    /// <param name="observable">One of the test's observables; no question about faults.</param>
    /// <param name="value">The value.</param>
    /// <param name="whole">Whether a number of an undeclared register that no <c>int</c> holds is told whole; herd cuts
    /// it.</param>
    public static string Format(LitmusTest test, MemoryLayout layout, Observable observable, ulong value, bool whole)
    {
        DataType type = observable.Type;
        return type == DataType.TableEntry && value != 0 ? layout.Format(value, type)
            : Symbol(test, layout, value) is string symbol ? symbol
            : observable.IsUndeclared && (IsInt(value) || !whole) ? DataType.Int.Format(value)
            : type.Format(value);
    }

    /// <summary>A value in words, for messages: a location, a label, an opcode or a number.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">The test's memory.</param>
    /// <param name="value">The value.</param>
    public static string Describe(LitmusTest test, MemoryLayout layout, ulong value) =>
        Symbol(test, layout, value) is not string symbol
            ? CodeLayout.Find(value) is (int thread, int index) && thread < test.Threads.Count
                ? $"instruction {index} of P{thread}"
                : value.ToString(CultureInfo.InvariantCulture)
            : symbol.StartsWith("instr:", StringComparison.Ordinal) || symbol == "NOP"
                ? $"the opcode of {test.Opcodes[value].Text}"
                : symbol;

    /// <summary>A constant of a condition.</summary>
    /// <param name="test">The test.</param>
    /// <param name="value">The constant.</param>
    public static string? Symbol(LitmusTest test, InitialValue value) =>
        value.Label is string label ? Label(label)
        : value.Instruction is ArmInstruction instruction ? Opcode(instruction)
        : null;

    private static string? Symbol(LitmusTest test, MemoryLayout layout, ulong value)
    {
        if (layout.Describe(value, inBytes: true) is string place)
        {
            return place;
        }

        return test.Architecture != Architecture.AArch64 ? null
            : test.Opcodes.TryGetValue(value, out ArmInstruction? instruction) && value > ushort.MaxValue
                ? Opcode(instruction)
            : CodeLayout.Find(value) is (int thread, int index)
            && thread < test.Threads.Count
            && test.Threads[thread]
                .Labels.Where(label => label.Value == index)
                .Select(label => label.Key)
                .Order(StringComparer.Ordinal)
                .FirstOrDefault()
                is string name
                ? Label($"P{thread}:{name}")
            : null;
    }

    private static string Label(string label) => $"label:\"{label}\"";

    private static string Opcode(ArmInstruction instruction) =>
        instruction.Text == "NOP" ? "NOP" : $"instr:\"{instruction.Text}\"";
}
