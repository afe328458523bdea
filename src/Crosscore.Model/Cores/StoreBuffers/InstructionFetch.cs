using Crosscore.Model.Programs;
using Crosscore.Model.State;

namespace Crosscore.Model.Cores.StoreBuffers;

/// <summary>
/// For each core and each piece of code, the set of values that a fetch may still return. A store that reaches memory
/// adds its value everywhere; a serializing event leaves only what memory holds; a store through the address of
/// execution leaves its own core only its own value, for the core checks for that (SDM vol. 3, 9.1.3, option 1; it does
/// not check aliases).
/// </summary>
internal sealed class InstructionFetch
{
    private readonly Dictionary<int, int[]> _valuesOf = [];
    private readonly BitField[][] _mayFetch;
    private readonly BitField _undefined;
    private readonly int[] _cells;
    private readonly FetchProfile _profile;

    public InstructionFetch(
        IReadOnlyList<MemoryRegion> code,
        ModelProgram program,
        CellMap map,
        int cores,
        FetchProfile profile,
        StateLayout layout,
        ValueTable values
    )
    {
        _profile = profile;
        _cells = [.. code.Select(region => map.Find(region.Address, region.ElementWidth).First)];
        foreach (MemoryRegion region in code)
        {
            int cell = map.Find(region.Address, region.ElementWidth).First;
            IEnumerable<MicroOp> stores = program
                .Threads.SelectMany(thread => thread.Ops)
                .Where(op => op.Kind == MicroOpKind.Store && op.A.IsConstant && op.A.Constant == region.Address);
            MicroOp[] all = [.. stores];
            if (all.Any(op => !op.B.IsConstant))
            {
                throw new ModelException(
                    $"The code {region.Name} is changed to a computed value; the model takes constants."
                );
            }

            // An address where nothing is mapped holds nothing that could be fetched: its initial value is none of the
            // code's.
            IEnumerable<ulong> first = region.IsUnmapped ? [] : [region.InitialValues[0]];
            int[] taken = [.. first.Concat(all.Select(op => op.B.Constant)).Distinct().Select(values.Number)];
            if (taken.Length > 8)
            {
                throw new ModelException(
                    $"The code {region.Name} takes {taken.Length} different values; the model has room for 8."
                );
            }

            _valuesOf.Add(cell, taken);

            // One byte is always fetched whole; a quadword is by AMD's word only.
            if (region.ElementWidth == 1 || profile == FetchProfile.Amd)
            {
                FetchedWhole.Add(cell);
            }
        }

        bool masks = profile != FetchProfile.Coherent;
        _mayFetch =
        [
            .. Enumerable
                .Range(0, cores)
                .Select(_ =>
                    _cells.Select(cell => layout.Add(masks ? (1 << _valuesOf[cell].Length) - 1 : 0)).ToArray()
                ),
        ];
        _undefined = layout.Add(masks && _cells.Any(cell => !FetchedWhole.Contains(cell)) ? 1 : 0);
    }

    /// <summary>Whether the program has code that changes.</summary>
    public bool Any => _cells.Length > 0;

    /// <summary>The cells that are code.</summary>
    public IReadOnlyList<int> Cells => _cells;

    private HashSet<int> FetchedWhole { get; } = [];

    public void Initialize(Span<ulong> state, MainMemory memory)
    {
        for (int core = 0; core < _mayFetch.Length; core++)
        {
            Serialize(state, core, memory);
        }
    }

    public bool IsCode(int cell) => _valuesOf.ContainsKey(cell);

    /// <summary>A value of a cell reached memory.</summary>
    public void Reached(Span<ulong> state, int cell, int value)
    {
        if (_profile == FetchProfile.Coherent || !IsCode(cell))
        {
            return;
        }

        int index = Array.IndexOf(_cells, cell);
        int bit = 1 << Array.IndexOf(_valuesOf[cell], value);
        foreach (BitField[] fields in _mayFetch)
        {
            fields[index].Set(state, fields[index].Get(state) | bit);
        }
    }

    /// <summary>A core stored to code through the address that it executes.</summary>
    public void StoredHere(Span<ulong> state, int core, int cell, int value)
    {
        if (_profile != FetchProfile.Coherent)
        {
            _mayFetch[core][Array.IndexOf(_cells, cell)].Set(state, 1 << Array.IndexOf(_valuesOf[cell], value));
        }
    }

    /// <summary>A core forgets what it fetched before. Its stores have reached memory.</summary>
    public void Serialize(Span<ulong> state, int core, MainMemory memory)
    {
        if (_profile == FetchProfile.Coherent)
        {
            return;
        }

        for (int index = 0; index < _cells.Length; index++)
        {
            int value = Array.IndexOf(_valuesOf[_cells[index]], memory.ReadCell(state, _cells[index]));
            _mayFetch[core][index].Set(state, value < 0 ? 0 : 1 << value);
        }
    }

    /// <summary>The values that a piece of code ever takes.</summary>
    public int[] ValuesOf(int cell) => _valuesOf[cell];

    /// <summary>
    /// Which of <see cref="ValuesOf"/> a fetch may return, as a bit mask; <paramref name="coherent"/> is what a load
    /// would return.
    /// </summary>
    public int Choices(ReadOnlySpan<ulong> state, int core, int cell, int coherent) =>
        _profile == FetchProfile.Coherent
            ? (Array.IndexOf(_valuesOf[cell], coherent) is int value and >= 0 ? 1 << value : 0)
            : _mayFetch[core][Array.IndexOf(_cells, cell)].Get(state);

    /// <summary>
    /// Whether a fetch now is one for which nothing is promised: a change that is not fetched whole has not been
    /// synchronized with.
    /// </summary>
    public bool IsUnpredictable(ReadOnlySpan<ulong> state, int core, int cell)
    {
        if (_profile == FetchProfile.Coherent || FetchedWhole.Contains(cell))
        {
            return false;
        }

        int mask = _mayFetch[core][Array.IndexOf(_cells, cell)].Get(state);
        return (mask & (mask - 1)) != 0;
    }

    public void SetUndefined(Span<ulong> state) => _undefined.Set(state, 1);

    public bool IsUndefined(ReadOnlySpan<ulong> state) => _undefined.Get(state) != 0;
}
