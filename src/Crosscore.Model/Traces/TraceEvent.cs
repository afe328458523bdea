namespace Crosscore.Model.Traces;

/// <summary>What an event of a trace is.</summary>
public enum TraceEventKind
{
    /// <summary>A load, from memory or from the core's own waiting stores.</summary>
    Load,

    /// <summary>A store that now waits to reach memory, or, on a machine without buffers, reached it.</summary>
    Store,

    /// <summary>A waiting store reached memory.</summary>
    ReachMemory,

    /// <summary>A load of an indivisible step.</summary>
    AtomicLoad,

    /// <summary>A store of an indivisible step.</summary>
    AtomicStore,

    /// <summary>A full fence that had nothing (more) to wait for.</summary>
    Fence,

    /// <summary>Fences of all other cores were demanded.</summary>
    RequestFences,

    /// <summary>All demanded fences have been passed.</summary>
    AwaitFences,

    /// <summary>The core was serialized.</summary>
    Serialize,

    /// <summary>Code was fetched as memory has it.</summary>
    Fetch,

    /// <summary>Code was fetched as memory had it once.</summary>
    FetchStale,

    /// <summary>Code was executed of which nothing is promised.</summary>
    FetchUnpredictable,

    /// <summary>Interrupts were sent to the CPUs in the bit mask of the value.</summary>
    SendIpi,

    /// <summary>A CPU took the interrupt of the CPU that stands in the place of the task.</summary>
    TakeInterrupt,

    /// <summary>A handler ended; the task is the CPU that is answered.</summary>
    EndInterrupt,

    /// <summary>The answer of a CPU arrived at the CPU that stands in the place of the task.</summary>
    AnswerArrives,

    /// <summary>A CPU begins to return from an interrupt.</summary>
    BeginReturn,

    /// <summary>A task resumes after an interrupt.</summary>
    Return,

    /// <summary>The same, and the return serialized the core.</summary>
    ReturnSerializing,

    /// <summary>A CPU begins to switch to the task, because the one it runs asked for it.</summary>
    BeginSwitch,

    /// <summary>A CPU begins to switch to the task, by an interrupt that the one it runs did not ask for.</summary>
    Preempt,

    /// <summary>The task is the current one from here on.</summary>
    SwitchTo,

    /// <summary>The current task was marked for a restart, and is in no per-CPU section.</summary>
    MarkRestart,

    /// <summary>The current task was marked for a restart, and the per-CPU section that it is in restarts.</summary>
    Restart,

    /// <summary>A task named the per-CPU section that it is about to enter.</summary>
    ArmSection,

    /// <summary>A signal came to the task, and the per-CPU section that it is in restarts.</summary>
    Signal,

    /// <summary>All CPUs that were interrupted have answered.</summary>
    AwaitIpi,

    /// <summary>
    /// A system call is on its way back to user mode; a task that is switched out before is switched out inside the
    /// call.
    /// </summary>
    LeaveSyscall,

    /// <summary>The task sleeps.</summary>
    Sleep,

    /// <summary>The task woke.</summary>
    Wake,

    /// <summary>A load read a write that is not the newest of its cell.</summary>
    LoadOld,

    /// <summary>A write was put among those of memory before its CPU executes it.</summary>
    Promise,

    /// <summary>A CPU executed a store that it had promised.</summary>
    Fulfil,

    /// <summary>The reservation for an exclusive store was lost.</summary>
    ReservationLost,

    /// <summary>Code was cleaned from the data cache.</summary>
    CleanCode,

    /// <summary>Code was dropped from all instruction caches.</summary>
    InvalidateCode,

    /// <summary>An address was translated by the entry that memory has.</summary>
    Translate,

    /// <summary>An address was translated by an entry that memory had once.</summary>
    TranslateStale,

    /// <summary>An access was not allowed by the entry of its page.</summary>
    Fault,

    /// <summary>Entries were dropped from TLBs.</summary>
    InvalidateTranslation,

    /// <summary>
    /// Behind the steps of a trace to a hang: what a task executes next, or without a task a CPU in code that belongs
    /// to none. With the value 1 it waits there, or spins through it, without end; with 0 it had come so far at the
    /// hang, and where it stays was not found.
    /// </summary>
    Wait,
}

/// <summary>One event on the way to a state.</summary>
/// <param name="Step">The step it belongs to, from 1; 0 for what CPUs do for themselves before the first.</param>
/// <param name="Cpu">The CPU; -1 for none.</param>
/// <param name="Task">The task, or what the kind says stands in its place; -1 for the code of the CPU.</param>
/// <param name="Kind">What happened.</param>
/// <param name="Source">The front end's number of the instruction; -1 for none.</param>
/// <param name="KernelLine">The line of the kernel design; 0 for none.</param>
/// <param name="Address">The memory it concerns.</param>
/// <param name="Width">Bytes; 0 where it concerns no memory.</param>
/// <param name="Value">The value loaded or stored, or what the kind says.</param>
public readonly record struct TraceEvent(
    int Step,
    int Cpu,
    int Task,
    TraceEventKind Kind,
    int Source,
    int KernelLine,
    ulong Address,
    int Width,
    ulong Value
)
{
    /// <summary>What each CPU holds once the operation is done that the event is part of.</summary>
    public IReadOnlyList<CoreView> Cores { get; init; } = [];
}
