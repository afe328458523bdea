using System.Globalization;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Fields that many encodings share.</summary>
internal static class AArch64Fields
{
    private const uint Wide = 0x8000_0000;

    public static uint Bits(AArch64Register register) => (uint)register.Number;

    public static uint WideBit(AArch64Register register) => register.Width == 8 ? Wide : 0;

    public static bool Fits(long value, int bits) => value >= -(1L << (bits - 1)) && value < 1L << (bits - 1);

    public static uint? Words(long offset, int bits) =>
        offset % 4 == 0 && Fits(offset / 4, bits) ? (uint)(offset / 4) & ((1u << bits) - 1) : null;

    public static (string Kind, uint Amount)? ShiftOf(IReadOnlyList<AArch64Operand> operands) =>
        operands[^1] is AArch64Word word && word.Text.Split(' ') is [string kind, string amount]
            ? (kind, uint.Parse(amount, CultureInfo.InvariantCulture))
            : null;
}
