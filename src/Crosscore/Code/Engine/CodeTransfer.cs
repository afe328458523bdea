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
            int answer = Wait(socket, SelectMode.SelectWrite, () => DescriptorPassing.Send((int)socket.SafeHandle.DangerousGetHandle(), descriptor));
            if (answer < 0)
            {
                throw new IOException($"sendmsg answered {Errno.Name(-answer)}: the code could not be handed over. It needs a connected Unix-domain socket.");
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
        int answer = Wait(socket, SelectMode.SelectRead, () => DescriptorPassing.Receive((int)socket.SafeHandle.DangerousGetHandle(), out descriptor));
        return descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new IOException(answer switch
            {
                < 0 => $"recvmsg answered {Errno.Name(-answer)}: no code could be received. It needs a connected Unix-domain socket.",
                0 => "The other end was closed before it had sent any code.",
                _ => "Something came that carried no descriptor, or more than one.",
            });
    }

    /// <summary>A .NET socket may be non-blocking underneath, once it has been used asynchronously.</summary>
    private static int Wait(Socket socket, SelectMode mode, Func<int> call)
    {
        while (true)
        {
            int answer = call();
            if (answer != -Errno.EAGAIN && answer != -Errno.EINTR)
            {
                GC.KeepAlive(socket);
                return answer;
            }

            _ = socket.Poll(-1, mode);
        }
    }
}
