using System.Runtime.InteropServices;

namespace Crosscore.Rcu;

/// <summary>
/// What a reader says of itself in one word, which only its thread writes:
/// <code>
///  63                                  16 15        0
/// | number of the grace period last seen |   depth   |
/// </code>
/// Depth 0: not in a section; above it stands which domain the word belongs to. The number cannot be overtaken: a grace
/// period does not end while a reader with an older one is inside, so the difference of two numbers that meet is 1 or
/// little more, also after they wrap.
/// </summary>
internal static class ReaderWord
{
    public const int DepthBits = 16;
    public const long DepthMask = (1L << DepthBits) - 1;

    /// <summary>
    /// What stands in the words of a domain's readers while they are outside: not the same for two domains, and never
    /// 0, so one comparison says that a word belongs to the domain and its reader is outside.
    /// </summary>
    public static long Outside(long domainId) => domainId << DepthBits;

    /// <summary>What a reader writes that enters its outermost section after a grace period has begun.</summary>
    public static long Entry(long gracePeriod) => (gracePeriod << DepthBits) | 1;

    public static bool IsInside(long word) => (ushort)word != 0;

    public static bool IsOneDeep(long word) => (ushort)word == 1;

    /// <summary>
    /// Whether a grace period must wait for a reader: it is inside, and was before the grace period began.
    /// </summary>
    public static bool HoldsUp(long word, long gracePeriod) =>
        IsInside(word) && ((word - Entry(gracePeriod)) >> DepthBits) < 0;
}

/// <summary>
/// A number with cache lines of its own: 128 bytes on both sides, because processors fetch lines in pairs. It may lie
/// at any address, since objects move.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 256 + sizeof(long))]
internal struct PaddedLong
{
    [FieldOffset(128)]
    public long Value;
}
