namespace Crosscore;

/// <summary>Why membarrier(2) did not do what was asked.</summary>
public enum MembarrierFailure
{
    /// <summary>It did.</summary>
    None,

    /// <summary>
    /// Not Linux, or a processor architecture for which this library does not know the call (it knows x86-64 and
    /// arm64). No call was made.
    /// </summary>
    WrongPlatform,

    /// <summary>Android 9 (API 28) or older kills a process that makes the call, so no call was made.</summary>
    UnsafeToCall,

    /// <summary>
    /// ENOSYS: a kernel before 4.3 or built without CONFIG_MEMBARRIER, gVisor, or a seccomp filter that answers so.
    /// </summary>
    Absent,

    /// <summary>
    /// EPERM although nothing is missing: a seccomp filter or another security policy forbids the call.
    /// </summary>
    Refused,

    /// <summary>EPERM: the process has not registered for the command, or its registration is not finished.</summary>
    NotRegistered,

    /// <summary>EINVAL: this kernel, this architecture or this configuration does not have the command.</summary>
    NotOffered,

    /// <summary>ENOMEM: the kernel could not allocate its set of CPUs. Trying again later is reasonable.</summary>
    OutOfMemory,

    /// <summary>
    /// The set of possible or online CPUs could not be read, so a CPU number could not be checked. No call was made.
    /// </summary>
    CpusUnknown,

    /// <summary>
    /// The kernel offers the command and is not known to keep its promise (SYNC_CORE on x86-64 before Linux 5.10), and
    /// what would take its place is not to be had. Nothing is promised.
    /// </summary>
    NotKept,

    /// <summary>An answer that no kernel is known to give.</summary>
    Unexpected,
}

/// <summary>
/// The one exception of <see cref="Membarrier"/>: what was called, what was answered, what that means and what to do
/// about it.
/// </summary>
public sealed class MembarrierException : Exception
{
    internal MembarrierException(string message, MembarrierFailure failure, int errno)
        : base(message)
    {
        Failure = failure;
        Errno = errno;
    }

    /// <summary>Why the call failed.</summary>
    public MembarrierFailure Failure { get; }

    /// <summary>The error number the kernel answered with, or 0 where no call was made.</summary>
    public int Errno { get; }
}
