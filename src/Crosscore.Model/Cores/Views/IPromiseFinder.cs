using Crosscore.Model.State;

namespace Crosscore.Model.Cores.Views;

/// <summary>
/// Finds the writes that a CPU can promise. The finder runs a separate machine, so it lies above the cores; a core
/// calls it through this interface, once for each CPU and state.
/// </summary>
internal interface IPromiseFinder
{
    /// <summary>
    /// Runs a CPU in isolation and adds each promise that some run keeps, along with all earlier promises.
    /// </summary>
    /// <param name="state">The state.</param>
    /// <param name="cpu">The CPU.</param>
    /// <param name="worthPromising">The cells (<see cref="CellSpan.Mask"/>) that another agent may still access: a
    /// write to any other cell has the same effect when it is made in its turn.</param>
    /// <param name="moves">Receives the promises.</param>
    /// <returns>Whether some run ends and keeps all promises without any further write.</returns>
    bool Find(ReadOnlySpan<ulong> state, int cpu, ulong worthPromising, List<Move> moves);
}

/// <summary>A promise as the argument of a move.</summary>
internal static class PromiseArgument
{
    // Values have at most 24 bits (CompiledProgram); the place is above them.
    private const int PlaceShift = 24;

    /// <summary>Packs the place and the value of a write.</summary>
    public static int Pack(int place, int value) => (place << PlaceShift) | value;

    /// <summary>Unpacks them.</summary>
    public static (int Place, int Value) Unpack(int argument) =>
        (argument >> PlaceShift, argument & ((1 << PlaceShift) - 1));
}
