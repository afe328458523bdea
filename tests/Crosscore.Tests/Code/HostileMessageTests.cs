using System.Net.Sockets;
using System.Runtime.InteropServices;
using Crosscore.Code;

namespace Crosscore.Tests;

/// <summary>
/// A sender may put into a message what it likes: nothing of it stays, and it holds no thread for longer than the
/// socket allows.
/// </summary>
public sealed unsafe partial class HostileMessageTests
{
    private const int Messages = 2000;
    private const int SolSocket = 1;
    private const int SoPasscred = 16;
    private const int SoPasspidfd = 76;
    private const int ScmRights = 1;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(200)]
    public void A_message_with_any_number_of_descriptors_leaves_none(int descriptors)
    {
        (Socket sender, Socket receiver) = Pair();
        using (sender)
        using (receiver)
        using (
            var sent = new Microsoft.Win32.SafeHandles.SafeFileHandle(
                Linux.Memfd.Create("of-the-enemy"u8, 0),
                ownsHandle: true
            )
        )
        {
            int before = OpenDescriptors();
            Assert.Equal(1, before);
            for (int message = 0; message < Messages; message++)
            {
                Send(sender, [.. Enumerable.Repeat((int)sent.DangerousGetHandle(), descriptors)]);
                Exception refusal = Assert.ThrowsAny<Exception>(() => CodeTransfer.ReceiveFrom(receiver).Dispose());
                Assert.True(
                    refusal is IOException or CodeException { Failure: CodeFailure.NotSealed },
                    refusal.ToString()
                );
            }

            Assert.Equal(before, OpenDescriptors());
        }
    }

    [Fact]
    public void After_a_hostile_message_the_next_one_is_received()
    {
        (Socket sender, Socket receiver) = Pair();
        using (sender)
        using (receiver)
        using (SealedCode code = SealedCode.Seal(MachineCode.Return42))
        {
            Send(sender, [0, 1, 2]);
            _ = Assert.Throws<IOException>(() => CodeTransfer.ReceiveFrom(receiver));
            code.SendTo(sender);
            using SealedCode received = CodeTransfer.ReceiveFrom(receiver, code.Digest());
            using InstalledCode installed = received.Install();
            Assert.Equal(42, MachineCode.Call(installed));
        }
    }

    /// <summary>Of a stream each byte is a message; of packets one without data is no end.</summary>
    [Fact]
    public void A_packet_without_data_is_not_said_to_be_the_end_alone()
    {
        int* descriptors = stackalloc int[2];
        Assert.Equal(0, SocketPair(1, 5, 0, descriptors)); // SOCK_SEQPACKET
        using var sender = new Socket(new SafeSocketHandle(descriptors[0], true));
        using var receiver = new Socket(new SafeSocketHandle(descriptors[1], true));
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        Message empty = default;
        Assert.Equal(0, SendMessage(descriptors[0], &empty, 0)); // SAFETY: a message of zeros points to nothing.
        code.SendTo(sender);
        IOException refusal = Assert.Throws<IOException>(() => CodeTransfer.ReceiveFrom(receiver));
        Assert.Contains("without data", refusal.Message, StringComparison.Ordinal);
        using SealedCode received = CodeTransfer.ReceiveFrom(receiver, code.Digest());
    }

    [Theory]
    [InlineData(SoPasscred, false)]
    [InlineData(SoPasspidfd, true)]
    public void Credentials_beside_the_code_are_passed_over_and_leave_nothing(int option, bool isNew)
    {
        (Socket sender, Socket receiver) = Pair();
        using (sender)
        using (receiver)
        using (SealedCode code = SealedCode.Seal(MachineCode.Return42))
        {
            int on = 1;
            bool isKnown =
                SetOption((int)receiver.SafeHandle.DangerousGetHandle(), SolSocket, option, &on, sizeof(int)) == 0;
            Assert.SkipWhen(!isKnown && isNew, "The option needs Linux 6.5.");
            Assert.True(isKnown);
            int before = OpenDescriptors();
            for (int message = 0; message < 100; message++)
            {
                code.SendTo(sender);
                using SealedCode received = CodeTransfer.ReceiveFrom(receiver, code.Digest());
                using InstalledCode installed = received.Install();
                Assert.Equal(42, MachineCode.Call(installed));
            }

            Assert.Equal(before, OpenDescriptors());
        }
    }

    [Fact]
    public void A_silent_sender_is_waited_for_as_long_as_the_socket_allows()
    {
        (Socket sender, Socket receiver) = Pair();
        using (sender)
        using (receiver)
        {
            receiver.ReceiveTimeout = 300;
            IOException? refusal = null;
            var waiting = new Thread(() =>
                refusal = Assert.Throws<IOException>(() => CodeTransfer.ReceiveFrom(receiver))
            )
            {
                IsBackground = true,
            };
            waiting.Start();
            Assert.True(waiting.Join(TimeSpan.FromSeconds(60)), "The receiver still waits.");
            Assert.Equal(SocketError.TimedOut, Assert.IsType<SocketException>(refusal!.InnerException).SocketErrorCode);
        }
    }

    [Fact]
    public void A_receiver_that_does_not_read_is_waited_for_as_long_as_the_socket_allows()
    {
        (Socket sender, Socket receiver) = Pair();
        using (sender)
        using (receiver)
        using (SealedCode code = SealedCode.Seal(MachineCode.Return42))
        {
            sender.SendTimeout = 300;
            IOException? refusal = null;
            var sending = new Thread(() =>
                refusal = Assert.Throws<IOException>(() =>
                {
                    for (int sent = 0; sent < 1_000_000; sent++)
                    {
                        code.SendTo(sender);
                    }
                })
            )
            {
                IsBackground = true,
            };
            sending.Start();
            Assert.True(sending.Join(TimeSpan.FromSeconds(60)), "The sender still waits.");
            Assert.Equal(SocketError.TimedOut, Assert.IsType<SocketException>(refusal!.InnerException).SocketErrorCode);
        }
    }

    [Fact]
    public void Disposing_of_the_socket_ends_the_waiting()
    {
        (Socket sender, Socket receiver) = Pair();
        using (sender)
        {
            Exception? end = null;
            var waiting = new Thread(() => end = Record.Exception(() => CodeTransfer.ReceiveFrom(receiver)))
            {
                IsBackground = true,
            };
            waiting.Start();
            SpinWait.SpinUntil(() => waiting.ThreadState.HasFlag(System.Threading.ThreadState.WaitSleepJoin), 500);
            receiver.Dispose();
            Assert.True(waiting.Join(TimeSpan.FromSeconds(60)), "The receiver still waits.");
            _ = Assert.IsType<ObjectDisposedException>(end);
        }

        _ = Assert.Throws<ObjectDisposedException>(() => CodeTransfer.ReceiveFrom(receiver));
    }

    /// <summary>One byte and as many descriptors, in one message.</summary>
    private static void Send(Socket socket, int[] descriptors)
    {
        byte payload = 0;
        var vector = new Vector { Base = &payload, Length = 1 };
        byte* control = stackalloc byte[1024];
        int length = 16 + (4 * descriptors.Length);
        *(long*)control = length;
        *(int*)(control + 8) = SolSocket;
        *(int*)(control + 12) = ScmRights;
        for (int index = 0; index < descriptors.Length; index++)
        {
            *(int*)(control + 16 + (4 * index)) = descriptors[index];
        }

        var message = new Message
        {
            Vectors = &vector,
            VectorCount = 1,
            Control = control,
            ControlLength = descriptors.Length == 0 ? 0 : (nuint)((length + 7) & -8),
        };

        // SAFETY: everything lies in this frame; 200 descriptors take 816 bytes.
        Assert.Equal(1, SendMessage((int)socket.SafeHandle.DangerousGetHandle(), &message, 0));
    }

    /// <summary>Those of what was sent, and of processes: the runtime opens other files whenever it likes.</summary>
    private static int OpenDescriptors() =>
        Directory
            .GetFiles("/proc/self/fd")
            .Count(link =>
                new FileInfo(link).LinkTarget is { } target
                && (
                    target.Contains("of-the-enemy", StringComparison.Ordinal)
                    || target.Contains("crosscore-code", StringComparison.Ordinal)
                    || target.Contains("pidfd", StringComparison.Ordinal)
                )
            );

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
    private struct Vector
    {
        public void* Base;
        public nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        public void* Name;
        public nuint NameLength;
        public Vector* Vectors;
        public nuint VectorCount;
        public void* Control;
        public nuint ControlLength;
        public int Flags;
    }

    [LibraryImport("libc", EntryPoint = "socketpair")]
    private static partial int SocketPair(int domain, int type, int protocol, int* descriptors);

    [LibraryImport("libc", EntryPoint = "sendmsg")]
    private static partial nint SendMessage(int socket, Message* message, int flags);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetOption(int socket, int level, int option, void* value, uint length);
}
