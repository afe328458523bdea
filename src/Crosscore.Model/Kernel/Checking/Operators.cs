using Crosscore.Model.Kernel.Language;
using Crosscore.Model.Programs;

namespace Crosscore.Model.Kernel.Checking;

/// <summary>
/// What an operator does to two types, and how the machine computes it. The short-circuit ones are not here: they are
/// branches.
/// </summary>
internal static class Operators
{
    /// <summary>
    /// The type and the function of an operator on two types, or <see langword="null"/> when it knows them not.
    /// </summary>
    public static (KernelType Type, ValueFunction Function)? Find(string symbol, KernelType left, KernelType right) =>
        symbol switch
        {
            "==" when AreComparable(left, right) => (KernelType.Bool, static (a, b) => a == b ? 1UL : 0),
            "!=" when AreComparable(left, right) => (KernelType.Bool, static (a, b) => a != b ? 1UL : 0),
            "<" when AreNumbers(left, right) => (KernelType.Bool, static (a, b) => (long)a < (long)b ? 1UL : 0),
            "<=" when AreNumbers(left, right) => (KernelType.Bool, static (a, b) => (long)a <= (long)b ? 1UL : 0),
            ">" when AreNumbers(left, right) => (KernelType.Bool, static (a, b) => (long)a > (long)b ? 1UL : 0),
            ">=" when AreNumbers(left, right) => (KernelType.Bool, static (a, b) => (long)a >= (long)b ? 1UL : 0),
            "+" when AreNumbers(left, right) => (KernelType.Int, static (a, b) => a + b),
            "-" when AreNumbers(left, right) => (KernelType.Int, static (a, b) => a - b),
            "&" when left == right && left is KernelType.Int or KernelType.Cpus => (left, static (a, b) => a & b),
            "|" when left == right && left is KernelType.Int or KernelType.Cpus => (left, static (a, b) => a | b),
            "+" when left == KernelType.Cpus && right == KernelType.Cpus => (left, static (a, b) => a | b),
            "-" when left == KernelType.Cpus && right == KernelType.Cpus => (left, static (a, b) => a & ~b),
            "+" when left == KernelType.Cpus && IsNumber(right) => (left, static (a, b) => a | (1UL << (int)b)),
            "-" when left == KernelType.Cpus && IsNumber(right) => (left, static (a, b) => a & ~(1UL << (int)b)),
            "in" when IsNumber(left) && right == KernelType.Cpus => (
                KernelType.Bool,
                static (a, b) => a < 64 ? (b >> (int)a) & 1 : 0
            ),
            _ => null,
        };

    /// <summary>The comparison that holds when this one does not, or <see langword="null"/>.</summary>
    public static string? Opposite(string symbol) =>
        symbol switch
        {
            "==" => "!=",
            "!=" => "==",
            "<" => ">=",
            ">=" => "<",
            ">" => "<=",
            "<=" => ">",
            _ => null,
        };

    /// <summary>
    /// Whether a value may stand where another type is expected: a CPU is its number, and none is a task or an address
    /// space.
    /// </summary>
    public static bool Fits(KernelType value, KernelType expected) =>
        value == expected
        || (IsNumber(value) && IsNumber(expected))
        || (value == KernelType.None && expected is KernelType.Task or KernelType.Mm);

    private static bool IsNumber(KernelType type) => type is KernelType.Int or KernelType.Cpu;

    private static bool AreNumbers(KernelType left, KernelType right) => IsNumber(left) && IsNumber(right);

    private static bool AreComparable(KernelType left, KernelType right) =>
        left is not (KernelType.Void or KernelType.Word or KernelType.Lock) && (Fits(left, right) || Fits(right, left));
}
