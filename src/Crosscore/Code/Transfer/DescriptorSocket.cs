using System.Net.Sockets;
using Crosscore.Linux;
using Crosscore.Sealing;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Code;

/// <summary>Sends and receives one descriptor through a Unix-domain socket, as .NET's sockets cannot.</summary>
internal static class DescriptorSocket
{
    public static void Send(Socket socket, SafeFileHandle file)
    {
        using var own = new HeldDescriptor(file);
        int descriptor = own.Number;
        int answer = Wait(
            socket,
            SelectMode.SelectWrite,
            socket.SendTimeout,
            number => DescriptorPassing.Send(number, descriptor)
        );
        if (answer < 0)
        {
            ObjectDisposedException.ThrowIf(socket.SafeHandle.IsClosed, socket);
            throw new IOException(
                $"The code could not be sent: sendmsg answered {Errno.Name(-answer)}. It needs a connected Unix-domain "
                    + "socket."
            );
        }
    }

    /// <summary>Receives a descriptor of a memory file. Closes any other without waiting for it.</summary>
    public static SafeFileHandle Receive(Socket socket)
    {
        if (ForeignDescriptors.AreTooMany)
        {
            throw new IOException(
                "No code can be received: too many descriptors that were received and refused are still open, because "
                    + "closing them waits for their senders. Close the sockets of these senders, and try again later."
            );
        }

        int descriptor = -1;
        int answer = Wait(
            socket,
            SelectMode.SelectRead,
            socket.ReceiveTimeout,
            number => DescriptorPassing.Receive(number, out descriptor)
        );
        if (descriptor >= 0)
        {
            int seals = Memfd.GetSeals(descriptor);
            if (seals >= 0)
            {
                return new SafeFileHandle(descriptor, ownsHandle: true);
            }

            ForeignDescriptors.Close(descriptor);
            throw MemoryFile.None(-seals);
        }

        // .NET ends a call on a socket that is disposed of by shutting the socket down, which looks like the end.
        ObjectDisposedException.ThrowIf(socket.SafeHandle.IsClosed, socket);
        throw new IOException(
            answer switch
            {
                < 0 => $"No code could be received: recvmsg answered {Errno.Name(-answer)}. It needs a connected "
                    + "Unix-domain socket.",
                0 => "The other end was closed before it had sent any code, or sent a packet without data.",
                _ => "The message carried no descriptor, or several, or this process has none left for it. Those that "
                    + "came are closed. What was sent after them can be received; each further byte of a stream is a "
                    + "message without a descriptor.",
            }
        );
    }

    /// <summary>
    /// Repeats a call that does not wait until it has an answer. The socket's handle is held during each call: if
    /// another thread disposes of the socket, its number may become another file's.
    /// </summary>
    /// <param name="socket">The socket.</param>
    /// <param name="mode">What is waited for.</param>
    /// <param name="timeout">Milliseconds; 0 or -1 for no limit, as for .NET's sockets.</param>
    /// <param name="call">Gets the number of the descriptor.</param>
    private static int Wait(Socket socket, SelectMode mode, int timeout, Func<int, int> call)
    {
        const int MaxPoll = 1_000_000; // microseconds; of a parameter that holds 35 minutes
        long began = Environment.TickCount64;
        while (true)
        {
            using (var own = new HeldDescriptor(socket.SafeHandle))
            {
                int answer = call(own.Number);
                if (answer is not (-Errno.EAGAIN or -Errno.EINTR))
                {
                    return answer;
                }
            }

            long left = timeout <= 0 ? long.MaxValue : timeout - (Environment.TickCount64 - began);
            if (left <= 0)
            {
                var cause = new SocketException((int)SocketError.TimedOut);
                throw new IOException(
                    $"The other end was silent for {timeout} ms, the timeout of the socket. Set a longer one, or 0 for "
                        + "none.",
                    cause
                );
            }

            try
            {
                _ = socket.Poll((int)Math.Min(MaxPoll, Math.Min(left, MaxPoll) * 1000), mode);
            }
            catch (SocketException refusal)
            {
                ObjectDisposedException.ThrowIf(socket.SafeHandle.IsClosed, socket);
                throw new IOException($"The socket could not be waited for: {refusal.Message}", refusal);
            }
        }
    }
}
