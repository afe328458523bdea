namespace Crosscore.Model.Programs;

/// <summary>How an inter-processor interrupt orders memory.</summary>
internal enum IpiOrder
{
    /// <summary>Not at all: request and answer overtake waiting stores.</summary>
    None,

    /// <summary>
    /// The request follows the sender's earlier stores, and the answer those of the interrupted CPU (release, acquire).
    /// </summary>
    ReleaseAcquire,

    /// <summary>As release and acquire, and both are full fences.</summary>
    Full,
}

/// <summary>Where a task is at the start.</summary>
public enum TaskStart
{
    /// <summary>It runs on its CPU.</summary>
    Running,

    /// <summary>It was interrupted in user mode, or has not begun, and may be switched in.</summary>
    Runnable,

    /// <summary>It sleeps inside a system call and may wake at any moment.</summary>
    Asleep,
}

/// <summary>A task at the start.</summary>
/// <param name="Cpu">Its CPU.</param>
/// <param name="Start">Where it is.</param>
/// <param name="Pinned">Whether it stays on that CPU.</param>
/// <param name="IsKernelThread">Whether it always runs inside the kernel.</param>
/// <param name="IsIdle">Whether it is there only to be switched to: it has nothing to do and need not end.</param>
/// <param name="TakesSignals">Whether signals come to it, at any instruction; their handlers do nothing.</param>
internal sealed record TaskPlacement(
    int Cpu,
    TaskStart Start,
    bool Pinned,
    bool IsKernelThread,
    bool IsIdle,
    bool TakesSignals = false
);

/// <summary>
/// CPUs, tasks, and the code that a kernel runs on a CPU outside of its tasks. A kernel's system calls are part of the
/// tasks' code.
/// </summary>
internal sealed class CpuSystem
{
    /// <summary>How many CPUs there are.</summary>
    public required int Cpus { get; init; }

    /// <summary>One for each thread of the program.</summary>
    public required IReadOnlyList<TaskPlacement> Tasks { get; init; }

    /// <summary>
    /// For each CPU its interrupt handlers, context switch and return from interrupts. All have the same operations;
    /// initial registers differ.
    /// </summary>
    public required IReadOnlyList<ThreadCode> CpuCode { get; init; }

    /// <summary>The operation that each interrupt handler begins with.</summary>
    public required IReadOnlyList<int> HandlerEntries { get; init; }

    /// <summary>The operation that a context switch begins with.</summary>
    public required int SwitchEntry { get; init; }

    /// <summary>The operation that the return from an interrupt to user mode begins with.</summary>
    public required int ReturnEntry { get; init; }

    /// <summary>
    /// The operation that the return from an interrupt to the kernel begins with; no hook of a design is on that way.
    /// </summary>
    public required int ReturnToKernelEntry { get; init; }

    /// <summary>All operations that the code of a CPU begins with.</summary>
    internal int[] Entries => [.. HandlerEntries, SwitchEntry, ReturnEntry, ReturnToKernelEntry];

    /// <summary>
    /// The register of the CPU's code that holds the number, plus one, of the task that is switched out.
    /// </summary>
    public required int PreviousRegister { get; init; }

    /// <summary>
    /// The register of the CPU's code that holds the number, plus one, of the task that is switched in.
    /// </summary>
    public required int NextRegister { get; init; }

    /// <summary>Registers of the CPU's code that keep their values from one use of it to the next.</summary>
    public required IReadOnlySet<int> PersistentRegisters { get; init; }

    /// <summary>Whether tasks are switched at all. Without it, each CPU runs its task forever.</summary>
    public required bool Schedules { get; init; }

    /// <summary>Whether a task may be switched out at any moment inside the kernel.</summary>
    public required bool Preemptible { get; init; }

    /// <summary>Whether taking an interrupt serializes the core.</summary>
    public required bool InterruptEntrySerializes { get; init; }

    /// <summary>Whether returning from an interrupt does, to wherever.</summary>
    public required bool InterruptReturnSerializes { get; init; }

    /// <summary>Whether every return to user mode does.</summary>
    public required bool UserReturnSerializes { get; init; }

    /// <summary>
    /// Whether an interrupt that returns to user mode does anything else on its way than one that returns into the
    /// kernel.
    /// </summary>
    internal bool UserReturnDiffers =>
        UserReturnSerializes || CpuCode[0].Ops[ReturnEntry].Kind != MicroOpKind.ReturnFromInterrupt;

    /// <summary>The CPUs, as a bit mask, that run nothing and take no interrupt.</summary>
    public int Offline { get; init; }

    /// <summary>
    /// Whether a switch from task to task completes what came before it (DSB), on cores that see memory through views.
    /// </summary>
    public bool SwitchOrders { get; init; }

    /// <summary>How an inter-processor interrupt orders memory.</summary>
    public required IpiOrder IpiOrder { get; init; }
}
