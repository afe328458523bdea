namespace Crosscore.Isa;

/// <summary>
/// The AArch64 instructions of which this library's own machine code consists. Source: Arm Architecture Reference
/// Manual, C6.2; checked against an assembler.
/// </summary>
internal static class AArch64Instructions
{
    /// <summary>mrs x0, ctr_el0</summary>
    public const uint ReadCtrEl0 = 0xD53B0020;

    /// <summary>dc cvau, x0</summary>
    public const uint CleanToUnification = 0xD50B7B20;

    /// <summary>ic ivau, x0</summary>
    public const uint InvalidateToUnification = 0xD50B7520;

    /// <summary>add x0, x0, x2</summary>
    public const uint AddX2ToX0 = 0x8B020000;

    /// <summary>cmp x0, x1</summary>
    public const uint CompareX0WithX1 = 0xEB01001F;

    /// <summary>b.lo, back by three instructions</summary>
    public const uint BranchBackThreeIfLower = 0x54FFFFA3;

    /// <summary>dsb ish</summary>
    public const uint DataBarrier = 0xD5033B9F;

    /// <summary>isb</summary>
    public const uint InstructionBarrier = 0xD5033FDF;

    /// <summary>ret</summary>
    public const uint Return = 0xD65F03C0;

    /// <summary>br x16</summary>
    public const uint BranchToX16 = 0xD61F0200;

    /// <summary>A function that returns at once.</summary>
    public static ReadOnlySpan<uint> OnlyReturn => [Return];

    /// <summary>ldr x16, [pc + distance]</summary>
    /// <param name="distance">In bytes, a multiple of 4 below 1 MiB, from this instruction.</param>
    public static uint LoadX16(int distance) => 0x58000010 | ((uint)distance / 4 << 5);
}
