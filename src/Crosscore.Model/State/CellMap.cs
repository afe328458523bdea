using Crosscore.Model.Programs;

namespace Crosscore.Model.State;

/// <summary>Some adjacent cells.</summary>
/// <param name="First">The first cell.</param>
/// <param name="Count">How many; more than one only where cells are bytes.</param>
internal readonly record struct CellSpan(int First, int Count)
{
    /// <summary>
    /// A set of cells as a bit mask. Cells from 63 on share the last bit, so that masks over-approximate: two spans
    /// with disjoint masks are disjoint.
    /// </summary>
    public ulong Mask
    {
        get
        {
            if (Count == 1)
            {
                return 1UL << Math.Min(First, 63);
            }

            ulong mask = 0;
            for (int cell = First; cell < First + Count; cell++)
            {
                mask |= 1UL << Math.Min(cell, 63);
            }

            return mask;
        }
    }
}

/// <summary>
/// Cuts memory into cells, the units that a store changes as one. Where all accesses to a region are of whole elements
/// a cell is an element; where they differ in size or straddle elements, every byte is a cell.
/// </summary>
internal sealed class CellMap
{
    private readonly Dictionary<ulong, int> _cellAt = [];
    private readonly List<ulong> _addresses = [];
    private readonly List<int> _widths = [];
    private readonly List<bool> _addressTaken = [];
    private readonly List<bool> _written = [];
    private readonly Dictionary<string, ulong> _masks = [];
    private readonly List<ulong> _initialValues = [];
    private readonly IReadOnlyList<MemoryRegion> _regions;
    private readonly bool _mayCut;

    /// <summary>Cuts the memory of a program.</summary>
    /// <param name="program">The program.</param>
    /// <param name="mayCut">Whether a region may be cut into bytes; otherwise an access that is not of a whole element
    /// is an error when it happens.</param>
    public CellMap(ModelProgram program, bool mayCut = true)
    {
        // One message to each CPU that an interrupt was handled, one for each task that it has left its CPU.
        Signals = program.System is null ? 0 : program.System.Cpus + program.Threads.Count;
        _regions = program.Memory;
        _mayCut = mayCut;
        MicroOp[] accesses =
        [
            .. program
                .Threads.Concat(program.System?.CpuCode ?? [])
                .SelectMany(thread => thread.Ops)
                .Where(op => op.Width != 0),
        ];
        foreach (MemoryRegion region in program.Memory)
        {
            bool whole =
                !mayCut
                || accesses.All(op => FitsElements(region, op))
                    && program.Observations.All(observed =>
                        observed.Thread >= 0
                        || !Contains(region, observed.Address)
                        || IsElement(region, observed.Address, observed.Width)
                    );
            // Bytes that are accessed together are several cells of one access, whatever the width of the element.
            HasByteCells |= !whole;
            Add(region, whole ? region.ElementWidth : 1);
            ulong mask = new CellSpan(_widths.Count - CellsOf(region), CellsOf(region)).Mask;
            _masks.Add(region.Name, mask);
            TablesMask |= region.TranslatesPage is not null ? mask : 0;

            // A region that accesses name (a kernel's variable) is reached through its name only.
            AddressTakenMask |= region.AddressTaken && accesses.All(op => op.Region != region.Name) ? mask : 0;
            int first = _widths.Count - CellsOf(region);
            bool anywhere = accesses.Any(op =>
                op.Kind == MicroOpKind.Store
                && !op.A.IsConstant
                && (op.Region is null ? region.AddressTaken : op.Region == region.Name)
            );
            _written.AddRange(Enumerable.Repeat(anywhere, CellsOf(region)));
            for (int cell = first; cell < _widths.Count && !anywhere; cell++)
            {
                ulong begin = _addresses[cell];
                ulong end = begin + (ulong)_widths[cell];
                _written[cell] = accesses.Any(op =>
                    op.Kind == MicroOpKind.Store
                    && op.A.IsConstant
                    && op.A.Constant < end
                    && op.A.Constant + (ulong)op.Width > begin
                );
            }
        }
    }

    /// <summary>How many cells of memory there are.</summary>
    public int Count => _widths.Count;

    /// <summary>
    /// Cells that hold nothing: a store to one of them is a message, which arrives when the store would reach memory.
    /// They follow the cells of memory.
    /// </summary>
    public int Signals { get; }

    /// <summary>Cells of memory and signals.</summary>
    public int All => Count + Signals;

    /// <summary>
    /// Whether some operation of the program may write a cell; what is never written needs no place in the state.
    /// </summary>
    public bool IsWritten(int cell) => _written[cell];

    /// <summary>The cells of a region, as a mask.</summary>
    public ulong MaskOf(string region) => _masks[region];

    /// <summary>
    /// The cells that a computed address may name where the access does not say of which region it is.
    /// </summary>
    public ulong AddressTakenMask { get; }

    /// <summary>The cells of translation tables.</summary>
    public ulong TablesMask { get; }

    /// <summary>Whether some region is cut into bytes, so that an access may span several cells.</summary>
    public bool HasByteCells { get; private set; }

    public ulong InitialValue(int cell) => _initialValues[cell];

    public ulong AddressOf(int cell) => _addresses[cell];

    public int WidthOf(CellSpan span) => span.Count == 1 ? _widths[span.First] : span.Count;

    /// <summary>The cells of an access.</summary>
    /// <exception cref="ModelException">There is no such memory, or the access is not atomic on any
    /// processor.</exception>
    public CellSpan Find(ulong address, int width)
    {
        if (!_cellAt.TryGetValue(address, out int first))
        {
            throw new ModelException(
                $"An access of {Bytes(width)} at {Describe(address)} is outside "
                    + "of the memory of the program or straddles its elements."
            );
        }

        if (_widths[first] == width)
        {
            return new CellSpan(first, 1);
        }

        if (!_mayCut)
        {
            throw new ModelException(
                $"An access of {Bytes(width)} at {Describe(address)} is not of a whole element, "
                    + $"which has {_widths[first]}; accesses of mixed sizes are not modeled on this core."
            );
        }

        // A misaligned access within 8 aligned bytes is one access (Intel SDM vol. 3, 9.1.1; AMD APM vol. 2, 7.3.2);
        // across them it may be several.
        bool known = _cellAt.TryGetValue(address + (ulong)width - 1, out int last) && last == first + width - 1;
        return known && (address & 7) + (ulong)width <= 8
            ? new CellSpan(first, width)
            : throw new ModelException(
                $"An access of {Bytes(width)} at {Describe(address)} leaves its region "
                    + "or its 8 aligned bytes; no processor promises that it is one access."
            );
    }

    /// <summary>The cells of an access whose address was computed.</summary>
    /// <exception cref="ModelException">As <see cref="Find"/>; also when it lies in memory whose address the program
    /// never took.</exception>
    public CellSpan FindComputed(ulong address, int width)
    {
        CellSpan span = Find(address, width);
        return _addressTaken[span.First]
            ? span
            : throw new ModelException(
                $"A computed address reaches {Describe(address)}, whose address the program never took."
            );
    }

    /// <summary>The cell that holds an address, if there is one.</summary>
    public bool TryFind(ulong address, out int cell) => _cellAt.TryGetValue(address, out cell);

    private static string Bytes(int count) => count == 1 ? "1 byte" : $"{count} bytes";

    private string Describe(ulong address)
    {
        MemoryRegion? region = _regions.LastOrDefault(candidate =>
            candidate.Address <= address && address - candidate.Address < 4096
        );
        return region is null ? $"0x{address:x}"
            : address == region.Address ? region.Name
            : $"{region.Name}+{address - region.Address}";
    }

    private int CellsOf(MemoryRegion region) => region.Size / _widths[^1];

    private void Add(MemoryRegion region, int width)
    {
        for (int offset = 0; offset < region.Size; offset += width)
        {
            ulong element = region.InitialValues[offset / region.ElementWidth];
            ulong value =
                width == region.ElementWidth ? element : (element >> (8 * (offset % region.ElementWidth))) & 0xFF;
            _cellAt.Add(region.Address + (ulong)offset, _widths.Count);
            _addresses.Add(region.Address + (ulong)offset);
            _widths.Add(width);
            _addressTaken.Add(region.AddressTaken);
            _initialValues.Add(value);
        }
    }

    private static bool Contains(MemoryRegion region, ulong address) =>
        address >= region.Address && address - region.Address < (ulong)region.Size;

    private static bool IsElement(MemoryRegion region, ulong address, int width) =>
        width == region.ElementWidth && (address - region.Address) % (ulong)width == 0;

    private static bool FitsElements(MemoryRegion region, MicroOp op)
    {
        if (!op.A.IsConstant)
        {
            bool mayTouch = op.Region is null ? region.AddressTaken : op.Region == region.Name;
            return !mayTouch || op.Width == region.ElementWidth;
        }

        bool touches =
            op.A.Constant < region.Address + (ulong)region.Size && op.A.Constant + (ulong)op.Width > region.Address;
        return !touches || IsElement(region, op.A.Constant, op.Width);
    }
}
