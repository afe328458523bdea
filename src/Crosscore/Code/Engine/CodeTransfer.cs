using System.Net.Sockets;
using Crosscore.Linux;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Code;

/// <summary>A sealed file on its way through a Unix-domain socket.</summary>
internal static class CodeTransfer
{
    public static void Send(Socket socket, SafeFileHandle file)
    {
        bool held = false;
        try
        {
            file.DangerousAddRef(ref held);
            int descriptor = (int)file.DangerousGetHandle();
            int answer = Wait(
                socket,
                SelectMode.SelectWrite,
                socket.SendTimeout,
                number => DescriptorPassing.Send(number, descriptor));
            if (answer < 0)
            {
                throw new IOException(
                    $"sendmsg answered {Errno.Name(-answer)}: the code could not be handed over. It needs a connected "
                    + "Unix-domain socket.");
            }
        }
        finally
        {
            if (held)
            {
                file.DangerousRelease();
            }
        }
    }

    public static SafeFileHandle Receive(Socket socket)
    {
        int descriptor = -1;
        int answer = Wait(
            socket,
            SelectMode.SelectRead,
            socket.ReceiveTimeout,
            number => DescriptorPassing.Receive(number, out descriptor));
        return descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new IOException(answer switch
            {
                < 0 => $"recvmsg answered {Errno.Name(-answer)}: no code could be received. It needs a connected "
                    + "Unix-domain socket.",
                0 => "The other end was closed before it had sent any code.",
                _ => "What came carried no descriptor, or more than one, or there was no descriptor left for it. Those "
                    + "that came were closed; the next message can be received.",
            });
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
            bool held = false;
            try
            {
                socket.SafeHandle.DangerousAddRef(ref held);
                int answer = call((int)socket.SafeHandle.DangerousGetHandle());
                if (answer is not (-Errno.EAGAIN or -Errno.EINTR))
                {
                    return answer;
                }
            }
            finally
            {
                if (held)
                {
                    socket.SafeHandle.DangerousRelease();
                }
            }

            long left = timeout <= 0 ? long.MaxValue : timeout - (Environment.TickCount64 - began);
            if (left <= 0)
            {
                var cause = new SocketException((int)SocketError.TimedOut);
                throw new IOException(
                    $"The other end was silent for {timeout} ms, the time-out of the socket. Set a longer one, or "
                    + "0 for none.",
                    cause);
            }

            _ = socket.Poll((int)Math.Min(LongestPoll, Math.Min(left, LongestPoll) * 1000), mode);
        }
    }
}
