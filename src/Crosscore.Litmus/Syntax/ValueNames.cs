using System.Globalization;

namespace Crosscore.Litmus.Syntax;

/// <summary>Names of values in herd's notation: locations, labels and opcodes.</summary>
internal static class ValueNames
{
    /// <summary>
    /// Whether a value is an address of the test's memory or code, or an entry of a translation table that leads there:
    /// herd compares these as a whole.
    /// </summary>
    /// <param name="value">The value.</param>
    public static bool IsSymbolic(ulong value) => value >> 40 == MemoryLayout.ModelBase >> 40;

    /// <summary>
    /// Whether an undeclared register is read as an <c>int</c> when it has this value, as herd reads it; a number that
    /// needs more bytes can only be meant whole.
    /// </summary>
    /// <param name="value">The value.</param>
    public static bool IsInt(ulong value) => value == (ulong)(int)value || value == (uint)value;

    /// <summary>Describes a value for messages: a location, a label, an opcode or a number.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">The test's memory.</param>
    /// <param name="value">The value.</param>
    public static string Describe(LitmusTest test, MemoryLayout layout, ulong value) =>
        Symbol(test, layout, value) is not string symbol
            ? CodeLayout.Find(value) is (int thread, int index) && thread < test.Threads.Count
                ? $"instruction {index} of P{thread}"
                : value.ToString(CultureInfo.InvariantCulture)
            : symbol.StartsWith("instr:", StringComparison.Ordinal) || symbol == "NOP"
                ? $"the opcode of {test.Opcodes![value].Text}"
                : symbol;

    /// <summary>Names a constant of a condition; <see langword="null"/> for a number.</summary>
    /// <param name="value">The constant.</param>
    public static string? Symbol(InitialValue value) =>
        value.Label is string label ? Label(label)
        : value.Instruction is ITestInstruction instruction ? Opcode(instruction)
        : null;

    /// <summary>Names a value of a final state; <see langword="null"/> for a number.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">The test's memory.</param>
    /// <param name="value">The value.</param>
    public static string? Symbol(LitmusTest test, MemoryLayout layout, ulong value)
    {
        if (layout.Describe(value, inBytes: true) is string place)
        {
            return place;
        }

        return test.Opcodes is not { } opcodes ? null
            : opcodes.TryGetValue(value, out ITestInstruction? instruction) && value > ushort.MaxValue
                ? Opcode(instruction)
            : CodeLayout.Find(value) is (int thread, int index)
            && thread < test.Threads.Count
            && test.Threads[thread].LabelAt(index) is string name
                ? Label($"P{thread}:{name}")
            : null;
    }

    private static string Label(string label) => $"label:\"{label}\"";

    private static string Opcode(ITestInstruction instruction) =>
        instruction.Text == "NOP" ? "NOP" : $"instr:\"{instruction.Text}\"";
}
