namespace Crosscore.Linux;

/// <summary>Pages of memory, in whose size the kernel maps and protects.</summary>
internal static class Pages
{
    /// <summary>
    /// The size of a page. The runtime's property asks the system each time, which costs as much as appending a
    /// function to a segment.
    /// </summary>
    public static readonly int Size = Environment.SystemPageSize;

    /// <summary>The smallest number of bytes in whole pages that holds a length.</summary>
    public static int RoundUp(int length) => checked(length + Size - 1) & -Size;
}
