using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Crosscore.Linux;

/// <summary>
/// One descriptor by sendmsg(2) and recvmsg(2) as SCM_RIGHTS, unix(7), with one byte beside it, because a stream
/// carries no message without data. Neither call waits. Source: include/linux/socket.h; the C library's msghdr has the
/// same layout on x86-64 and arm64.
/// </summary>
internal static unsafe class DescriptorPassing
{
    private const int SOL_SOCKET = 1;
    private const int SCM_RIGHTS = 1;
    private const int SCM_PIDFD = 4;
    private const int MSG_CTRUNC = 0x8;
    private const int MSG_DONTWAIT = 0x40;
    private const int MSG_NOSIGNAL = 0x4000;
    private const int MSG_CMSG_CLOEXEC = 0x40000000;

    /// <summary>cmsghdr: length (8), level (4), type (4); the next one begins at a multiple of 8.</summary>
    private const int HeaderBytes = 16;

    /// <summary>
    /// For one descriptor (24), credentials (32), a process descriptor (24), and a security label of 150 bytes. The
    /// kernel puts as many descriptors into it as there is room for, so every one that comes is looked for.
    /// </summary>
    private const int ControlBytes = 248;

    /// <summary>Sends the descriptor. Returns 1, or the negative error number.</summary>
    public static int Send(int socket, int descriptor)
    {
        byte payload = 0;
        var vector = new Vector { Base = &payload, Length = 1 };
        byte* control = stackalloc byte[HeaderBytes + 8]; // CMSG_SPACE(4)
        var bytes = new Span<byte>(control, HeaderBytes + 8); // SAFETY: as many were allocated
        bytes.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(bytes, HeaderBytes + sizeof(int)); // CMSG_LEN(4)
        BinaryPrimitives.WriteInt32LittleEndian(bytes[8..], SOL_SOCKET);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], SCM_RIGHTS);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[HeaderBytes..], descriptor);
        var message = new Message
        {
            Vectors = &vector,
            VectorCount = 1,
            Control = control,
            ControlLength = (nuint)bytes.Length,
        };

        // SAFETY: everything the message points to is on this stack and outlives the call.
        return (int)Libc.OrNegativeErrno(Libc.SendMessage(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
    }

    /// <summary>
    /// Receives one, closed by execve. Returns the number of bytes that came, 0 when the other end is closed, or the
    /// negative error number.
    /// </summary>
    /// <param name="socket">The socket.</param>
    /// <param name="descriptor">
    /// The descriptor; -1 where none came or several. Of several none stays open, nor does a process descriptor.
    /// </param>
    public static int Receive(int socket, out int descriptor)
    {
        byte payload;
        var vector = new Vector { Base = &payload, Length = 1 };
        byte* control = stackalloc byte[ControlBytes];
        var message = new Message
        {
            Vectors = &vector,
            VectorCount = 1,
            Control = control,
            ControlLength = ControlBytes,
        };

        // SAFETY: as in Send; the kernel writes at most the lengths that are given here.
        int answer = (int)Libc.OrNegativeErrno(Libc.ReceiveMessage(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
        descriptor = -1;
        if (answer < 0)
        {
            return answer; // No message was taken, so no descriptor either.
        }

        // SAFETY: the kernel says how many bytes of the buffer it used, at most as many as it was given.
        var used = new ReadOnlySpan<byte>(control, (int)nuint.Min(message.ControlLength, ControlBytes));
        int came = Take(used, out descriptor);
        if (descriptor >= 0 && (came != 1 || (message.Flags & MSG_CTRUNC) != 0))
        {
            // More were sent than there was room for: which of them would have been the right one is not known.
            ForeignDescriptors.Close(descriptor);
            descriptor = -1;
        }

        return answer;
    }

    /// <summary>
    /// The first descriptor of a row of control messages; all others are closed. Returns how many there were without
    /// those of processes.
    /// </summary>
    private static int Take(ReadOnlySpan<byte> control, out int first)
    {
        first = -1;
        int came = 0;
        while (control.Length >= HeaderBytes)
        {
            long length = BinaryPrimitives.ReadInt64LittleEndian(control);
            if (length < HeaderBytes)
            {
                break;
            }

            // What was cut off says its whole length.
            ReadOnlySpan<byte> data = control[HeaderBytes..(int)Math.Min(length, control.Length)];
            int level = BinaryPrimitives.ReadInt32LittleEndian(control[8..]);
            int type = BinaryPrimitives.ReadInt32LittleEndian(control[12..]);
            foreach (
                int descriptor in level == SOL_SOCKET && type is SCM_RIGHTS or SCM_PIDFD
                    ? MemoryMarshal.Cast<byte, int>(data)
                    : []
            )
            {
                if (type == SCM_RIGHTS && came++ == 0)
                {
                    first = descriptor;
                }
                else if (type == SCM_RIGHTS)
                {
                    ForeignDescriptors.Close(descriptor);
                }
                else if (descriptor >= 0) // In place of a process descriptor there may be an error number.
                {
                    OpenFile.Close(descriptor);
                }
            }

            control = control[(int)Math.Min((length + 7) & -8, control.Length)..];
        }

        return came;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        public void* Base;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public void* Name;
        public nuint NameLength; // socklen_t and its padding
        public Vector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }
}
