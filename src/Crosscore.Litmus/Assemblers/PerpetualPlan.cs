using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Assemblers;

/// <summary>Where the final value of an observed register comes from in a perpetual run.</summary>
/// <param name="Register">The register.</param>
/// <param name="Width">Bytes that the load takes.</param>
/// <param name="Writer">The column that stores to the loaded variable, or -1 when none does.</param>
/// <param name="Initial">What the register holds when the store was not seen.</param>
/// <param name="Stored">What it holds when the store was seen.</param>
internal sealed record PerpetualLoad(TestRegister Register, int Width, int Writer, ulong Initial, ulong Stored);

/// <summary>
/// The perpetual form of a test (PerpLE, MICRO 2020): two columns without jumps; each variable stored to by at most one
/// instruction of the test, and that stores a constant; loads and fences besides; only registers observed. Then a store
/// may write the number of its iteration instead, and a loaded number tells which iterations' stores were seen.
/// </summary>
/// <param name="Fast">The column that never waits: the one without membarrier, or P0.</param>
/// <param name="HasMembarrier">Whether the slow column issues membarrier.</param>
/// <param name="Loads">For each column, the loads into observed registers that are final, in the order of the column's
/// log entries.</param>
/// <param name="Stored">The variables that are stored to, by name: they hold iteration numbers.</param>
internal sealed record PerpetualPlan(
    int Fast,
    bool HasMembarrier,
    IReadOnlyList<PerpetualLoad>[] Loads,
    IReadOnlySet<string> Stored
)
{
    /// <summary>Gets the other column.</summary>
    public int Slow => 1 - Fast;
}
