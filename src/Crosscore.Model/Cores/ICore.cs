using Crosscore.Model.Compilation;
using Crosscore.Model.State;
using Crosscore.Model.Traces;

namespace Crosscore.Model.Cores;

/// <summary>
/// A kind of core: how the CPUs see memory and instructions, and what the borders of the kernel do to both. Everything
/// else about a CPU, its tasks and interrupts, is in <c>Machine</c>, which knows no kind of core.
/// </summary>
/// <remarks>
/// <para>
/// Implementations are structs, and all users are generic over them, so that the JIT compiles the search once for each
/// kind and calls through this interface are direct calls. All data about an execution is in the packed state; a core
/// reads and writes only the fields that it and the compiled program laid out.
/// </para>
/// <para>
/// There are two implementations: <c>BufferedCore</c>, where a load returns one value and stores wait in a buffer (SC,
/// x86-TSO), and <c>ViewCore</c>, where a load chooses among writes (AArch64).
/// </para>
/// </remarks>
internal interface ICore
{
    // ---- What can happen next.

    /// <summary>
    /// Finds all moves, if the core orders them across CPUs. Only a core that promises all writes before any CPU
    /// executes does.
    /// </summary>
    /// <returns>Whether <paramref name="moves"/> has all moves; otherwise the machine asks each CPU.</returns>
    bool TryFindAllMoves(ReadOnlySpan<ulong> state, List<Move> moves);

    /// <summary>
    /// Adds what memory may do for a CPU by itself: a buffered store reaches it, or a write is promised.
    /// </summary>
    void AddMemoryMoves(ReadOnlySpan<ulong> state, int cpu, List<Move> moves);

    /// <summary>Adds one move for each choice that the next operation of a CPU has. It must be able to step.</summary>
    void AddSteps(ReadOnlySpan<ulong> state, int cpu, List<Move> moves);

    /// <summary>Whether, and how, a CPU can execute its next operation.</summary>
    StepKind Classify(ReadOnlySpan<ulong> state, int cpu, CompiledThread code, int pc, bool inCpuCode);

    /// <summary>
    /// Whether an interrupt, a switch or a signal may still come between two instructions on a CPU. An answer of no is
    /// final; an answer of yes may be too cautious.
    /// </summary>
    bool MayBeInterrupted(ReadOnlySpan<ulong> state, int cpu);

    /// <summary>Whether a CPU must let its stores reach memory before it takes an interrupt.</summary>
    bool DelaysInterrupts(ReadOnlySpan<ulong> state, int cpu);

    // ---- What each move does.

    /// <summary>Executes an operation of memory, instruction fetch or registers.</summary>
    /// <param name="state">The state.</param>
    /// <param name="cpu">The CPU.</param>
    /// <param name="code">The code that it executes.</param>
    /// <param name="pc">The operation.</param>
    /// <param name="choice">What it chooses; -1 for the only choice.</param>
    /// <returns>The operation that follows.</returns>
    int Execute(Span<ulong> state, int cpu, CompiledThread code, int pc, int choice);

    /// <summary>Ends a step: a core may make states that behave alike equal.</summary>
    void EndStep(Span<ulong> state, int cpu, CompiledThread code);

    /// <summary>
    /// Makes one of the moves of <see cref="AddMemoryMoves"/> or <see cref="TryFindAllMoves"/>, or a fetch.
    /// </summary>
    void Apply(Span<ulong> state, Move move);

    // ---- What the kernel's borders do to memory.

    /// <summary>Synchronizes the context: what was fetched before is forgotten.</summary>
    void Serialize(Span<ulong> state, int cpu);

    /// <summary>A CPU has sent an interrupt: orders it against its accesses.</summary>
    void SendIpi(Span<ulong> state, int cpu);

    /// <summary>A CPU has all answers to its interrupt.</summary>
    void ReceiveAnswers(Span<ulong> state, int cpu);

    /// <summary>A CPU enters the handler of an interrupt that another CPU sent.</summary>
    void EnterInterrupt(Span<ulong> state, int cpu, int sender);

    /// <summary>A CPU ends the handler, and the answer sets out for the sender.</summary>
    void LeaveInterrupt(Span<ulong> state, int cpu, int sender);

    /// <summary>
    /// A CPU has made another task its current one. The core decides when other CPUs may take the previous task.
    /// </summary>
    void SwitchTask(Span<ulong> state, int cpu, int previous, int next);

    /// <summary>A thread demands a fence of every other CPU.</summary>
    void DemandFences(Span<ulong> state, int cpu, int thread);

    /// <summary>A CPU passes the fence that one thread demands.</summary>
    void PassFence(Span<ulong> state, int cpu, int thread);

    /// <summary>A CPU passes all fences that are demanded of it.</summary>
    void PassFences(Span<ulong> state, int cpu);

    /// <summary>Every CPU has passed the fence that a thread demanded.</summary>
    void AwaitFences(Span<ulong> state, int cpu, int thread);

    // ---- What a state is.

    /// <summary>Whether nothing of a CPU still waits to reach memory.</summary>
    bool IsQuiet(ReadOnlySpan<ulong> state, int cpu);

    /// <summary>Whether code was executed about which the processor promises nothing.</summary>
    bool IsUndefined(ReadOnlySpan<ulong> state);

    /// <summary>Whether a CPU can never keep a promise it made, so that the state leads to no execution.</summary>
    bool IsHopeless(ReadOnlySpan<ulong> state, int cpu);

    /// <summary>
    /// Whether a state without moves is infeasible rather than a deadlock: a promise is not kept, or an indivisible
    /// step was divided.
    /// </summary>
    bool IsDeadEnd(ReadOnlySpan<ulong> state);

    /// <summary>
    /// Whether a state certainly belongs to an execution. Others may not: a promise is not kept yet, or an instruction
    /// is half done whose other half may have become impossible.
    /// </summary>
    bool IsPossible(ReadOnlySpan<ulong> state);

    /// <summary>Reads memory after everything that happened.</summary>
    int ReadMemory(ReadOnlySpan<ulong> state, CellSpan span);

    // ---- What a trace shows. Only traces ask, so this may take its time.

    /// <summary>Lists the stores of a CPU that have not reached memory, the oldest first.</summary>
    List<WaitingStore> WaitingStores(ReadOnlySpan<ulong> state, int cpu);

    /// <summary>Lists what a CPU may execute of the code that changes.</summary>
    List<FetchableCode> FetchableCode(ReadOnlySpan<ulong> state, int cpu);
}
