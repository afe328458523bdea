using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Crosscore.Rcu;

/// <summary>
/// What a section remembers in order to be left: for an outermost section the <see cref="ReaderSlot"/> of its thread,
/// for an inner one an <see cref="NestedPlace"/>. One reference says which word it is and how deep, because a second
/// field in the section would cost one more store at each entry: the compiler keeps what a <c>finally</c> block needs
/// in memory.
/// </summary>
internal abstract class ReaderPlace
{
    /// <summary>
    /// What is written on leaving: <see cref="ReaderWord.Outside"/>. Never used in an inner place.
    /// </summary>
    public readonly long Outside;

    /// <summary>
    /// In a slot: see <see cref="ReaderWord"/>; written by the owner of the slot only, read by grace periods. In an
    /// inner place always 0, so that leaving by it never takes the short path.
    /// </summary>
    public PaddedLong Word;

    protected ReaderPlace(long outside)
    {
        Outside = outside;
        Word.Value = outside;
    }

    /// <summary>Leaves an inner section, or refuses a section that is left twice or out of order.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void LeaveNested(ReaderPlace place)
    {
        if (place is not NestedPlace inner)
        {
            ThrowOutOfOrder(place.Word.Value, 1);
        }
        else if (inner.Slot.Innermost == inner)
        {
            // Release, as in RcuReadSection.Dispose.
            Volatile.Write(ref inner.Slot.Word.Value, inner.Slot.Word.Value - 1);
            inner.Slot.Innermost = inner.Outer;
        }
        else
        {
            ThrowOutOfOrder(inner.Slot.Word.Value, inner.Depth);
        }
    }

    [DoesNotReturn]
    private static void ThrowOutOfOrder(long word, int depth) =>
        throw new InvalidOperationException(
            ReaderWord.IsInside(word)
                ? $"RcuReadSection.Dispose: the thread is {word & ReaderWord.DepthMask} deep and this section was "
                    + $"entered at depth {depth}, so it is left out of order. Nothing was left. "
                    + "Leave sections in the reverse order of entering; 'using' does that."
                : "RcuReadSection.Dispose: the thread is in no section of this domain, because this is a copy of a "
                    + "section that has been left. Nothing was left. Do not copy sections."
        );
}

/// <summary>The place of a section inside of another one. A thread reuses its first few.</summary>
internal sealed class NestedPlace(ReaderSlot slot, NestedPlace? outer, int depth) : ReaderPlace(0)
{
    public ReaderSlot Slot => slot;

    /// <summary>The place of the section around this one; null where that is the outermost.</summary>
    public NestedPlace? Outer => outer;

    public int Depth => depth;

    /// <summary>The place one level deeper, kept for reuse; or null.</summary>
    public NestedPlace? Inner { get; set; }
}
