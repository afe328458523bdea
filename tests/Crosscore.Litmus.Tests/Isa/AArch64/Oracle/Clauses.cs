namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// The parts of the model, as the reference manual's section B2.3 and the machine-readable model that Arm publishes
/// with it (aarch64.cat and what it includes) have them. A clause can be left out, to see which tests hang on it.
/// </summary>
[Flags]
internal enum Clauses
{
    None = 0,

    /// <summary>Internal visibility: program order to one location, rf, co and fr have no cycle.</summary>
    Internal = 1 << 0,

    /// <summary>No write from outside comes between the read and the write of a read-modify-write.</summary>
    Atomicity = 1 << 1,

    /// <summary>obs: rf, co and fr between threads.</summary>
    Observed = 1 << 2,

    /// <summary>lws: an access before a later write of its thread to its location.</summary>
    LocalWriteSuccessor = 1 << 3,

    /// <summary>dob: address dependencies.</summary>
    AddressDependency = 1 << 4,

    /// <summary>dob: data dependencies.</summary>
    DataDependency = 1 << 5,

    /// <summary>dob: control dependencies into writes.</summary>
    ControlDependency = 1 << 6,

    /// <summary>dob: an access whose address depended on a read, before later writes.</summary>
    AddressBeforeWrite = 1 << 7,

    /// <summary>
    /// dob: a write whose address or value depended on a read, into the next read of the location in its thread.
    /// </summary>
    DependentForwarding = 1 << 8,

    /// <summary>Control or address dependency, then ISB.</summary>
    ContextSynchronization = 1 << 9,

    /// <summary>pob: pick dependencies into writes, and past ISB.</summary>
    PickDependency = 1 << 10,

    /// <summary>pick-lob: a pick dependency into an access that is ordered before a write.</summary>
    PickBeforeLocal = 1 << 11,

    /// <summary>aob: the read of a read-modify-write before its write.</summary>
    AtomicOrder = 1 << 12,

    /// <summary>aob: a read-modify-write into an acquire that may read from it.</summary>
    AtomicForwarding = 1 << 13,

    /// <summary>bob: DMB and DSB SY.</summary>
    FullBarrier = 1 << 14,

    /// <summary>bob: DMB and DSB LD.</summary>
    LoadBarrier = 1 << 15,

    /// <summary>bob: DMB ST.</summary>
    StoreBarrier = 1 << 16,

    /// <summary>DSB-ob: DSB ST orders earlier writes before all that follows, reads too.</summary>
    StoreSynchronization = 1 << 17,

    /// <summary>bob: acquires before all that follows.</summary>
    AcquireOrder = 1 << 18,

    /// <summary>bob: all that precedes before releases.</summary>
    ReleaseOrder = 1 << 19,

    /// <summary>bob: releases before the acquires that are not of LDAPR.</summary>
    ReleaseBeforeAcquire = 1 << 20,

    /// <summary>bob: the write of an acquire-release atomic before all that follows.</summary>
    AcquireReleaseAtomic = 1 << 21,

    All = (1 << 22) - 1,
}
