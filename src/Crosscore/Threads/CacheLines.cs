using System.Runtime.InteropServices;

namespace Crosscore.Threads;

/// <summary>
/// Two cache lines of nothing, behind a field of a class: the runtime does not keep to the size that a class with
/// references asks for.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 128)]
internal struct CacheLines
{
    [FieldOffset(0)]
    public byte First;
}
