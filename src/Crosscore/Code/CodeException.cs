namespace Crosscore.Code;

/// <summary>Why code was not sealed, installed, handed over, changed or reclaimed.</summary>
public enum CodeFailure
{
    /// <summary>An answer that no kernel is known to give.</summary>
    Unexpected,

    /// <summary>
    /// Not Linux on x86-64 or arm64, or a runtime that does not give what the call relies on. No call was made.
    /// </summary>
    WrongPlatform,

    /// <summary>
    /// memfd_create or its seals are refused: a seccomp filter or another security policy, or a kernel without them.
    /// </summary>
    MemoryFileRefused,

    /// <summary>mmap with PROT_EXEC is refused: a seccomp filter, SELinux, or a file system mounted noexec.</summary>
    ExecutableMappingRefused,

    /// <summary>
    /// The process has as many mappings as vm.max_map_count allows, or as many as this library leaves to itself.
    /// </summary>
    TooManyMappings,

    /// <summary>EMFILE or ENFILE: too many open files.</summary>
    TooManyFiles,

    /// <summary>
    /// ENOMEM, ENOSPC or a full address space: there is no memory, or a control group or resource limit denies it.
    /// </summary>
    OutOfMemory,

    /// <summary>
    /// The range of addresses that is reserved for code is full, and nothing that was freed in it may be used again
    /// yet.
    /// </summary>
    OutOfAddresses,

    /// <summary>A function is empty, or it or its entry point lies outside of the bytes.</summary>
    EntryPointOutside,

    /// <summary>Two functions of one segment have the same name, or a name that is asked for does not exist.</summary>
    EntryPointName,

    /// <summary>A verifier refused the code.</summary>
    VerifierRefused,

    /// <summary>
    /// A file can still be changed or was changed by another process: seals are missing, it is no memory file, or what
    /// was read back after sealing is not what was written. docs/security.md tells which process can do that.
    /// </summary>
    NotSealed,

    /// <summary>The digest of a file that was handed over is not the one expected.</summary>
    WrongDigest,

    /// <summary>
    /// A file that was handed over is not one that this library sealed, or not for this processor or page size, or
    /// exceeds what one may hold (<see cref="CodeWriter.MaximumLength"/>, <see cref="CodeWriter.MaximumFunctions"/>).
    /// </summary>
    WrongFormat,

    /// <summary>
    /// A core synchronisation is needed and was refused; <see cref="Exception.InnerException"/> is the
    /// <see cref="MembarrierException"/>.
    /// </summary>
    SynchronisationRefused,

    /// <summary>
    /// A patch was refused and taken back in memory, but the cores could not be synchronised after that: one that has
    /// fetched new instructions may go on executing them, whole ones, until it is serialised.
    /// <see cref="CoreSerialization.AllThreads(CodeMode)"/> ends this. The one failure after which not everything is as
    /// it was before.
    /// </summary>
    OldCodeNotConfirmed,

    /// <summary>A change lies outside of the code, or has no bytes.</summary>
    PatchOutside,

    /// <summary>Two changes of one patch want the same byte.</summary>
    PatchOverlaps,

    /// <summary>The bytes, or what a change would make of them, are no instructions that this library knows.</summary>
    UnknownInstruction,

    /// <summary>
    /// A change would end in the middle of an instruction: its last instruction would run into what follows.
    /// </summary>
    PatchCutsInstruction,

    /// <summary>
    /// A change would remove the start of an instruction at which a thread may be stopped at this moment, or return to,
    /// or jump to.
    /// </summary>
    PatchRemovesBoundary,

    /// <summary>
    /// The instruction that is changed, or the new one, can be neither stored at once nor executed at another place
    /// meanwhile.
    /// </summary>
    PatchNotMovable,

    /// <summary>The memory for instructions that are executed at another place during a change is full.</summary>
    OutOfLineMemory,

    /// <summary>
    /// The signal handler that breakpoints need is not in place: somebody replaced it, or the system refused it.
    /// </summary>
    BreakpointHandler,

    /// <summary>
    /// A debugger or another tracer is attached, which gets each SIGTRAP before the handler and may drop it; or
    /// /proc/self/status does not say whether one is.
    /// </summary>
    TracerAttached,
}

/// <summary>
/// The one exception of Crosscore.Code for what the system or the code itself stands against: what was asked, what was
/// answered, what that means and what to do about it. Whatever throws it has left everything as it was before; where
/// that cannot be known, the failure is <see cref="CodeFailure.OldCodeNotConfirmed"/>.
/// </summary>
public sealed class CodeException : Exception
{
    internal CodeException(CodeFailure failure, string message, int errno = 0, Exception? cause = null)
        : base(message, cause)
    {
        Failure = failure;
        Errno = errno;
        CodeEvents.CountRefusal();
    }

    /// <summary>Why.</summary>
    public CodeFailure Failure { get; }

    /// <summary>The error number the kernel answered with, or 0 where it was not the kernel.</summary>
    public int Errno { get; }
}
