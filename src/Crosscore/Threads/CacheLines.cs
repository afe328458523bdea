using System.Runtime.InteropServices;

namespace Crosscore.Threads;

/// <summary>
/// Two unused cache lines behind a field of a class. A class with references cannot declare its size instead: the
/// runtime ignores that.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct CacheLines
{
    [FieldOffset(0)]
    public byte First;
}
