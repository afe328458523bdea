namespace Crosscore.Litmus.Syntax;

/// <summary>
/// Assigns addresses in the model to the code of tests: a range for each column, four bytes for each instruction.
/// </summary>
internal static class CodeLayout
{
    private const ulong Base = 0x0000_5CD0_0000_0000;
    private const ulong Column = 0x1_0000;

    /// <summary>Gets the address of an instruction.</summary>
    /// <param name="thread">Its column.</param>
    /// <param name="index">Its number there.</param>
    public static ulong AddressOf(int thread, int index) => Base + ((ulong)thread * Column) + (4 * (ulong)index);

    /// <summary>Gets the instruction at an address, if it lies in the code of a test.</summary>
    /// <param name="address">The address.</param>
    public static (int Thread, int Index)? Find(ulong address) =>
        address >= Base && address - Base < 64 * Column && address % 4 == 0
            ? ((int)((address - Base) / Column), (int)((address - Base) % Column / 4))
            : null;
}
