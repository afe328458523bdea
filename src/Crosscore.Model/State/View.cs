namespace Crosscore.Model.State;

/// <summary>
/// How far into the list of writes something reaches: the number of writes that come before it. It has two sides,
/// because some dependencies order later stores only (pick dependencies, Arm ARM B2.3): <paramref name="Read"/> binds
/// loads, <paramref name="Write"/> binds stores and is never less.
/// </summary>
/// <param name="Read">What a load that depends on it must not fall behind.</param>
/// <param name="Write">What a store that depends on it must come after.</param>
internal readonly record struct View(int Read, int Write)
{
    /// <summary>A view with equal sides.</summary>
    public static View Of(int position) => new(position, position);

    /// <summary>The later of two, side by side.</summary>
    public static View operator |(View left, View right) =>
        new(Math.Max(left.Read, right.Read), Math.Max(left.Write, right.Write));
}

/// <summary>Where a view lies in a state. Where the program has no pick dependencies the sides are one field.</summary>
/// <param name="Read">The side that binds loads.</param>
/// <param name="Write">The side that binds stores.</param>
internal readonly record struct ViewField(BitField Read, BitField Write)
{
    public View Get(ReadOnlySpan<ulong> state)
    {
        int read = Read.Get(state);
        return new View(read, Write.Mask == 0 ? read : Write.Get(state));
    }

    public void Set(Span<ulong> state, View view)
    {
        if (Read.Mask == 0)
        {
            return;
        }

        Read.Set(state, view.Read);
        if (Write.Mask != 0)
        {
            Write.Set(state, view.Write);
        }
    }

    /// <summary>Moves it forward, never back.</summary>
    public void Raise(Span<ulong> state, View view) => Set(state, Get(state) | view);
}

/// <summary>How large views can be.</summary>
/// <param name="Writes">The longest list of writes; 0 for a core without views.</param>
/// <param name="Picks">Whether the sides of a view can differ.</param>
internal readonly record struct ViewSizes(int Writes, bool Picks)
{
    public ViewField Add(StateLayout layout) => new(layout.Add(Writes), layout.Add(Picks ? Writes : 0));
}
