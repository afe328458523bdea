using System.Runtime.InteropServices;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// Memory that machine code uses: outside the collector's reach, zeroed, starting on a page boundary.
/// </summary>
internal sealed unsafe class NativeBlock : IDisposable
{
    private const int Page = 4096;
    private byte* _start;

    /// <summary>Allocates it.</summary>
    /// <param name="length">Bytes.</param>
    public NativeBlock(long length)
    {
        Length = length;
        // SAFETY: freed once, in Dispose; rounded up, so that an eight-byte read of the last narrow cell stays inside.
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)(length + Page), Page);
        NativeMemory.Clear(_start, (nuint)(length + Page));
    }

    /// <summary>Gets the bytes.</summary>
    public long Length { get; }

    /// <summary>Gets the first byte.</summary>
    public byte* Start => _start;

    /// <summary>Gets the address of the first byte.</summary>
    public long Address => (long)_start;

    /// <summary>Gets an eight-byte cell.</summary>
    /// <param name="offset">Its offset in bytes; the caller keeps it inside the block.</param>
    public ref long this[int offset] => ref *(long*)(_start + offset);

    /// <summary>Frees it; no thread may be using it.</summary>
    public void Dispose()
    {
        NativeMemory.AlignedFree(_start);
        _start = null;
    }
}
