using Crosscore.Model.Exploration;

namespace Crosscore.Model.Memory;

/// <summary>The memory that all cores share: one field of the state for each cell.</summary>
internal sealed class MainMemory
{
    private readonly BitField[] _cells;
    private readonly ValueTable _values;

    public MainMemory(CellMap map, StateLayout layout, ValueTable values)
    {
        _values = values;
        _cells = new BitField[map.Count];
        for (int cell = 0; cell < _cells.Length; cell++)
        {
            _cells[cell] = layout.Add(values.LargestNumber);
        }
    }

    public ValueTable Values => _values;

    public int ReadCell(ReadOnlySpan<ulong> state, int cell) => _cells[cell].Get(state);

    public int Read(ReadOnlySpan<ulong> state, CellSpan span)
    {
        if (span.Count == 1)
        {
            return _cells[span.First].Get(state);
        }

        ulong value = 0;
        for (int index = 0; index < span.Count; index++)
        {
            value |= _values[_cells[span.First + index].Get(state)] << (8 * index);
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
