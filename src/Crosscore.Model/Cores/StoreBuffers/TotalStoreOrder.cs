using Crosscore.Model.State;

namespace Crosscore.Model.Cores.StoreBuffers;

/// <summary>
/// x86-TSO as Owens, Sarkar and Sewell define it (TPHOLs 2009; CACM 53(7), 2010): each core has a first-in-first-out
/// buffer of its stores; a load takes the newest matching store in the buffer of its core, or memory; one buffered
/// store at a time reaches memory; fences and locked instructions wait for an empty buffer. A store whose bytes a load
/// only partly overlaps gives it those bytes and memory the others.
/// </summary>
internal readonly struct TotalStoreOrder : IStoreBuffers
{
    private readonly MainMemory _memory;
    private readonly Buffer[] _buffers;
    private readonly bool _bytes;

    /// <summary>The fields of one core's buffer; slot 0 is the oldest store.</summary>
    private sealed record Buffer(BitField Length, BitField[] First, BitField[] SizeLog, BitField[] Value);

    /// <summary>Makes the machine.</summary>
    /// <param name="memory">The memory behind the buffers.</param>
    /// <param name="map">The cells.</param>
    /// <param name="layout">Gives the fields.</param>
    /// <param name="depths">The length of each core's buffer.</param>
    public TotalStoreOrder(MainMemory memory, CellMap map, StateLayout layout, IReadOnlyList<int> depths)
    {
        _memory = memory;
        _bytes = map.HasByteCells;
        int largestValue = memory.Values.LargestNumber;
        int largestSize = _bytes ? 3 : 0;
        _buffers = new Buffer[depths.Count];
        for (int core = 0; core < depths.Count; core++)
        {
            int depth = depths[core];
            _buffers[core] = new Buffer(
                layout.Add(depth),
                new BitField[depth],
                new BitField[depth],
                new BitField[depth]
            );
            for (int slot = 0; slot < depth; slot++)
            {
                _buffers[core].First[slot] = layout.Add(Math.Max(0, map.All - 1));
                _buffers[core].SizeLog[slot] = layout.Add(largestSize);
                _buffers[core].Value[slot] = layout.Add(largestValue);
            }
        }
    }

    public bool StoresAreLocal => true;

    public int Load(ReadOnlySpan<ulong> state, int core, CellSpan span)
    {
        Buffer buffer = _buffers[core];
        for (int slot = buffer.Length.Get(state) - 1; slot >= 0; slot--)
        {
            CellSpan stored = SpanAt(buffer, state, slot);
            if (stored == span)
            {
                return buffer.Value[slot].Get(state);
            }

            if (_bytes && stored.First < span.First + span.Count && span.First < stored.First + stored.Count)
            {
                return LoadBytes(state, core, span);
            }
        }

        return _memory.Read(state, span);
    }

    public bool CanStore(ReadOnlySpan<ulong> state, int core) =>
        _buffers[core].Length.Get(state) < _buffers[core].Value.Length;

    public void Store(Span<ulong> state, int core, CellSpan span, int value)
    {
        Buffer buffer = _buffers[core];
        int slot = buffer.Length.Get(state);
        Put(buffer, state, slot, span, value);
        buffer.Length.Set(state, slot + 1);
    }

    public int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span) => _memory.Read(state, span);

    public void WriteMemory(Span<ulong> state, CellSpan span, int value) => _memory.Write(state, span, value);

    public bool HasWaitingStores(ReadOnlySpan<ulong> state, int core) => _buffers[core].Length.Get(state) != 0;

    public bool TryPeek(ReadOnlySpan<ulong> state, int core, out CellSpan span, out int value)
    {
        Buffer buffer = _buffers[core];
        if (buffer.Length.Get(state) == 0)
        {
            (span, value) = (default, 0);
            return false;
        }

        (span, value) = (SpanAt(buffer, state, 0), buffer.Value[0].Get(state));
        return true;
    }

    public void Drain(Span<ulong> state, int core)
    {
        if (!TryPeek(state, core, out CellSpan span, out int value))
        {
            return;
        }

        _memory.Write(state, span, value);
        Buffer buffer = _buffers[core];
        int length = buffer.Length.Get(state) - 1;
        for (int slot = 0; slot < length; slot++)
        {
            Put(buffer, state, slot, SpanAt(buffer, state, slot + 1), buffer.Value[slot + 1].Get(state));
        }

        // Empty slots are zero, so that equal buffers are equal bits.
        Put(buffer, state, length, new CellSpan(0, 1), 0);
        buffer.Length.Set(state, length);
    }

    public ulong WaitingCells(ReadOnlySpan<ulong> state, int core)
    {
        Buffer buffer = _buffers[core];
        ulong mask = 0;
        for (int slot = buffer.Length.Get(state) - 1; slot >= 0; slot--)
        {
            mask |= SpanAt(buffer, state, slot).Mask;
        }

        return mask;
    }

    private static CellSpan SpanAt(Buffer buffer, ReadOnlySpan<ulong> state, int slot) =>
        new(buffer.First[slot].Get(state), 1 << buffer.SizeLog[slot].Get(state));

    private static void Put(Buffer buffer, Span<ulong> state, int slot, CellSpan span, int value)
    {
        buffer.First[slot].Set(state, span.First);
        buffer.SizeLog[slot].Set(state, System.Numerics.BitOperations.Log2((uint)span.Count));
        buffer.Value[slot].Set(state, value);
    }

    private int LoadBytes(ReadOnlySpan<ulong> state, int core, CellSpan span)
    {
        Buffer buffer = _buffers[core];
        ValueTable values = _memory.Values;
        ulong result = 0;
        for (int index = 0; index < span.Count; index++)
        {
            int cell = span.First + index;
            ulong content = values[_memory.ReadCell(state, cell)];
            for (int slot = 0; slot < buffer.Length.Get(state); slot++)
            {
                CellSpan stored = SpanAt(buffer, state, slot);
                if (cell >= stored.First && cell < stored.First + stored.Count)
                {
                    content = values[buffer.Value[slot].Get(state)] >> (8 * (cell - stored.First));
                }
            }

            result |= (content & 0xFF) << (8 * index);
        }

        return values.Number(result);
    }
}
