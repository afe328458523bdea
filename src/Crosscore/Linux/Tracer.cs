using System.Buffers.Text;

namespace Crosscore.Linux;

/// <summary>
/// Whether another process traces this one with ptrace(2): a debugger, strace. It gets each signal of a traced thread
/// before the thread's handler, and may drop it. Source: proc(5), /proc/PID/status, TracerPid.
/// </summary>
internal static class Tracer
{
    /// <summary>
    /// Returns the tracer's number, that of one of its threads; 0 where there is none in this PID namespace; or the
    /// negative error number, ENODATA where the file has no such line. The question is which process traces the first
    /// thread: debuggers attach to all.
    /// </summary>
    public static int Find()
    {
        int descriptor = OpenFile.Open("/proc/self/status\0"u8, OpenFile.O_RDONLY | OpenFile.O_CLOEXEC);
        if (descriptor < 0)
        {
            return descriptor;
        }

        Span<byte> status = stackalloc byte[1024]; // The line is one of the first eight.
        int length = OpenFile.ReadAt(descriptor, status, 0);
        OpenFile.Close(descriptor);
        return length < 0 ? length : Parse(status[..length]);
    }

    /// <summary>The same, of what the file says.</summary>
    public static int Parse(ReadOnlySpan<byte> status)
    {
        ReadOnlySpan<byte> name = "\nTracerPid:\t"u8;
        int at = status.IndexOf(name);
        return at >= 0 && Utf8Parser.TryParse(status[(at + name.Length)..], out int number, out _) && number >= 0
            ? number
            : -Errno.ENODATA;
    }
}
