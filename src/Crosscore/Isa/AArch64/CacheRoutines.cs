using static Crosscore.Isa.AArch64Instructions;

namespace Crosscore.Isa;

/// <summary>Functions that maintain caches, which C# has no name for.</summary>
/// <remarks>
/// Both loops: X0 the first line, X1 the end, X2 the size of a line. <c>do { op(X0); X0 += X2; } while (X0 &lt;
/// X1);</c> then the barriers.
/// </remarks>
internal static class CacheRoutines
{
    /// <summary>Returns CTR_EL0 in X0.</summary>
    public static ReadOnlySpan<uint> ReadType => [ReadCtrEl0, Return];

    /// <summary>
    /// The barrier: the cleaned lines are at the point of unification before any is invalidated there.
    /// </summary>
    public static ReadOnlySpan<uint> Clean =>
        [CleanToUnification, AddX2ToX0, CompareX0WithX1, BranchBackThreeIfLower, DataBarrier, Return];

    /// <summary>The barriers: every core has invalidated the lines; this core forgets what it had fetched.</summary>
    public static ReadOnlySpan<uint> Invalidate =>
        [
            InvalidateToUnification,
            AddX2ToX0,
            CompareX0WithX1,
            BranchBackThreeIfLower,
            DataBarrier,
            InstructionBarrier,
            Return,
        ];
}
