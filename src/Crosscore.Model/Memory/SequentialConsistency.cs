namespace Crosscore.Model.Memory;

/// <summary>
/// Lamport's machine (IEEE Trans. Computers C-28, 1979): every load and store acts on memory at once, one after the
/// other. No processor sold is like this; it is what most people have in mind, and the difference to it is what a
/// litmus test shows.
/// </summary>
internal readonly struct SequentialConsistency(MainMemory memory) : IMemoryMachine
{
    public bool HasViews => false;

    public bool StoresAreLocal => false;

    public int Load(ReadOnlySpan<ulong> state, int core, CellSpan span) => memory.Read(state, span);

    public bool CanStore(ReadOnlySpan<ulong> state, int core) => true;

    public void Store(Span<ulong> state, int core, CellSpan span, int value) => memory.Write(state, span, value);

    public int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span) => memory.Read(state, span);

    public void WriteMemory(Span<ulong> state, CellSpan span, int value) => memory.Write(state, span, value);

    public bool HasWaitingStores(ReadOnlySpan<ulong> state, int core) => false;

    public CellSpan NextWaitingStore(ReadOnlySpan<ulong> state, int core, out int value) =>
        throw new InvalidOperationException("Crosscore bug: no store waits on this machine.");

    public void Drain(Span<ulong> state, int core) =>
        throw new InvalidOperationException("Crosscore bug: no store waits on this machine.");

    public ulong WaitingCells(ReadOnlySpan<ulong> state, int core) => 0;
}
