using System.Runtime.InteropServices;
using Crosscore.Linux;

namespace Crosscore.Tests.Sandbox.Refusals;

/// <summary>A refusal: from which call of the library on, with what, and whether that call alone or each call of that name from there on.</summary>
/// <param name="Call">Which call.</param>
/// <param name="Occurrence">The how-manieth one like it, from 0: the calls before it need not be the same each time.</param>
/// <param name="Errno">What it is answered with.</param>
/// <param name="ForEver">Whether every call of that name is, from there on.</param>
internal sealed record Refusal(WatchedCall Call, int Occurrence, int Errno, bool ForEver)
{
    public override string ToString() => $"{Call}, number {Occurrence}: {Linux.Errno.Name(Errno)} {(ForEver ? "for ever" : "once")}";
}

/// <summary>
/// Answers the system calls of one thread of another process (and of the threads that it starts), which wait for that: seccomp_unotify(2). It sits in a process of its own because a thread of the runtime that waits for
/// an answer may hold what the answering thread needs.
/// </summary>
internal sealed unsafe partial class CallSupervisor : IDisposable
{
    /// <summary>Arguments of membarrier(2) by which the child says where it is; the kernel knows no such commands.</summary>
    public const int MarkFirstUse = 0x7F000001;
    public const int MarkSecondUse = 0x7F000002;
    public const int MarkEnd = 0x7F000003;

    private const uint NotifyReceive = 0xC0502100; // SECCOMP_IOCTL_NOTIF_RECV
    private const uint NotifySend = 0xC0182101;    // SECCOMP_IOCTL_NOTIF_SEND
    private const uint Continue = 1;               // SECCOMP_USER_NOTIF_FLAG_CONTINUE
    private const int PollIn = 1;

    private readonly int _listener;
    private readonly WatchedCalls _process;
    private readonly Refusal? _refusal;
    private readonly Thread _thread;
    private readonly List<WatchedCall> _calls = [];
    private long _mark;
    private volatile bool _stop;

    private CallSupervisor(int listener, WatchedCalls process, Refusal? refusal)
    {
        _listener = listener;
        _process = process;
        _refusal = refusal;
        _thread = new Thread(Run) { IsBackground = true, Name = "answers system calls" };
        _thread.Start();
    }

    /// <summary>The calls of the first use, in their order.</summary>
    public IReadOnlyList<WatchedCall> Calls => _calls;

    /// <summary>What was refused first.</summary>
    public WatchedCall? Refused { get; private set; }

    /// <summary>Takes over a listener that a child has opened.</summary>
    /// <returns>Null where the system does not let a process take over a descriptor of its child.</returns>
    public static CallSupervisor? Start(WatchedCalls process, int descriptor, Refusal? refusal)
    {
        const int PidfdOpen = 434;
        const int PidfdGetfd = 438;
        int child = (int)Libc.OrNegativeErrno(Libc.Syscall(PidfdOpen, process.Process, 0, 0));
        if (child < 0)
        {
            return null;
        }

        int listener = (int)Libc.OrNegativeErrno(Libc.Syscall(PidfdGetfd, child, descriptor, 0));
        _ = Close(child);
        return listener < 0 ? null : new CallSupervisor(listener, process, refusal);
    }

    public void Dispose()
    {
        _stop = true;
        _thread.Join();
        _ = Close(_listener); // whoever still waits for an answer gets ENOSYS
    }

    private void Run()
    {
        while (!_stop)
        {
            var wait = new Wait { Descriptor = _listener, Events = PollIn };

            // SAFETY: the structures live in this frame, and the kernel writes no more than their size.
            if (Poll(&wait, 1, 100) <= 0)
            {
                continue;
            }

            if ((wait.Happened & PollIn) == 0)
            {
                return; // the last thread under the filter has ended
            }

            var asked = default(Notification);
            if (Ioctl(_listener, NotifyReceive, &asked) != 0)
            {
                continue; // the call was broken off
            }

            int errno = Decide(asked);
            var answer = new Answer { Id = asked.Id, Error = -errno, Flags = errno == 0 ? Continue : 0 };
            _ = Ioctl(_listener, NotifySend, &answer);
        }
    }

    private int Decide(in Notification asked)
    {
        if (asked.Number == MembarrierCall.Number(Architecture.X64) && asked.Arguments[0] is MarkFirstUse or MarkSecondUse or MarkEnd)
        {
            _mark = asked.Arguments[0];
            return Errno.EINVAL;
        }

        if (_mark is not (MarkFirstUse or MarkSecondUse))
        {
            return 0;
        }

        long[] arguments = [asked.Arguments[0], asked.Arguments[1], asked.Arguments[2]];
        if (_process.Describe((int)asked.Thread, asked.Number, arguments) is not { } call)
        {
            return 0;
        }

        if (_mark == MarkFirstUse)
        {
            _calls.Add(call);
        }

        bool refuse = _refusal is not null && (Refused is null
            ? _mark == MarkFirstUse && call == _refusal.Call && _calls.Count(earlier => earlier == call) == _refusal.Occurrence + 1
            : _refusal.ForEver && call.Name == _refusal.Call.Name);
        if (!refuse)
        {
            return 0;
        }

        Refused ??= call;
        return _refusal!.Errno;
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(int descriptor, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(Wait* descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Wait
    {
        public int Descriptor;
        public short Events;
        public short Happened;
    }

    /// <summary>struct seccomp_notif: include/uapi/linux/seccomp.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Notification
    {
        public ulong Id;
        public uint Thread;
        public uint Flags;
        public int Number;
        public uint Architecture;
        public ulong InstructionPointer;
        public fixed long Arguments[6];
    }

    /// <summary>struct seccomp_notif_resp.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Answer
    {
        public ulong Id;
        public long Value;
        public int Error;
        public uint Flags;
    }
}
