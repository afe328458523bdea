namespace Crosscore.Model.Memory.Views;

/// <summary>
/// The memory of AArch64 cores as far as it is like the others': what no store waits for and what the end of everything
/// finds. A promise that is not kept yet is the store that waits, but it never reaches memory by itself: it is there.
/// </summary>
internal readonly struct ViewMachine(ViewMemory views) : IMemoryMachine
{
    public bool HasViews => true;

    public bool StoresAreLocal => false;

    public int Load(ReadOnlySpan<ulong> state, int core, CellSpan span) => views.Newest(state, span.First);

    public bool CanStore(ReadOnlySpan<ulong> state, int core) => views.Writes.Count(state) < views.Writes.Capacity;

    public void Store(Span<ulong> state, int core, CellSpan span, int value) =>
        throw new InvalidOperationException("Crosscore bug: a store that takes no view.");

    public int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span) => views.Newest(state, span.First);

    public void WriteMemory(Span<ulong> state, CellSpan span, int value) =>
        throw new InvalidOperationException("Crosscore bug: a store that takes no view.");

    public bool HasWaitingStores(ReadOnlySpan<ulong> state, int core) => views.Writes.OpenPromise(state, core) != 0;

    public CellSpan NextWaitingStore(ReadOnlySpan<ulong> state, int core, out int value)
    {
        int position = views.Writes.OpenPromise(state, core);
        value = views.Writes.Value(state, position);
        return new CellSpan(views.Writes.Place(state, position), 1);
    }

    public void Drain(Span<ulong> state, int core) => views.Writes.Fulfil(state, views.Writes.OpenPromise(state, core));

    public ulong WaitingCells(ReadOnlySpan<ulong> state, int core) => 0;
}
