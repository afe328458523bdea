namespace Crosscore.Rcu;

/// <summary>
/// One thread's word in one domain. An object of the heap: whoever holds a section of it keeps it alive, also when its
/// thread or its domain is gone. It does not know the domain, which threads that have read it once must not keep alive.
/// </summary>
internal sealed class ReaderSlot(long outside, Thread owner) : ReaderPlace(outside)
{
    // Inner places this deep are kept for the next time.
    private const int DepthKept = 16;

    private InnerPlace? _first; // the place at depth 2, if there ever was one

    public Thread Owner => owner;

    /// <summary>
    /// The place of the newest section, or null when that is the outermost one or there is none. The owner's.
    /// </summary>
    public InnerPlace? Innermost { get; set; }

    /// <summary>
    /// Enters a section inside of another one. The word keeps the number of the outermost:
    /// litmus/reclamation/Rcu.Nested.NewNumber.
    /// </summary>
    public InnerPlace EnterInner()
    {
        long word = Word.Value;
        int depth = (int)(word & ReaderWord.DepthMask) + 1;
        if (depth > ReaderWord.DepthMask)
        {
            throw new InvalidOperationException(
                $"RcuReadSection: more than {ReaderWord.DepthMask} sections are nested; the "
                    + "section was not entered. A section that is never left, in a loop or a recursion?"
            );
        }

        InnerPlace? outer = Innermost;
        InnerPlace inner = (outer is null ? _first : outer.Inner) ?? AddPlace(outer, depth);
        Volatile.Write(ref Word.Value, word + 1);
        return Innermost = inner;
    }

    /// <summary>How many sections the thread is inside of. The owner's.</summary>
    public int Depth => (int)(Word.Value & ReaderWord.DepthMask);

    /// <summary>
    /// Leaves the newest sections, whose variables are gone, until the thread is so deep. The owner's.
    /// </summary>
    /// <returns>Whether there were any.</returns>
    public bool LeaveTo(int depth)
    {
        bool any = Depth > depth;
        while (Depth > depth)
        {
            // Release, as in RcuReadSection.Dispose.
            Volatile.Write(ref Word.Value, Innermost is null ? Outside : Word.Value - 1);
            Innermost = Innermost?.Outer;
        }

        return any;
    }

    private InnerPlace AddPlace(InnerPlace? outer, int depth)
    {
        var inner = new InnerPlace(this, outer, depth);
        if (outer is null)
        {
            _first = inner;
        }
        else if (depth <= DepthKept)
        {
            outer.Inner = inner;
        }

        return inner;
    }
}
