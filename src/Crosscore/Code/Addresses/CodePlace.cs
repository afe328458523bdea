namespace Crosscore.Code;

/// <summary>Where a piece of code lies.</summary>
/// <param name="Range">The range that its addresses belong to.</param>
/// <param name="Address">The first byte.</param>
/// <param name="CodeLength">Bytes that are executable, whole pages.</param>
/// <param name="DataLength">Bytes behind them that are writable.</param>
/// <param name="Gap">Bytes behind all that have no access.</param>
internal readonly record struct CodePlace(CodeRange Range, nint Address, int CodeLength, int DataLength, int Gap)
{
    /// <summary>Takes the access away; <see cref="CodeRange.Free"/>.</summary>
    public void Free() => Range.Free(Address, CodeLength + DataLength, Gap);
}
