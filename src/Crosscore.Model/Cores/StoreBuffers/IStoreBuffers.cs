using Crosscore.Model.State;

namespace Crosscore.Model.Cores.StoreBuffers;

/// <summary>
/// Memory behind store buffers: what a load returns, where a store goes, and which store reaches memory next. A value
/// is a number of the value table. Implementations are structs (see <see cref="ICore"/>).
/// </summary>
internal interface IStoreBuffers
{
    /// <summary>
    /// Gets whether a store is seen by its own core alone until it leaves the buffer, so that it commutes with every
    /// other core's steps.
    /// </summary>
    bool StoresAreLocal { get; }

    /// <summary>Gets what a load of a core returns now.</summary>
    int Load(ReadOnlySpan<ulong> state, int core, CellSpan span);

    /// <summary>Whether a core's buffer has room for one more store.</summary>
    bool CanStore(ReadOnlySpan<ulong> state, int core);

    /// <summary>Stores. The buffer must have room.</summary>
    void Store(Span<ulong> state, int core, CellSpan span, int value);

    /// <summary>Reads memory itself, not the buffers.</summary>
    int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span);

    /// <summary>Writes memory itself, not the buffers.</summary>
    void WriteMemory(Span<ulong> state, CellSpan span, int value);

    /// <summary>Whether a store of a core still waits to reach memory. A fence passes when none does.</summary>
    bool HasWaitingStores(ReadOnlySpan<ulong> state, int core);

    /// <summary>Gets the cells and the value of the store that would reach memory next, if there is one.</summary>
    bool TryPeek(ReadOnlySpan<ulong> state, int core, out CellSpan span, out int value);

    /// <summary>Lets the next waiting store of a core, if there is one, reach memory.</summary>
    void Drain(Span<ulong> state, int core);

    /// <summary>Gets a mask (<see cref="CellSpan.Mask"/>) of the cells of all waiting stores of a core.</summary>
    ulong WaitingCells(ReadOnlySpan<ulong> state, int core);
}
