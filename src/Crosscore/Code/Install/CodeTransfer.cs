using System.Net.Sockets;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Code;

/// <summary>A sealed file on its way through a Unix-domain socket.</summary>
internal static class CodeTransfer
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
                $"sendmsg answered {Errno.Name(-answer)}: the code could not be handed over. It needs a connected "
                    + "Unix-domain socket."
            );
        }
    }

    /// <summary>Receives a descriptor of a memory file. Any other is closed without waiting for it.</summary>
    public static SafeFileHandle Receive(Socket socket)
    {
        if (ForeignDescriptors.AreTooMany)
        {
            throw new IOException(
                "Too many descriptors that were received and refused are still open, because closing them waits for "
                    + "those who sent them. Close the sockets of such senders, and try again later."
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
            throw SealedFile.NoMemoryFile(-seals);
        }

        // .NET ends a call on a socket that is disposed of by shutting the socket down, which looks like the end.
        ObjectDisposedException.ThrowIf(socket.SafeHandle.IsClosed, socket);
        throw new IOException(
            answer switch
            {
                < 0 => $"recvmsg answered {Errno.Name(-answer)}: no code could be received. It needs a connected "
                    + "Unix-domain socket.",
                0 => "The other end was closed before it had sent any code, or sent a packet without data.",
                _ => "What came carried no descriptor, or more than one, or there was no descriptor left for it. Those "
                    + "that came are closed. What was sent after them can be received; of a stream each further byte "
                    + "is a message without a descriptor.",
            }
        );
    }

    /// <summary>
    /// Makes a call that does not wait until it has something to say. The socket's handle is held during each call: a
    /// number whose socket another thread disposes of may be another file's by then.
    /// </summary>
    /// <param name="socket">The socket.</param>
    /// <param name="mode">What is waited for.</param>
    /// <param name="timeout">Milliseconds; 0 or -1 for ever, as .NET's sockets say it.</param>
    /// <param name="call">Gets the number of the descriptor.</param>
    private static int Wait(Socket socket, SelectMode mode, int timeout, Func<int, int> call)
    {
        const int LongestPoll = 1_000_000; // microseconds; of a parameter that holds 35 minutes
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
                    $"The other end was silent for {timeout} ms, the time-out of the socket. Set a longer one, or "
                        + "0 for none.",
                    cause
                );
            }

            try
            {
                _ = socket.Poll((int)Math.Min(LongestPoll, Math.Min(left, LongestPoll) * 1000), mode);
            }
            catch (SocketException refusal)
            {
                ObjectDisposedException.ThrowIf(socket.SafeHandle.IsClosed, socket);
                throw new IOException($"poll of the socket was refused: {refusal.Message}", refusal);
            }
        }
    }
}
