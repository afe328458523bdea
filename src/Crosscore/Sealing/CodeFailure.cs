namespace Crosscore.Code;

/// <summary>Why code was not sealed, installed, handed over, changed or reclaimed.</summary>
public enum CodeFailure
{
    /// <summary>The system gave an answer that no kernel is known to give.</summary>
    Unexpected,

    /// <summary>
    /// The system is not Linux on x86-64 or arm64, or the runtime lacks what the call relies on. No call was made.
    /// </summary>
    WrongPlatform,

    /// <summary>
    /// memfd_create or its seals are refused by a seccomp filter or another security policy, or the kernel lacks them.
    /// </summary>
    MemoryFileRefused,

    /// <summary>mmap with PROT_EXEC is refused: a seccomp filter, SELinux, or a file system mounted noexec.</summary>
    ExecutableMappingRefused,

    /// <summary>
    /// The process has as many mappings as vm.max_map_count allows, or as many as this library may use of them.
    /// </summary>
    TooManyMappings,

    /// <summary>EMFILE or ENFILE: too many open files.</summary>
    TooManyFiles,

    /// <summary>
    /// ENOMEM, ENOSPC or a full address space: memory is exhausted, or a control group or resource limit denies it.
    /// </summary>
    OutOfMemory,

    /// <summary>
    /// The range of addresses that is reserved for code is full, and no freed address in it may be reused yet.
    /// </summary>
    OutOfAddresses,

    /// <summary>A function is empty, or it or its entry point lies outside the bytes.</summary>
    EntryPointOutside,

    /// <summary>Two functions of one segment have the same name, or a requested name does not exist.</summary>
    EntryPointName,

    /// <summary>A verifier refused the code.</summary>
    VerifierRefused,

    /// <summary>
    /// A file can still be changed, or another process changed it: seals are missing, it is no memory file, or what was
    /// read back after sealing is not what was written. docs/security.md says which process can do that.
    /// </summary>
    NotSealed,

    /// <summary>The digest of a file that was handed over is not the expected one.</summary>
    WrongDigest,

    /// <summary>
    /// A file that was handed over was not sealed by this library, is for another processor or page size, or exceeds a
    /// limit (<see cref="CodeWriter.MaxLength"/>, <see cref="CodeWriter.MaxFunctions"/>).
    /// </summary>
    WrongFormat,

    /// <summary>
    /// A core synchronization is needed and was refused; <see cref="Exception.InnerException"/> is the
    /// <see cref="MembarrierException"/>.
    /// </summary>
    SynchronizationRefused,

    /// <summary>
    /// A patch was refused and undone in memory, but the cores could not be synchronized after that: a core that has
    /// fetched new instructions may continue to execute them, whole ones, until it is serialized.
    /// <see cref="CoreSerialization.AllThreads(CodeMode)"/> ends this. This is the one failure after which not
    /// everything is as it was before.
    /// </summary>
    OldCodeNotConfirmed,

    /// <summary>A change lies outside the code, or has no bytes.</summary>
    PatchOutside,

    /// <summary>Two changes of one patch contain the same byte.</summary>
    PatchOverlaps,

    /// <summary>The bytes, before or after a change, are no instructions that this library knows.</summary>
    UnknownInstruction,

    /// <summary>A change would end in the middle of an instruction, which would continue into the next one.</summary>
    PatchCutsInstruction,

    /// <summary>
    /// A change would remove the start of an instruction, where a thread may be stopped now, or return to, or jump to.
    /// </summary>
    PatchRemovesBoundary,

    /// <summary>
    /// The old or the new instruction can neither be stored atomically nor be executed at another place during the
    /// change.
    /// </summary>
    PatchNotMovable,

    /// <summary>The memory for instructions that are executed at another place during a change is full.</summary>
    OutOfLineMemory,

    /// <summary>
    /// The signal handler that breakpoints need is not in place: another part of the process replaced it, or the system
    /// refused it.
    /// </summary>
    BreakpointHandler,

    /// <summary>
    /// A debugger or another tracer is attached, which gets each SIGTRAP before the handler and may drop it; or
    /// /proc/self/status does not say whether one is.
    /// </summary>
    TracerAttached,
}
