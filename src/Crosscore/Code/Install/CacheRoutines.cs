namespace Crosscore.Code;

/// <summary>
/// The instructions of arm64 that C# has no name for. Source: Arm Architecture Reference Manual, C6.2; checked against
/// an assembler.
/// </summary>
/// <remarks>
/// Both loops: X0 the first line, X1 the end, X2 the size of a line. <c>do { op(X0); X0 += X2; } while (X0 &lt;
/// X1);</c> then the barriers.
/// </remarks>
internal static class CacheRoutines
{
    public static ReadOnlySpan<uint> ReadCtrEl0 =>
        [
            0xD53B0020, // mrs x0, ctr_el0
            0xD65F03C0, // ret
        ];

    public static ReadOnlySpan<uint> Clean =>
        [
            0xD50B7B20, // dc cvau, x0
            0x8B020000, // add x0, x0, x2
            0xEB01001F, // cmp x0, x1
            0x54FFFFA3, // b.lo -12
            // dsb ish: the cleaned lines are at the point of unification before anything is invalidated there
            0xD5033B9F,
            0xD65F03C0, // ret
        ];

    public static ReadOnlySpan<uint> Invalidate =>
        [
            0xD50B7520, // ic ivau, x0
            0x8B020000, // add x0, x0, x2
            0xEB01001F, // cmp x0, x1
            0x54FFFFA3, // b.lo -12
            0xD5033B9F, // dsb ish: every core has invalidated them
            0xD5033FDF, // isb: this core forgets what it had fetched
            0xD65F03C0, // ret
        ];
}
