using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Crosscore.Rcu;

/// <summary>
/// What a section is left by: for an outermost section the <see cref="ReaderSlot"/> of its thread, for an inner one an
/// <see cref="InnerPlace"/>. One reference says which word it is and how deep, because a second field in the section
/// would cost one more store at each entry: the compiler keeps what a <c>finally</c> block needs in memory.
/// </summary>
internal abstract class ReaderPlace
{
    /// <summary>What to write on leaving: <see cref="ReaderWord.Outside"/>. Of an inner place: never used.</summary>
    public readonly long Outside;

    /// <summary>
    /// Of a slot: see <see cref="ReaderWord"/>. Written by the slot's owner alone, read by grace periods. Of an inner
    /// place: always 0, so that leaving by it never takes the short way.
    /// </summary>
    public PaddedLong Word;

    protected ReaderPlace(long outside)
    {
        Outside = outside;
        Word.Value = outside;
    }

    /// <summary>Leaves by another way than the short one: an inner section, or a mistake.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void LeaveInner(ReaderPlace place)
    {
        if (place is not InnerPlace inner)
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
                    + $"entered at depth {depth}. Sections are left in the "
                    + "reverse order of entering; use 'using'. Nothing was left."
                : "RcuReadSection.Dispose: the thread is in no section of this domain; "
                    + "this is a copy of a section that has been left. Nothing was left."
        );
}

/// <summary>The place of a section inside of another one. The first few of a thread are used again.</summary>
internal sealed class InnerPlace(ReaderSlot slot, InnerPlace? outer, int depth) : ReaderPlace(0)
{
    public ReaderSlot Slot => slot;

    /// <summary>Null where the outermost section is the next one.</summary>
    public InnerPlace? Outer => outer;

    public int Depth => depth;

    /// <summary>Kept from the last time, or null.</summary>
    public InnerPlace? Inner { get; set; }
}
