namespace Crosscore.Model.Memory;

/// <summary>
/// How cores see memory: the rules of one kind of processor. The exploration asks it what a load returns, where a store
/// goes, and which steps memory takes by itself. Implementations are structs so that the search is compiled for each of
/// them.
/// </summary>
/// <remarks>
/// All states are packed; a machine reads and writes only the fields that it was given at construction. A value is a
/// number of the exploration's value table.
/// </remarks>
internal interface IMemoryMachine
{
    /// <summary>
    /// Whether a store is seen by its own core alone until memory takes a step of its own, so that it commutes with
    /// every other core's steps.
    /// </summary>
    bool StoresAreLocal { get; }

    /// <summary>
    /// Whether cores see memory through views (<see cref="Views.ViewMemory"/>): then a load has a choice of writes, and
    /// what follows from it is not for this interface to say. The exploration asks for it where the two kinds of
    /// machines part.
    /// </summary>
    bool HasViews { get; }

    /// <summary>What a load of a core returns now.</summary>
    int Load(ReadOnlySpan<ulong> state, int core, CellSpan span);

    /// <summary>
    /// Whether the core can store now; <see langword="false"/> while it has no room for one more waiting store.
    /// </summary>
    bool CanStore(ReadOnlySpan<ulong> state, int core);

    /// <summary>Stores. Call it only when <see cref="CanStore"/>.</summary>
    void Store(Span<ulong> state, int core, CellSpan span, int value);

    /// <summary>Reads memory itself, past everything that waits.</summary>
    int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span);

    /// <summary>Writes memory itself, past everything that waits.</summary>
    void WriteMemory(Span<ulong> state, CellSpan span, int value);

    /// <summary>Whether a store of this core still waits to reach memory. A fence passes when none does.</summary>
    bool HasWaitingStores(ReadOnlySpan<ulong> state, int core);

    /// <summary>
    /// The cells of the store that would reach memory next, and its value. Call it only when
    /// <see cref="HasWaitingStores"/>.
    /// </summary>
    CellSpan NextWaitingStore(ReadOnlySpan<ulong> state, int core, out int value);

    /// <summary>Lets the next waiting store of a core reach memory.</summary>
    void Drain(Span<ulong> state, int core);

    /// <summary>A mask (<see cref="CellSpan.Mask"/>) of the cells of all waiting stores of a core.</summary>
    ulong WaitingCells(ReadOnlySpan<ulong> state, int core);
}
