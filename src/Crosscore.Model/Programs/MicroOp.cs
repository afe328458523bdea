namespace Crosscore.Model.Programs;

/// <summary>What a micro-operation does.</summary>
internal enum MicroOpKind
{
    /// <summary>Destination := Function(A, B). Touches nothing but registers of its thread.</summary>
    Compute,

    /// <summary>Goes to Target when A is not zero.</summary>
    Branch,

    /// <summary>Goes to Target.</summary>
    Jump,

    /// <summary>Destination := the Width bytes of memory at address A, zero-extended.</summary>
    Load,

    /// <summary>The Width bytes of memory at address A := B.</summary>
    Store,

    /// <summary>
    /// From here to <see cref="AtomicEnd"/> one indivisible step that reads and writes memory directly, after
    /// everything earlier of its core has reached memory.
    /// </summary>
    AtomicBegin,

    /// <summary>Ends the indivisible step.</summary>
    AtomicEnd,

    /// <summary>A full fence: waits until every earlier store of its core has reached memory.</summary>
    Fence,

    /// <summary>Demands of every other core that it passes a full fence from now on, once.</summary>
    RequestFences,

    /// <summary>Waits until every core has passed the fence that this thread demanded.</summary>
    AwaitFences,

    /// <summary>The thread ends.</summary>
    Halt,

    /// <summary>Destination := the number of the CPU that executes this.</summary>
    ReadCpu,

    /// <summary>Destination := the number of the task that this CPU runs, plus one.</summary>
    ReadCurrent,

    /// <summary>
    /// Serializes the core: waits until every earlier store has reached memory, then forgets every instruction fetched
    /// before.
    /// </summary>
    Serialize,

    /// <summary>Interrupts the CPUs in the bit mask A, this one left out, with the handler Target.</summary>
    SendIpi,

    /// <summary>Waits until every CPU that this one interrupted has ended its handler.</summary>
    AwaitIpi,

    /// <summary>
    /// Makes the task with the number A, less one, the current task of this CPU; only in the code of a context switch.
    /// </summary>
    SwitchTo,

    /// <summary>The task sleeps inside its system call until something wakes it; its CPU runs another one.</summary>
    Sleep,

    /// <summary>
    /// Ends an interrupt handler: tells the interrupting CPU, and leaves the interrupted task to return from the
    /// interrupt. Only in the code of a CPU.
    /// </summary>
    EndInterrupt,

    /// <summary>Goes back to what was interrupted; only in the code of a CPU.</summary>
    ReturnFromInterrupt,

    /// <summary>Ends the code of a context switch; only in the code of a CPU.</summary>
    EndSwitch,

    /// <summary>
    /// Destination := what the instruction fetch of this core returns for the code at address A: any value that it may
    /// still hold. Data, not instructions: a value stands for what the code does.
    /// </summary>
    Fetch,

    /// <summary>
    /// Marks the current task, so that the per-CPU section it is in, if any, restarts before its next instruction in
    /// user mode.
    /// </summary>
    MarkRestart,

    /// <summary>
    /// Names the section Target of its thread (<see cref="ThreadCode.Sections"/>) as the one that is to restart; it
    /// takes the place of the one before.
    /// </summary>
    ArmSection,

    /// <summary>
    /// Destination := 0 when the exclusive store that follows may and will succeed, 1 when it fails; it may always fail
    /// (Arm ARM B2.9).
    /// </summary>
    TryReservation,

    /// <summary>Destination := 0 or 1: the architecture leaves open which of two ways an instruction takes.</summary>
    Choose,

    /// <summary>
    /// Cleans the code at address A from the data cache to where instructions are fetched from (DC CVAU).
    /// </summary>
    CleanCode,

    /// <summary>
    /// Drops the code at address A, or with address 0 all code, from the instruction caches of every CPU (IC IVAU, IC
    /// IALLUIS).
    /// </summary>
    InvalidateCode,

    /// <summary>
    /// Destination := the entry (<see cref="TableEntry"/>) by which this core may translate the address A: any that its
    /// TLB may still hold. It binds the accesses that follow and say <see cref="AccessOrder.Translated"/>.
    /// </summary>
    Translate,

    /// <summary>
    /// The access whose translation came before does not take place: it faults. A is its address; B is 1 where that
    /// synchronizes the context.
    /// </summary>
    Fault,

    /// <summary>
    /// Drops the entry for address A, or with address 0 all entries, from the TLB of every CPU (TLBI VAE1IS and its
    /// kind), or with B not zero of this one.
    /// </summary>
    InvalidateTranslation,

    /// <summary>
    /// The moment at which the <see cref="InvalidateTranslation"/> before it are complete. It stands right before the
    /// <see cref="FenceKind.FullCompletion"/> that waits for it.
    /// </summary>
    CompleteInvalidation,
}

/// <summary>
/// Where an operation stands, which decides what may come between it and its neighbors. The default is user mode.
/// </summary>
[Flags]
internal enum OpContext
{
    /// <summary>
    /// User mode: interrupts come at any moment, and the return from one may continue with another task.
    /// </summary>
    User = 0,

    /// <summary>Inside the kernel.</summary>
    Kernel = 1,

    /// <summary>No interrupt comes here.</summary>
    InterruptsOff = 2,

    /// <summary>No other task is switched in here.</summary>
    PreemptionOff = 4,

    /// <summary>
    /// Another task may be switched in here even where the kernel is not preemptible: the kernel asks itself whether
    /// to.
    /// </summary>
    ReschedulePoint = 8,
}

/// <summary>A pure function of two values; equal arguments give equal results.</summary>
/// <param name="a">The first value.</param>
/// <param name="b">The second value.</param>
internal delegate ulong ValueFunction(ulong a, ulong b);

/// <summary>
/// One step of a thread, of any instruction set: what a front end lowers its instructions to. The model knows no
/// instruction set; condition flags are an ordinary register, and what an instruction computes is a function that the
/// front end supplies.
/// </summary>
internal sealed record MicroOp
{
    private MicroOp(MicroOpKind kind) => Kind = kind;

    /// <summary>What it does.</summary>
    public MicroOpKind Kind { get; private init; }

    /// <summary>The register that takes the result.</summary>
    public int Destination { get; private init; } = -1;

    /// <summary>The first operand, or the address.</summary>
    public Operand A { get; private init; }

    /// <summary>The second operand, or the value to store.</summary>
    public Operand B { get; private init; }

    /// <summary>What a <see cref="MicroOpKind.Compute"/> computes.</summary>
    public ValueFunction? Function { get; private init; }

    /// <summary>Bytes accessed: 1, 2, 4 or 8.</summary>
    public int Width { get; private init; }

    /// <summary>
    /// The region in which the computed address of a load or store lies, when the front end knows it; otherwise it may
    /// be any whose address was taken.
    /// </summary>
    public string? Region { get; init; }

    /// <summary>The operation that a branch or jump goes to.</summary>
    public int Target { get; init; } = -1;

    /// <summary>The front end's number of the instruction this belongs to; comes back in traces.</summary>
    public int Source { get; init; } = -1;

    /// <summary>Where it stands.</summary>
    public OpContext Context { get; init; }

    /// <summary>The line of the kernel design that it comes from; 0 for none.</summary>
    public int KernelLine { get; init; }

    /// <summary>Makes a <see cref="MicroOpKind.ReadCpu"/> or <see cref="MicroOpKind.ReadCurrent"/>.</summary>
    public static MicroOp Read(MicroOpKind kind, int destination) =>
        kind is MicroOpKind.ReadCpu or MicroOpKind.ReadCurrent
            ? new(kind) { Destination = destination }
            : throw new ArgumentOutOfRangeException(nameof(kind), kind, "This operation reads no state of its CPU.");

    /// <summary>Whether a store to code goes through another linear address than the one it is executed by.</summary>
    public bool ThroughAlias { get; init; }

    /// <summary>The order that a load or store asks for.</summary>
    public AccessOrder Order { get; init; }

    /// <summary>What a <see cref="MicroOpKind.Fence"/> keeps in order.</summary>
    public FenceKind Fence { get; init; }

    /// <summary>
    /// A register that decided which value this takes or whether it stores, without being part of the value: the flags
    /// of a conditional select, the comparison of a compare-and-swap. Such a dependency orders later stores only (pick
    /// dependencies, Arm ARM B2.3).
    /// </summary>
    public Operand Pick { get; init; }

    /// <summary>
    /// Of the store of an indivisible instruction: the operand that is its data, when the value stored also holds what
    /// the instruction itself loaded.
    /// </summary>
    public Operand? Data { get; init; }

    /// <summary>
    /// Whether a branch is only how the front end says "if" inside one instruction, so that nothing depends on it by
    /// control.
    /// </summary>
    public bool IsPredicate { get; init; }

    /// <summary>Makes a <see cref="MicroOpKind.TryReservation"/>.</summary>
    public static MicroOp TryReservation(int destination, Operand address, int width) =>
        new(MicroOpKind.TryReservation)
        {
            Destination = destination,
            A = address,
            Width = width,
        };

    /// <summary>Makes a <see cref="MicroOpKind.Choose"/>.</summary>
    public static MicroOp Choose(int destination) => new(MicroOpKind.Choose) { Destination = destination };

    /// <summary>Makes a <see cref="MicroOpKind.CleanCode"/> or <see cref="MicroOpKind.InvalidateCode"/>.</summary>
    public static MicroOp Maintain(MicroOpKind kind, Operand address) =>
        kind is MicroOpKind.CleanCode or MicroOpKind.InvalidateCode
            ? new(kind) { A = address }
            : throw new ArgumentOutOfRangeException(nameof(kind), kind, "This operation maintains no cache.");

    /// <summary>Makes a <see cref="MicroOpKind.Translate"/>.</summary>
    public static MicroOp Translate(int destination, Operand address) =>
        new(MicroOpKind.Translate) { Destination = destination, A = address };

    /// <summary>Makes a <see cref="MicroOpKind.Fault"/>.</summary>
    /// <param name="address">The address of the access.</param>
    /// <param name="synchronizes">Whether it is the entry of an exception that synchronizes the context.</param>
    public static MicroOp Fault(Operand address, bool synchronizes) =>
        new(MicroOpKind.Fault) { A = address, B = Operand.Number(synchronizes ? 1UL : 0) };

    /// <summary>Makes a <see cref="MicroOpKind.CompleteInvalidation"/>.</summary>
    public static MicroOp CompleteInvalidation() => new(MicroOpKind.CompleteInvalidation);

    /// <summary>Makes a <see cref="MicroOpKind.InvalidateTranslation"/>.</summary>
    /// <param name="address">An address in the page, or the constant 0 for all pages.</param>
    /// <param name="hereOnly">Whether only the TLB of the CPU that executes it is meant.</param>
    public static MicroOp InvalidateTranslation(Operand address, bool hereOnly) =>
        new(MicroOpKind.InvalidateTranslation) { A = address, B = Operand.Number(hereOnly ? 1UL : 0) };

    /// <summary>Makes a <see cref="MicroOpKind.Fetch"/>.</summary>
    public static MicroOp Fetch(int destination, Operand address, int width) =>
        new(MicroOpKind.Fetch)
        {
            Destination = destination,
            A = address,
            Width = width,
        };

    /// <summary>Makes a <see cref="MicroOpKind.ArmSection"/>.</summary>
    /// <param name="section">The number of the section.</param>
    public static MicroOp ArmSection(int section) => new(MicroOpKind.ArmSection) { Target = section };

    /// <summary>Makes a <see cref="MicroOpKind.SwitchTo"/>.</summary>
    public static MicroOp SwitchTo(Operand next) => new(MicroOpKind.SwitchTo) { A = next };

    /// <summary>Makes a <see cref="MicroOpKind.SendIpi"/>.</summary>
    /// <param name="cpus">A bit mask of CPUs.</param>
    /// <param name="handler">The number of the handler.</param>
    public static MicroOp SendIpi(Operand cpus, int handler) => new(MicroOpKind.SendIpi) { A = cpus, Target = handler };

    /// <summary>Makes a <see cref="MicroOpKind.Compute"/>.</summary>
    public static MicroOp Compute(int destination, ValueFunction function, Operand a, Operand b) =>
        new(MicroOpKind.Compute)
        {
            Destination = destination,
            Function = function,
            A = a,
            B = b,
        };

    /// <summary>Makes a <see cref="MicroOpKind.Compute"/> that copies.</summary>
    public static MicroOp Copy(int destination, Operand value) =>
        Compute(destination, static (a, _) => a, value, Operand.Number(0));

    /// <summary>Makes a <see cref="MicroOpKind.Branch"/>.</summary>
    public static MicroOp Branch(Operand condition, int target) =>
        new(MicroOpKind.Branch) { A = condition, Target = target };

    /// <summary>Makes a <see cref="MicroOpKind.Jump"/>.</summary>
    public static MicroOp Jump(int target) => new(MicroOpKind.Jump) { Target = target };

    /// <summary>Makes a <see cref="MicroOpKind.Load"/>.</summary>
    public static MicroOp Load(int destination, Operand address, int width) =>
        new(MicroOpKind.Load)
        {
            Destination = destination,
            A = address,
            Width = width,
        };

    /// <summary>Makes a <see cref="MicroOpKind.Store"/>.</summary>
    public static MicroOp Store(Operand address, Operand value, int width) =>
        new(MicroOpKind.Store)
        {
            A = address,
            B = value,
            Width = width,
        };

    /// <summary>Makes an operation without operands.</summary>
    /// <param name="kind">One of <see cref="MicroOpKind.AtomicBegin"/>, <see cref="MicroOpKind.AtomicEnd"/>,
    /// <see cref="MicroOpKind.Fence"/>, <see cref="MicroOpKind.RequestFences"/>, <see cref="MicroOpKind.AwaitFences"/>,
    /// <see cref="MicroOpKind.Halt"/>, <see cref="MicroOpKind.Serialize"/>, <see cref="MicroOpKind.AwaitIpi"/>,
    /// <see cref="MicroOpKind.Sleep"/>, <see cref="MicroOpKind.EndInterrupt"/>,
    /// <see cref="MicroOpKind.ReturnFromInterrupt"/>, <see cref="MicroOpKind.EndSwitch"/>,
    /// <see cref="MicroOpKind.MarkRestart"/>.</param>
    public static MicroOp Plain(MicroOpKind kind) =>
        kind
            is >= MicroOpKind.AtomicBegin
                and <= MicroOpKind.MarkRestart
                and not (
                    MicroOpKind.ReadCpu
                    or MicroOpKind.ReadCurrent
                    or MicroOpKind.SendIpi
                    or MicroOpKind.Fetch
                    or MicroOpKind.SwitchTo
                )
            ? new(kind)
            : throw new ArgumentOutOfRangeException(nameof(kind), kind, "This operation has operands.");
}
