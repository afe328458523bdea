namespace Crosscore.Rcu;

/// <summary>
/// The word of one thread in one domain. An object of the heap: a section keeps it alive, also when its thread or its
/// domain is gone. It does not refer to the domain, because a thread that has read once must not keep the domain
/// alive.
/// </summary>
internal sealed class ReaderSlot(long outside, Thread owner) : ReaderPlace(outside)
{
    // Inner places down to this depth are kept for reuse.
    private const int MaxDepthKept = 16;

    private NestedPlace? _first; // the place at depth 2, kept for reuse; null before the first nested section

    public Thread Owner => owner;

    /// <summary>
    /// The place of the newest section; null when that is the outermost one or there is none. Only the owner uses
    /// it.
    /// </summary>
    public NestedPlace? Innermost { get; set; }

    /// <summary>
    /// Enters a section inside of another one. The word keeps the number of the outermost:
    /// litmus/reclamation/Rcu.Nested.NewNumber.
    /// </summary>
    public NestedPlace EnterNested()
    {
        long word = Word.Value;
        int depth = (int)(word & ReaderWord.DepthMask) + 1;
        if (depth > ReaderWord.DepthMask)
        {
            throw new InvalidOperationException(
                $"RcuDomain.EnterReadSection: {ReaderWord.DepthMask} sections are nested already, so no other section "
                    + "was entered. Look for a section that is never left, in a loop or a recursion."
            );
        }

        NestedPlace? outer = Innermost;
        NestedPlace inner = (outer is null ? _first : outer.Inner) ?? AddPlace(outer, depth);
        Volatile.Write(ref Word.Value, word + 1);
        return Innermost = inner;
    }

    /// <summary>How many sections the thread is inside of. Only the owner uses it.</summary>
    public int Depth => (int)(Word.Value & ReaderWord.DepthMask);

    /// <summary>
    /// Leaves the newest sections, whose variables are gone, until the given depth is reached. Only the owner uses it.
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

    private NestedPlace AddPlace(NestedPlace? outer, int depth)
    {
        var inner = new NestedPlace(this, outer, depth);
        if (outer is null)
        {
            _first = inner;
        }
        else if (depth <= MaxDepthKept)
        {
            outer.Inner = inner;
        }

        return inner;
    }
}
