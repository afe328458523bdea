using System.Numerics;
using System.Runtime.InteropServices;

namespace Crosscore.Code;

/// <summary>Where a thread that meets INT3 continues.</summary>
/// <param name="Target">The address.</param>
/// <param name="Return">What is pushed before, as a call would; 0 for nothing.</param>
/// <param name="Copy">The copy that the address belongs to, or null.</param>
internal readonly record struct Resumption(nint Target, nint Return, OutOfLineCopy? Copy);

/// <summary>
/// Maps the addresses of a batch's breakpoints to where threads continue: open addressing, at most half full, in native
/// memory that machine code reads. Written only while no thread can read it.
/// </summary>
internal sealed unsafe class BreakpointTable
{
    private readonly Entry* _entries;
    private readonly List<(int Slot, OutOfLineCopy Copy)> _copies = [];

    public BreakpointTable(int sites)
    {
        Capacity = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(8, sites * 2));
        nuint size = (nuint)(HandlerCode.EntriesOffset + (Capacity * HandlerCode.EntrySize));

        // SAFETY: the block has the size of the mask and the entries behind it, and is never freed: tables are used
        // again.
        byte* block = (byte*)NativeMemory.AlignedAlloc(size, 64);
        NativeMemory.Clear(block, size);
        *(ulong*)block = (ulong)Capacity - 1;
        Address = (nint)block;
        _entries = (Entry*)(block + HandlerCode.EntriesOffset);
    }

    public nint Address { get; }

    public int Capacity { get; }

    public void Add(nint address, in Resumption resumption)
    {
        int slot = (int)((ulong)(address * HandlerCode.HashFactor) >> HandlerCode.HashShift) & (Capacity - 1);

        // SAFETY: the index is below the capacity, and at least half of the entries are empty, so the search ends.
        while (_entries[slot].Address != 0)
        {
            slot = (slot + 1) & (Capacity - 1);
        }

        _entries[slot] = new Entry
        {
            Address = address,
            Target = resumption.Target,
            Return = resumption.Return,
        };
        if (resumption.Copy is { WasUsed: false } copy)
        {
            _copies.Add((slot, copy));
        }
    }

    /// <summary>
    /// Marks the copies that threads were sent to, and empties the table. No thread may be reading it.
    /// </summary>
    public void Clear()
    {
        foreach ((int slot, OutOfLineCopy copy) in _copies)
        {
            copy.WasUsed |= _entries[slot].Hits != 0;
        }

        _copies.Clear();

        // SAFETY: all entries of the block allocated above.
        NativeMemory.Clear(_entries, (nuint)(Capacity * HandlerCode.EntrySize));
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Entry
    {
        public nint Address;
        public nint Target;
        public nint Return;
        public long Hits;
    }
}
