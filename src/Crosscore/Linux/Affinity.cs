namespace Crosscore.Linux;

/// <summary>
/// sched_setaffinity(2), sched_getaffinity(2) and getcpu(2), of the calling thread. A mask is a row of bits, CPU 0
/// first.
/// </summary>
internal static unsafe class Affinity
{
    /// <summary>
    /// Bytes of a mask for the 8192 CPUs that the largest kernel configuration allows; x86-64 and arm64 are
    /// little-endian, so its bits are those of its bytes.
    /// </summary>
    public const int MaskLength = 1024;

    public static int Get(Span<byte> mask)
    {
        // SAFETY: the mask stays pinned during the call, and the kernel writes at most the length it is told.
        fixed (byte* first = mask)
        {
            // The library function returns 0 where the kernel returns the number of bytes it wrote; the rest of the
            // mask is the caller's zeros either way.
            return (int)Libc.OrNegativeErrno(Libc.SchedGetaffinity(0, (nuint)mask.Length, first));
        }
    }

    public static int Set(ReadOnlySpan<byte> mask)
    {
        // SAFETY: the mask stays pinned during the call, which only reads it.
        fixed (byte* first = mask)
        {
            return (int)Libc.OrNegativeErrno(Libc.SchedSetaffinity(0, (nuint)mask.Length, first));
        }
    }

    /// <summary>The CPU that the calling thread runs on; stable only while it is pinned to one.</summary>
    public static int CurrentCpu => (int)Libc.OrNegativeErrno(Libc.SchedGetcpu());
}
