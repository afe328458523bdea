using Crosscore.Linux;
using static Crosscore.Linux.MembarrierCall;

namespace Crosscore;

/// <summary>
/// Translates an answer of membarrier(2) into what it means and what to do. Pure, so that the answers of every system
/// can be tested on any system.
/// </summary>
internal static class MembarrierDiagnosis
{
    /// <summary>
    /// Classifies an error number, and distinguishes the two causes of EPERM. The kernel answers EPERM only to a
    /// command whose registration is missing, never to QUERY or a registration (kernel/sched/membarrier.c). So it comes
    /// from a seccomp filter if the command needs no registration, if the registration is known to have succeeded, or
    /// if QUERY is refused as well.
    /// </summary>
    /// <param name="command">The command.</param>
    /// <param name="errno">The positive error number of the answer.</param>
    /// <param name="registered">Whether the command's registration is known to have succeeded.</param>
    /// <param name="queryAnswers">Whether QUERY is answered.</param>
    public static MembarrierFailure Classify(int command, int errno, bool registered, bool queryAnswers) =>
        errno switch
        {
            Errno.ENOSYS => MembarrierFailure.Absent,
            Errno.EINVAL => MembarrierFailure.NotOffered,
            Errno.ENOMEM => MembarrierFailure.OutOfMemory,
            Errno.EPERM when RegistrationFor(command) != MembarrierRegistrations.None && !registered && queryAnswers =>
                MembarrierFailure.NotRegistered,
            Errno.EPERM => MembarrierFailure.Refused,
            _ => MembarrierFailure.Unexpected,
        };

    /// <summary>Gets what must be registered before the command may be used.</summary>
    public static MembarrierRegistrations RegistrationFor(int command) =>
        command switch
        {
            MEMBARRIER_CMD_PRIVATE_EXPEDITED => MembarrierRegistrations.PrivateExpedited,
            MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE => MembarrierRegistrations.SyncCore,
            MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ => MembarrierRegistrations.RestartSequences,
            _ => MembarrierRegistrations.None,
        };

    /// <summary>Creates the exception for a failure.</summary>
    /// <param name="member">The public member that was called, with its arguments.</param>
    /// <param name="command">The kernel's command.</param>
    /// <param name="failure">What <see cref="Classify"/> found, or why no call was made.</param>
    /// <param name="errno">The positive error number, or 0 where no call was made.</param>
    public static MembarrierException Explain(string member, int command, MembarrierFailure failure, int errno)
    {
        string asked =
            errno == 0
                ? $"{member}: membarrier({Name(command)}) was not called. "
                : $"{member}: membarrier({Name(command)}) answered {Errno.Name(errno)}. ";
        return new MembarrierException(asked + Meaning(command, failure), failure, errno);
    }

    private static string Meaning(int command, MembarrierFailure failure) =>
        failure switch
        {
            MembarrierFailure.WrongPlatform => "This library makes the call on Linux on x86-64 and arm64 only. Test "
                + "Membarrier.Supported first, and use ordinary fences on both sides here.",
            MembarrierFailure.UnsafeToCall => "Android 9 and older kill a process that makes the call. Test "
                + "Membarrier.Supported first, and use ordinary fences on both sides here.",
            MembarrierFailure.Absent => "The call is absent: the kernel is older than 4.3 or built without "
                + "CONFIG_MEMBARRIER, or a sandbox (gVisor, a seccomp filter) hides it. "
                + "Allow membarrier in the sandbox's profile, or use ordinary fences on both sides.",
            MembarrierFailure.Refused => "A sandbox forbids the call; the usual one is a container's "
                + "seccomp profile (Docker's lacked membarrier before March 2020). "
                + "Allow membarrier in the profile, or use ordinary fences on both sides.",
            MembarrierFailure.NotRegistered =>
                $"This process has not registered for it, or another thread has not finished registering. Call "
                    + $"Membarrier.Register(MembarrierRegistrations.{RegistrationFor(command)}) once and wait for its "
                    + "return, best before threads are started: later it takes milliseconds.",
            MembarrierFailure.NotOffered => "This system does not have the command: "
                + Needs(command)
                + " Test Membarrier.Supported first.",
            MembarrierFailure.OutOfMemory => "The kernel had no memory for its set of CPUs. Nothing is ordered; retry.",
            MembarrierFailure.CpusUnknown => "The lists of possible and online CPUs under /sys/devices/system/cpu "
                + "cannot be read, and the kernel accepts a wrong CPU number silently. "
                + "Make sysfs readable, or use RestartSequences() without a CPU.",
            MembarrierFailure.NotKept => "On x86-64 before Linux 5.10 a sibling could miss it (758c9373d841, "
                + "e45cdc71d1fa). Use a newer kernel, or see CoreSerialization.AllThreads.",
            _ => "No kernel is known to give this answer. Please report it as a Crosscore bug, "
                + "with the kernel's release and the sandbox in use.",
        };

    private static string Needs(int command) =>
        command switch
        {
            MEMBARRIER_CMD_GLOBAL => "it needs Linux 4.3, and is unavailable while nohz_full is active.",
            MEMBARRIER_CMD_GLOBAL_EXPEDITED or MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED => "it needs Linux 4.16.",
            MEMBARRIER_CMD_PRIVATE_EXPEDITED or MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED => "it needs Linux 4.14.",
            MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE or MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE =>
                "it needs Linux 4.16 on an architecture that implements "
                    + "it (x86-64 and arm64 do); gVisor does not have it.",
            MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ or MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ =>
                "it needs Linux 5.10 built with CONFIG_RSEQ.",
            MEMBARRIER_CMD_GET_REGISTRATIONS => "it needs Linux 6.3.",
            _ => "the kernel does not know it.",
        };

    private static string Name(int command) =>
        command switch
        {
            MEMBARRIER_CMD_QUERY => nameof(MEMBARRIER_CMD_QUERY),
            MEMBARRIER_CMD_GLOBAL => nameof(MEMBARRIER_CMD_GLOBAL),
            MEMBARRIER_CMD_GLOBAL_EXPEDITED => nameof(MEMBARRIER_CMD_GLOBAL_EXPEDITED),
            MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED => nameof(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED),
            MEMBARRIER_CMD_PRIVATE_EXPEDITED => nameof(MEMBARRIER_CMD_PRIVATE_EXPEDITED),
            MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED => nameof(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED),
            MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE => nameof(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE),
            MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE => nameof(
                MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
            ),
            MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ => nameof(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ),
            MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ => nameof(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ),
            MEMBARRIER_CMD_GET_REGISTRATIONS => nameof(MEMBARRIER_CMD_GET_REGISTRATIONS),
            _ => $"command {command}",
        };
}
