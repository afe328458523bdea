namespace Crosscore;

/// <summary>
/// A promise that <see cref="MachineGuarantees"/> decides. "Sibling" means another thread of the caller's process.
/// </summary>
public enum MachinePromise
{
    /// <summary>PRIVATE_EXPEDITED is a full memory barrier on every running sibling.</summary>
    SiblingsMemoryBarrier,

    /// <summary>PRIVATE_EXPEDITED orders the caller's own accesses, as its siblings see them.</summary>
    CallerMemoryBarrier,

    /// <summary>
    /// PRIVATE_EXPEDITED orders the caller's own accesses as other processes that share memory with it see them.
    /// </summary>
    CallerMemoryBarrierForOtherProcesses,

    /// <summary>SYNC_CORE has every running sibling execute a core-serializing instruction.</summary>
    SiblingsCoreSerialization,

    /// <summary>SYNC_CORE serializes the core of the caller too.</summary>
    CallerCoreSerialization,

    /// <summary>New instruction bytes reach every instruction cache without a cache flush.</summary>
    InstructionCacheCoherence,

    /// <summary>RSEQ restarts the sequences that siblings are in, on all CPUs or on one.</summary>
    SiblingsSequenceRestart,

    /// <summary>RSEQ is a memory barrier as well.</summary>
    SequenceRestartMemoryBarrier,

    /// <summary>GLOBAL orders all threads of the system.</summary>
    GlobalMemoryBarrier,

    /// <summary>
    /// GLOBAL_EXPEDITED is a memory barrier on the running threads of every process registered for it.
    /// </summary>
    RegisteredReceiversMemoryBarrier,

    /// <summary>PRIVATE_EXPEDITED may be used in this process without a further registration.</summary>
    PrivateExpeditedIsRegistered,

    /// <summary>The expedited commands reach isolated and nohz_full CPUs, interrupting them.</summary>
    IsolatedCpusAreReached,

    /// <summary>No other process can delay an expedited command.</summary>
    IndependenceFromOtherProcesses,

    /// <summary><see cref="CoreSerialization.Self"/> serializes the core that the calling thread runs on.</summary>
    OwnCoreSerialization,

    /// <summary>
    /// <see cref="CoreSerialization.AllThreads"/> in its strict mode serializes every thread of the process, the caller
    /// included.
    /// </summary>
    AllThreadsCoreSerialization,

    /// <summary>
    /// A process-wide barrier stands behind <see cref="AsymmetricFence"/>, so that its light side pays for no fence.
    /// The pair orders in any case.
    /// </summary>
    LightFenceIsFree,
}

/// <summary>Whether a promise is kept here.</summary>
public enum GuaranteeAnswer
{
    /// <summary>Yes.</summary>
    Yes,

    /// <summary>No.</summary>
    No,

    /// <summary>It is unknown: assume that it does not hold.</summary>
    Unknown,
}

/// <summary>How an answer is known, from the strongest.</summary>
public enum GuaranteeBasis
{
    /// <summary>
    /// A document promises or denies it: the manual page, the kernel's documentation or the processor's.
    /// </summary>
    Documented,

    /// <summary>The system was asked, and its answer decides it.</summary>
    Probed,

    /// <summary>
    /// No document promises it, but the code of the kernel release that this system claims to run does so.
    /// </summary>
    ByKernelVersion,
}

/// <summary>One promise on one machine.</summary>
/// <param name="Promise">Which promise.</param>
/// <param name="Holds">Whether the promise is kept here.</param>
/// <param name="Basis">How that is known.</param>
/// <param name="What">The promise in words.</param>
/// <param name="Source">Where that is written (manual section, commit, kernel version), or what was answered.</param>
public sealed record MachineGuarantee(
    MachinePromise Promise,
    GuaranteeAnswer Holds,
    GuaranteeBasis Basis,
    string What,
    string Source
);
