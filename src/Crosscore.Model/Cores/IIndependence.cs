namespace Crosscore.Model.Cores;

/// <summary>
/// Finds the moves that can be explored alone (<c>Reductions.Independence</c>): all moves of one agent whose results no
/// move of another agent, now or later, in any order, can change. Each kind of core has its own argument why; the
/// search asks once for each state, so a call through an interface costs nothing that can be measured.
/// </summary>
internal interface IIndependence
{
    /// <summary>Finds such moves.</summary>
    /// <param name="state">The state.</param>
    /// <param name="moves">Receives them.</param>
    /// <returns>Whether there are any.</returns>
    bool TryFind(ReadOnlySpan<ulong> state, List<Move> moves);
}
