using System.Runtime.InteropServices;

namespace Crosscore.Linux;

/// <summary>
/// One descriptor by sendmsg(2) and recvmsg(2) as SCM_RIGHTS, unix(7), with one byte beside it, because a stream carries no message without data. Source: include/linux/socket.h; the
/// C library's msghdr has the same layout on x86-64 and arm64.
/// </summary>
internal static unsafe class DescriptorPassing
{
    private const int SOL_SOCKET = 1;
    private const int SCM_RIGHTS = 1;
    private const int MSG_CTRUNC = 0x8;
    private const int MSG_NOSIGNAL = 0x4000;
    private const int MSG_CMSG_CLOEXEC = 0x40000000;

    /// <summary>Sends the descriptor. Returns 1, or the negative error number.</summary>
    public static int Send(int socket, int descriptor)
    {
        byte payload = 0;
        var vector = new Vector { Base = &payload, Length = 1 };
        var control = new Control { Length = (nuint)ControlLength, Level = SOL_SOCKET, Type = SCM_RIGHTS, Descriptor = descriptor };
        var message = new Message { Vectors = &vector, VectorCount = 1, Control = &control, ControlLength = (nuint)sizeof(Control) };

        // SAFETY: everything the message points to is on this stack and outlives the call.
        return (int)Libc.OrNegativeErrno(Libc.SendMessage(socket, &message, MSG_NOSIGNAL));
    }

    /// <summary>
    /// Receives one, closed by execve. Returns the number of bytes that came, 0 when the other end is closed, or the negative error number; <paramref name="descriptor"/> is -1 where none came, or
    /// where more came than there was room for (the kernel has then closed the rest).
    /// </summary>
    public static int Receive(int socket, out int descriptor)
    {
        byte payload;
        var vector = new Vector { Base = &payload, Length = 1 };
        var control = default(Control);
        var message = new Message { Vectors = &vector, VectorCount = 1, Control = &control, ControlLength = (nuint)sizeof(Control) };

        // SAFETY: as in Send; the kernel writes at most the lengths that are given here.
        int answer = (int)Libc.OrNegativeErrno(Libc.ReceiveMessage(socket, &message, MSG_CMSG_CLOEXEC));
        bool came = answer > 0 && (message.Flags & MSG_CTRUNC) == 0 && control.Length == (nuint)ControlLength && control.Level == SOL_SOCKET && control.Type == SCM_RIGHTS;
        descriptor = came ? control.Descriptor : -1;
        return answer;
    }

    private static int ControlLength => sizeof(Control) - sizeof(int); // CMSG_LEN(4): the padding at the end does not count

    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        public void* Base;
        public nuint Length;
    }

    /// <summary>cmsghdr and one descriptor: CMSG_SPACE(4) bytes.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Control
    {
        public nuint Length;
        public int Level;
        public int Type;
        public int Descriptor;
        public int Padding;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public void* Name;
        public nuint NameLength; // socklen_t and its padding
        public Vector* Vectors;
        public nuint VectorCount;
        public Control* Control;
        public nuint ControlLength;
        public int Flags;
    }
}
