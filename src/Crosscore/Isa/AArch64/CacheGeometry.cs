namespace Crosscore.Isa;

/// <summary>
/// What CTR_EL0 of an arm64 processor says about making new instructions visible to fetches. A pure function of the
/// register, because no other part of it can be tested without the processor.
/// </summary>
/// <remarks>
/// Source: Arm Architecture Reference Manual, D24.2.34 CTR_EL0, and B2.7.4.2 on modifying instructions.
/// </remarks>
/// <param name="DataLine">The smallest data cache line of any core, in bytes.</param>
/// <param name="InstructionLine">The smallest instruction cache line of any core, in bytes.</param>
/// <param name="NeedsClean">IDC is 0: data must be cleaned to the point of unification before instructions are
/// fetched.</param>
/// <param name="NeedsInvalidate">DIC is 0: instruction caches must be invalidated to the point of unification.</param>
internal readonly record struct CacheGeometry(int DataLine, int InstructionLine, bool NeedsClean, bool NeedsInvalidate)
{
    public static CacheGeometry FromCtrEl0(ulong register) =>
        new(
            DataLine: 4 << (int)((register >> 16) & 0xF), // DminLine, log2 of words
            InstructionLine: 4 << (int)(register & 0xF), // IminLine, the same
            NeedsClean: (register & (1UL << 28)) == 0,
            NeedsInvalidate: (register & (1UL << 29)) == 0
        );

    /// <summary>
    /// The first address to visit so that steps of a line meet every line of a piece of memory; the last step is the
    /// last one before the end of the piece.
    /// </summary>
    public static nint FirstLine(nint address, int line) => address & -line;
}
