namespace Crosscore.Code;

/// <summary>Where a copy lies, and whether a thread may ever have been in it.</summary>
internal sealed class OutOfLineCopy(int offset, int size)
{
    public int Offset => offset;

    public int Size => size;

    public bool WasUsed { get; set; }
}
