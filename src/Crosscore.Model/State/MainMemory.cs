namespace Crosscore.Model.State;

/// <summary>The memory that all cores share: one field of the state for each cell.</summary>
internal sealed class MainMemory
{
    private readonly BitField[] _cells;

    // The value of a cell that nothing ever writes; -1 for the others, which are in the state.
    private readonly int[] _constants;
    private readonly ValueTable _values;

    public MainMemory(CellMap map, StateLayout layout, ValueTable values)
    {
        _values = values;
        _cells = new BitField[map.All];
        _constants = new int[map.All];
        for (int cell = 0; cell < _cells.Length; cell++)
        {
            bool written = cell < map.Count && map.IsWritten(cell);
            _cells[cell] = layout.Add(written ? values.LargestNumber : 0);
            _constants[cell] = cell < map.Count && !written ? values.Number(map.InitialValue(cell)) : -1;
        }
    }

    public ValueTable Values => _values;

    public int ReadCell(ReadOnlySpan<ulong> state, int cell) =>
        _constants[cell] >= 0 ? _constants[cell] : _cells[cell].Get(state);

    /// <summary>Gives a cell its first value.</summary>
    public void Initialize(Span<ulong> state, int cell, int value)
    {
        if (_constants[cell] < 0)
        {
            _cells[cell].Set(state, value);
        }
    }

    public int Read(ReadOnlySpan<ulong> state, CellSpan span)
    {
        if (span.Count == 1)
        {
            return ReadCell(state, span.First);
        }

        ulong value = 0;
        for (int index = 0; index < span.Count; index++)
        {
            value |= _values[ReadCell(state, span.First + index)] << (8 * index);
        }

        return _values.Number(value);
    }

    public void Write(Span<ulong> state, CellSpan span, int value)
    {
        if (span.Count == 1)
        {
            _cells[span.First].Set(state, value);
            return;
        }

        ulong bytes = _values[value];
        for (int index = 0; index < span.Count; index++)
        {
            _cells[span.First + index].Set(state, _values.Number((bytes >> (8 * index)) & 0xFF));
        }
    }
}
