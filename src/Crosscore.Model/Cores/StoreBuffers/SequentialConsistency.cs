using Crosscore.Model.State;

namespace Crosscore.Model.Cores.StoreBuffers;

/// <summary>
/// Lamport's machine (IEEE Trans. Computers C-28, 1979): every load and store acts on memory at once, one after the
/// other. No processor sold is like this; it is what most people have in mind, and the difference to it is what a
/// litmus test shows.
/// </summary>
internal readonly struct SequentialConsistency(MainMemory memory) : IStoreBuffers
{
    public bool StoresAreLocal => false;

    public int Load(ReadOnlySpan<ulong> state, int core, CellSpan span) => memory.Read(state, span);

    public bool CanStore(ReadOnlySpan<ulong> state, int core) => true;

    public void Store(Span<ulong> state, int core, CellSpan span, int value) => memory.Write(state, span, value);

    public int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span) => memory.Read(state, span);

    public void WriteMemory(Span<ulong> state, CellSpan span, int value) => memory.Write(state, span, value);

    public bool HasWaitingStores(ReadOnlySpan<ulong> state, int core) => false;

    public bool TryPeek(ReadOnlySpan<ulong> state, int core, out CellSpan span, out int value)
    {
        (span, value) = (default, 0);
        return false;
    }

    // No store ever waits.
    public void Drain(Span<ulong> state, int core) { }

    public ulong WaitingCells(ReadOnlySpan<ulong> state, int core) => 0;
}
