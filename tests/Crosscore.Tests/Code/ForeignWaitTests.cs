using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Sealing;
using Microsoft.Win32.SafeHandles;

namespace Crosscore.Tests;

/// <summary>
/// What another process does with a file that it shares keeps no thread of this one waiting. Each control makes the
/// same call without the protection, which waits for as long as the other process likes.
/// </summary>
public sealed unsafe partial class ForeignWaitTests
{
    /// <summary>Less than what the other process holds a thread for: 45 s by a lease, 300 s by a socket.</summary>
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    [Fact]
    public void A_lease_on_a_file_that_is_handed_over_keeps_neither_Import_nor_Install_waiting()
    {
        using SealedCode sent = SealedCode.Seal(MachineCode.Return42);
        using SafeFileHandle handedOver = Copy(sent);
        int leaseholder = Lease(handedOver);
        var control = new Thread(() => OpenFile.Close(Reopen(handedOver, OpenFile.O_RDONLY))) { IsBackground = true };
        control.Start();
        Assert.Equal(
            42,
            Within(() =>
            {
                using SealedCode received = CodeTransfer.Import(handedOver, sent.Digest());
                using InstalledCode installed = received.Install();
                return MachineCode.Call(installed);
            })
        );
        Assert.False(control.Join(0), "The control did not wait for the lease, so nothing was proved.");
        OpenFile.Close(leaseholder);
        Assert.True(control.Join(Bound));
    }

    [Fact]
    public void A_lease_on_a_file_that_was_sealed_here_is_not_granted_or_does_not_keep_Install_waiting()
    {
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        if (!TryLease(code.File, out int leaseholder))
        {
            return; // The descriptor that the library keeps rules it out, on kernels that count readers.
        }

        Assert.Equal(
            42,
            Within(() =>
            {
                using InstalledCode installed = code.Install();
                return MachineCode.Call(installed);
            })
        );
        OpenFile.Close(leaseholder);
    }

    /// <summary>A socket with unsent data and SO_LINGER: who closes it last waits until it is sent.</summary>
    [Fact]
    public void A_descriptor_whose_closing_waits_does_not_keep_ReceiveFrom_waiting()
    {
        (Socket sender, Socket receiver) = Pair();
        using (sender)
        using (receiver)
        using (SealedCode code = SealedCode.Seal(MachineCode.Return42))
        using (var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
            listener.Listen(2);
            (int own, Socket ownPeer) = Lingering(listener);
            (int sent, Socket peer) = Lingering(listener);
            var control = new Thread(() => OpenFile.Close(own)) { IsBackground = true };
            control.Start();
            Assert.Equal(1, DescriptorPassing.Send((int)sender.SafeHandle.DangerousGetHandle(), sent));
            OpenFile.Close(sent);
            code.SendTo(sender);
            receiver.ReceiveTimeout = 500;
            Assert.Equal(
                42,
                Within(() =>
                {
                    _ = Assert.Throws<CodeException>(() => CodeTransfer.ReceiveFrom(receiver));
                    using SealedCode received = CodeTransfer.ReceiveFrom(receiver);
                    using InstalledCode installed = received.Install();
                    return MachineCode.Call(installed);
                })
            );
            Assert.False(control.Join(0), "The control did not wait for the socket, so nothing was proved.");
            ownPeer.Dispose(); // With data that was not read: the kernel resets the connection.
            peer.Dispose();
            Assert.True(control.Join(Bound));
        }
    }

    private static int Within(Func<int> call)
    {
        int result = 0;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = call();
            }
            catch (Exception thrown)
            {
                failure = thrown;
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        Assert.True(thread.Join(Bound), "The thread waits for another process.");
        return failure is null ? result : throw new InvalidOperationException("The call failed.", failure);
    }

    /// <summary>The same file as a sender makes it, through whose descriptor it could be written before.</summary>
    private static SafeFileHandle Copy(SealedCode code)
    {
        byte[] content = new byte[RandomAccess.GetLength(code.File)];
        Assert.Equal(content.Length, RandomAccess.Read(code.File, content, 0));
        var file = new SafeFileHandle(Memfd.Create("leased"u8, Memfd.MFD_ALLOW_SEALING), ownsHandle: true);
        RandomAccess.Write(file, content, 0);
        Assert.Equal(0, Memfd.AddSeals((int)file.DangerousGetHandle(), SealedFile.FinalSeals));
        return file;
    }

    /// <summary>Takes a write lease, as its owner may. Signals of it are ones that nothing minds.</summary>
    private static int Lease(SafeFileHandle leased)
    {
        Assert.True(TryLease(leased, out int file), "The file is open elsewhere, so no lease is granted.");
        return file;
    }

    private static bool TryLease(SafeFileHandle leased, out int file)
    {
        const int WriteLease = 1; // F_WRLCK
        const int Ignored = 23; // SIGURG
        file = Reopen(leased, OpenFile.O_RDWR);
        Assert.Equal(0, Fcntl(file, Memfd.F_SETSIG, Ignored));
        int answer = Fcntl(file, Memfd.F_SETLEASE, WriteLease);
        int errno = answer == 0 ? 0 : Marshal.GetLastPInvokeError();
        if (errno != 0)
        {
            OpenFile.Close(file);
        }

        Assert.True(errno is 0 or Errno.EAGAIN, $"F_SETLEASE answered {Errno.Name(errno)}.");
        return errno == 0;
    }

    private static int Reopen(SafeFileHandle opened, int flags)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{opened.DangerousGetHandle()}\0");
        int file = OpenFile.Open(Encoding.UTF8.GetBytes(path), flags | OpenFile.O_CLOEXEC);
        Assert.True(file >= 0, $"open answered {Errno.Name(-file)}.");
        return file;
    }

    /// <summary>A connected socket that has more to send than its peer takes.</summary>
    private static (int Descriptor, Socket Peer) Lingering(Socket listener)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Connect(listener.LocalEndPoint!);
        Socket peer = listener.Accept();
        socket.Blocking = false;
        byte[] data = new byte[64 << 10];
        for (bool isFull = false; !isFull; )
        {
            _ = socket.Send(data, 0, data.Length, SocketFlags.None, out SocketError error);
            isFull = error != SocketError.Success;
        }

        // Set on the duplicate: .NET would change it when it disposes of the original.
        int duplicate = Memfd.Duplicate((int)socket.SafeHandle.DangerousGetHandle(), closeOnExec: true);
        Assert.True(duplicate >= 0);
        int original = (int)socket.SafeHandle.DangerousGetHandle();
        socket.SafeHandle.SetHandleAsInvalid(); // closed here, not by .NET
        Assert.Equal(0, CloseFile(original));
        Linger linger = new() { On = 1, Seconds = 300 };
        Assert.Equal(0, SetOption(duplicate, 1, 13, &linger, (uint)sizeof(Linger))); // SOL_SOCKET, SO_LINGER
        int flags = Fcntl(duplicate, Memfd.F_GETFL, 0);
        Assert.Equal(0, Fcntl(duplicate, 4, flags & ~OpenFile.O_NONBLOCK)); // F_SETFL
        return (duplicate, peer);
    }

    private static (Socket, Socket) Pair()
    {
        int* descriptors = stackalloc int[2];
        Assert.Equal(0, SocketPair(1, 1, 0, descriptors));
        return (
            new Socket(new SafeSocketHandle(descriptors[0], true)),
            new Socket(new SafeSocketHandle(descriptors[1], true))
        );
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Linger
    {
        public int On;
        public int Seconds;
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Fcntl(int file, int command, nint argument);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int CloseFile(int file);

    [LibraryImport("libc", EntryPoint = "socketpair")]
    private static partial int SocketPair(int domain, int type, int protocol, int* descriptors);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetOption(int socket, int level, int option, void* value, uint length);
}
