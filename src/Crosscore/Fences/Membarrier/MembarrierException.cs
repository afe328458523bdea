namespace Crosscore;

/// <summary>Why membarrier(2) did not do what was asked.</summary>
public enum MembarrierFailure
{
    /// <summary>The call succeeded.</summary>
    None,

    /// <summary>
    /// The system is not Linux, or the architecture is neither x86-64 nor arm64. No call was made.
    /// </summary>
    WrongPlatform,

    /// <summary>Android 9 (API 28) or older kills a process that makes the call, so no call was made.</summary>
    UnsafeToCall,

    /// <summary>
    /// ENOSYS: a kernel before 4.3 or built without CONFIG_MEMBARRIER, gVisor, or a seccomp filter.
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

    /// <summary>ENOMEM: the kernel could not allocate its set of CPUs. A retry later may succeed.</summary>
    OutOfMemory,

    /// <summary>
    /// The set of possible or online CPUs could not be read, so a CPU number could not be checked. No call was made.
    /// </summary>
    CpusUnknown,

    /// <summary>
    /// The kernel offers the command but is not known to keep its promise (SYNC_CORE on x86-64 before Linux 5.10), and
    /// no substitute is available. Nothing is promised.
    /// </summary>
    NotKept,

    /// <summary>An answer that no kernel is known to give.</summary>
    Unexpected,
}

/// <summary>
/// Thrown when membarrier(2) did not do what was asked. The message says what was called, what was answered, what that
/// means and what to do.
/// </summary>
public sealed class MembarrierException : Exception
{
    internal MembarrierException(string message, MembarrierFailure failure, int errno)
        : base(message)
    {
        Failure = failure;
        Errno = errno;
    }

    /// <summary>Gets why the call failed.</summary>
    public MembarrierFailure Failure { get; }

    /// <summary>Gets the error number of the kernel's answer, or 0 where no call was made.</summary>
    public int Errno { get; }
}
