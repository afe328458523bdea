using System.Text;

namespace Crosscore.Linux;

/// <summary>open(2) and write(2), for files whose position is shared with somebody else. Source of the flags: include/uapi/asm-generic/fcntl.h.</summary>
internal static unsafe class Output
{
    private const int OwnerReadsAndWrites = 0x180; // 0600

    /// <summary>Returns the descriptor or the negative error number.</summary>
    public static int Open(string path, int flags)
    {
        // SAFETY: the name stays pinned during the call, and ends in a null byte.
        fixed (byte* name = Encoding.UTF8.GetBytes(path + "\0"))
        {
            return (int)Libc.OrNegativeErrno(Libc.Open(name, flags, OwnerReadsAndWrites));
        }
    }

    /// <summary>One call. Returns how many bytes were written, or the negative error number.</summary>
    public static int Write(int descriptor, ReadOnlySpan<byte> bytes)
    {
        // SAFETY: the bytes stay pinned during the call.
        fixed (byte* start = bytes)
        {
            return (int)Libc.OrNegativeErrno(Libc.Write(descriptor, start, (nuint)bytes.Length));
        }
    }
}
