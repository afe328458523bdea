using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Syntax;

/// <summary>
/// Where each variable of a test lies, relative to the start of its memory: in the model and on the machine alike, so
/// that an address that a test stores or loads means the same on both sides. No two variables share a cache line.
/// </summary>
internal sealed class MemoryLayout
{
    /// <summary>Bytes of a cache line of every x86-64 processor, and the alignment of each variable.</summary>
    public const int Line = 64;

    /// <summary>
    /// The address of offset 0 in the model and in printed outcomes: not canonical-kernel, not null, and never an
    /// address that the machine hands out, so that a forgotten translation shows.
    /// </summary>
    public const ulong ModelBase = 0x0000_5CC0_0000_0000;

    private readonly List<(Variable Variable, int Offset)> _places = [];
    private readonly Dictionary<string, int> _offsets = [];

    /// <summary>Lays the variables of a test out.</summary>
    /// <param name="variables">The variables.</param>
    public MemoryLayout(IEnumerable<Variable> variables)
    {
        // Where pages are translated, no two variables share one.
        List<Variable> all = [.. variables];
        int unit = all.Exists(variable => variable.Translates is not null) ? (int)TableEntry.PageSize : Line;
        foreach (Variable variable in all)
        {
            _places.Add((variable, Size));
            _offsets.Add(variable.Name, Size);
            Size += (variable.Size + unit - 1) / unit * unit;
        }
    }

    /// <summary>Gets the bytes of the whole; a multiple of <see cref="Line"/>.</summary>
    public int Size { get; private set; }

    /// <summary>Gets the offset of a variable.</summary>
    /// <param name="variable">Its name.</param>
    public int OffsetOf(string variable) => _offsets[variable];

    /// <summary>Gets the address of a variable in the model.</summary>
    /// <param name="variable">Its name.</param>
    public ulong ModelAddressOf(string variable) => ModelBase + (ulong)OffsetOf(variable);

    /// <summary>Gets the bits of an initial value, for memory that starts at an address.</summary>
    /// <param name="value">The value.</param>
    /// <param name="start">The address of offset 0.</param>
    public ulong Resolve(InitialValue value, ulong start) =>
        value.Entry is PageEntry entry
            ? entry.Fields | (entry.OutputAddress is null ? 0 : start + (ulong)OffsetOf(entry.OutputAddress))
        : value.AddressOf is null ? value.Number
        : start + (ulong)(OffsetOf(value.AddressOf) + (value.Element * Find(value.AddressOf).Type.Width));

    /// <summary>
    /// Gets a model address in words: <c>x</c>, <c>t[1]</c>, <c>x+2</c>; <see langword="null"/> where it is none.
    /// </summary>
    /// <param name="address">A value.</param>
    /// <param name="inBytes">Whether an element is named by its distance in bytes, as in herd's logs.</param>
    public string? Describe(ulong address, bool inBytes = false)
    {
        if (address < ModelBase || address - ModelBase >= (ulong)Size)
        {
            return null;
        }

        int offset = (int)(address - ModelBase);
        (Variable variable, int start) = _places.Last(place => place.Offset <= offset);
        int within = offset - start;
        if (within == 0)
        {
            return variable.Name;
        }

        return !inBytes && variable.IsArray && within < variable.Size && within % variable.Type.Width == 0
            ? $"{variable.Name}[{within / variable.Type.Width}]"
            : $"{variable.Name}+{within}";
    }

    /// <summary>
    /// Gets the type of what lies at a model address; of another width than the variable's, the signed one.
    /// </summary>
    /// <param name="address">The address.</param>
    /// <param name="width">Bytes: 1, 2, 4 or 8.</param>
    public DataType TypeAt(ulong address, int width)
    {
        Variable? variable =
            address >= ModelBase
                ? _places.LastOrDefault(place => (ulong)place.Offset <= address - ModelBase).Variable
                : null;
        return variable?.Type.Width == width ? variable.Type : DataType.SignedOf(width);
    }

    private Variable Find(string name) => _places.First(place => place.Variable.Name == name).Variable;
}
