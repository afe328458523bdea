using System.Runtime.InteropServices;

namespace Crosscore.Structures;

/// <summary>
/// A pointer that many threads exchange, with nothing else within 128 bytes, which is two cache lines, because
/// processors fetch them in pairs.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct PaddedPointer
{
    [FieldOffset(128)]
    public nint Value;
}
