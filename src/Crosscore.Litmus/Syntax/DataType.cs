using System.Globalization;

namespace Crosscore.Litmus.Syntax;

/// <summary>
/// The type of a memory cell or of an observed register: how many bytes it has and how its bits are read as a number.
/// </summary>
/// <param name="Name">The C name, as the test wrote it.</param>
/// <param name="Width">Bytes: 1, 2, 4 or 8.</param>
/// <param name="Signed">Whether the topmost bit is a sign.</param>
internal sealed record DataType(string Name, int Width, bool Signed)
{
    /// <summary>Gets what an undeclared location is, as in herd.</summary>
    public static DataType Int { get; } = new("int", 4, true);

    /// <summary>Gets a pointer to a location of the test.</summary>
    public static DataType Pointer { get; } = new("void*", 8, false);

    /// <summary>Gets an entry of a translation table.</summary>
    public static DataType TableEntry { get; } = new("pteval_t", 8, false);

    private static readonly Dictionary<string, DataType> Known = new DataType[]
    {
        Int,
        TableEntry,
        new("char", 1, true),
        new("short", 2, true),
        new("long", 8, true),
        new("int8_t", 1, true),
        new("int16_t", 2, true),
        new("int32_t", 4, true),
        new("int64_t", 8, true),
        new("uint8_t", 1, false),
        new("uint16_t", 2, false),
        new("uint32_t", 4, false),
        new("uint64_t", 8, false),
        new("intptr_t", 8, true),
        new("uintptr_t", 8, false),
        // An instruction of AArch64, and what only pointers point to.
        new("ins_t", 4, false),
        new("void", 1, false),
    }.ToDictionary(type => type.Name);

    /// <summary>Gets the names that <see cref="TryParse"/> knows.</summary>
    public static IEnumerable<string> Names => Known.Keys;

    /// <summary>Looks a C type name up.</summary>
    /// <param name="name">For example <c>uint64_t</c>.</param>
    /// <param name="type">The type, when it is known.</param>
    /// <returns>Whether it is known.</returns>
    public static bool TryParse(string name, out DataType type)
    {
        bool known = Known.TryGetValue(name, out DataType? found);
        type = found ?? Int;
        return known;
    }

    /// <summary>Gets the signed type of a width.</summary>
    /// <param name="width">Bytes: 1, 2, 4 or 8.</param>
    public static DataType SignedOf(int width) => Known[$"int{(width * 8).ToString(CultureInfo.InvariantCulture)}_t"];

    /// <summary>Gets the bits of a value that the type keeps; the others are zero.</summary>
    /// <param name="value">Any value.</param>
    public ulong Truncate(ulong value) => Truncate(value, Width);

    /// <summary>Gets the lowest bytes of a value; the others are zero.</summary>
    /// <param name="value">Any value.</param>
    /// <param name="width">Bytes: 1, 2, 4 or 8.</param>
    public static ulong Truncate(ulong value, int width) => width == 8 ? value : value & ((1UL << (8 * width)) - 1);

    /// <summary>
    /// Whether a number is one of this width, read as signed or as unsigned: -1 and 255 are the same byte.
    /// </summary>
    /// <param name="value">The number.</param>
    public bool CanHold(ulong value) =>
        Truncate(value) == value || ((long)value < 0 && (long)value >= -(1L << ((Width * 8) - 1)));

    /// <summary>Gets the value as a 64-bit number: by its top bit when the type is signed, by zeros
    /// otherwise.</summary>
    /// <param name="value">The bits.</param>
    public long Extend(ulong value)
    {
        int unused = 64 - (8 * Width);
        return Signed ? (long)(value << unused) >> unused : (long)Truncate(value);
    }

    /// <summary>Gets the value as a decimal number of this type.</summary>
    /// <param name="value">The bits.</param>
    public string Format(ulong value) =>
        Signed
            ? Extend(value).ToString(CultureInfo.InvariantCulture)
            : Truncate(value).ToString(CultureInfo.InvariantCulture);
}
