using System.Runtime.InteropServices;

namespace Crosscore.Rcu;

/// <summary>
/// The word in which a reader announces whether it is inside; only its thread writes it:
/// <code>
///  63                                  16 15        0
/// | number of the grace period last seen |   depth   |
/// </code>
/// At depth 0 the reader is outside, and the upper bits hold the identity of the domain. Numbers are compared by their
/// difference: a grace period does not end while a reader with an older number is inside, so two numbers that are
/// compared differ by 1 or little more, also after they wrap.
/// </summary>
internal static class ReaderWord
{
    public const int DepthBits = 16;
    public const long DepthMask = (1L << DepthBits) - 1;

    /// <summary>
    /// The word of a domain's readers while they are outside. It differs between domains and is never 0, so one
    /// comparison shows that a word belongs to the domain and its reader is outside.
    /// </summary>
    public static long Outside(long domainId) => domainId << DepthBits;

    /// <summary>
    /// The word that a reader writes when it enters its outermost section after a grace period has begun.
    /// </summary>
    public static long Entry(long gracePeriod) => (gracePeriod << DepthBits) | 1;

    public static bool IsInside(long word) => (ushort)word != 0;

    public static bool IsOneDeep(long word) => (ushort)word == 1;

    /// <summary>
    /// Whether a grace period must wait for a reader: it is inside, and entered before the grace period began.
    /// </summary>
    public static bool HoldsUp(long word, long gracePeriod) =>
        IsInside(word) && ((word - Entry(gracePeriod)) >> DepthBits) < 0;
}

/// <summary>
/// A number that shares its cache lines with nothing else: 128 bytes lie on both sides, because processors fetch lines
/// in pairs, and objects may lie at any address.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 256 + sizeof(long))]
internal struct PaddedLong
{
    [FieldOffset(128)]
    public long Value;
}
