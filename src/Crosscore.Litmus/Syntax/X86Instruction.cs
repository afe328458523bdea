namespace Crosscore.Litmus.Syntax;

/// <summary>
/// What an instruction does; the operand order is always (source, destination) as AT&amp;T syntax writes it.
/// </summary>
public enum X86Opcode
{
#pragma warning disable CS1591 // the names are the architecture's
    Mov,
    Movzx,
    Movsx,
    Lea,
    Xchg,
    Xadd,
    Cmpxchg,
    Add,
    Sub,
    And,
    Or,
    Xor,
    Cmp,
    Test,
    Inc,
    Dec,
    Neg,
    Not,
    Shl,
    Shr,
    Sar,
    Cmov,
    Set,
    Jmp,
    Jcc,
    Mfence,
    Sfence,
    Lfence,
    Nop,
    Pause,
    Ret,
#pragma warning restore CS1591

    /// <summary>Ours: the membarrier(2) system call, by the process of the test.</summary>
    Membarrier,

    /// <summary>Ours: another system call of the kernel design, by name.</summary>
    Syscall,

    /// <summary>Runs code of the test: %eax becomes what it returns now.</summary>
    Call,

    /// <summary>Ours: what stands between it and a label is a restartable section (rseq(2)).</summary>
    Rseq,

    /// <summary>
    /// Ours: the number of the CPU, as the thread's area of rseq(2) has it: refreshed on every return to user mode.
    /// </summary>
    RseqCpu,

    /// <summary>
    /// An instruction that serialises the core (Intel SDM vol. 3, 9.3): CPUID, SERIALIZE, IRETQ to the next
    /// instruction.
    /// </summary>
    Serialize,
}

/// <summary>
/// Condition codes, in the order of their encoding (Intel SDM vol. 1, appendix B), without the parity ones.
/// </summary>
public enum X86Condition
{
#pragma warning disable CS1591 // the names are the architecture's
    O,
    No,
    B,
    Ae,
    E,
    Ne,
    Be,
    A,
    S,
    Ns,
    L,
    Ge,
    Le,
    G,
#pragma warning restore CS1591
}

/// <summary>The commands that <c>membarrier</c> takes in a test.</summary>
public enum MembarrierCommand
{
    /// <summary>MEMBARRIER_CMD_GLOBAL.</summary>
    Global = 1,

    /// <summary>MEMBARRIER_CMD_GLOBAL_EXPEDITED.</summary>
    GlobalExpedited = 2,

    /// <summary>MEMBARRIER_CMD_PRIVATE_EXPEDITED.</summary>
    PrivateExpedited = 8,

    /// <summary>MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE.</summary>
    PrivateExpeditedSyncCore = 32,

    /// <summary>MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ.</summary>
    PrivateExpeditedRseq = 128,
}

/// <summary>An operand.</summary>
public abstract record X86Operand;

/// <summary>A register, of which the lowest <paramref name="Width"/> bytes are named.</summary>
/// <param name="Register">The register.</param>
/// <param name="Width">Bytes: 1, 2, 4 or 8.</param>
public sealed record RegisterOperand(X86Register Register, int Width) : X86Operand;

/// <summary>A constant, sign-extended.</summary>
/// <param name="Value">The constant.</param>
public sealed record ImmediateOperand(long Value) : X86Operand;

/// <summary>The address of a variable, as a constant.</summary>
/// <param name="Variable">The variable.</param>
public sealed record AddressOperand(string Variable) : X86Operand;

/// <summary>
/// Memory at <c>Variable + Displacement + Base + Index * Scale</c>; absent parts are zero. Address registers count with
/// all 64 bits.
/// </summary>
/// <param name="Variable">A variable named directly, or <see langword="null"/>.</param>
/// <param name="Displacement">Bytes.</param>
/// <param name="Base">The base register.</param>
/// <param name="Index">The index register.</param>
/// <param name="Scale">1, 2, 4 or 8.</param>
public sealed record MemoryOperand(string? Variable, int Displacement, X86Register? Base, X86Register? Index, int Scale)
    : X86Operand
{
    /// <summary>Whether the variable was named by an alias, another linear address of the same memory.</summary>
    public bool ThroughAlias { get; init; }
}

/// <summary>One instruction.</summary>
public sealed class X86Instruction : ITestInstruction
{
    /// <summary>What it does.</summary>
    public required X86Opcode Opcode { get; init; }

    /// <summary>Bytes of its (destination) operand; 0 where it has none.</summary>
    public required int Width { get; init; }

    /// <summary>
    /// Bytes of the source of <see cref="X86Opcode.Movzx"/> and <see cref="X86Opcode.Movsx"/>; otherwise equal to
    /// <see cref="Width"/>.
    /// </summary>
    public required int SourceWidth { get; init; }

    /// <summary>The operands, (source, destination); a comparison is (subtrahend, minuend).</summary>
    public required IReadOnlyList<X86Operand> Operands { get; init; }

    /// <summary>
    /// The condition of <see cref="X86Opcode.Jcc"/>, <see cref="X86Opcode.Cmov"/> and <see cref="X86Opcode.Set"/>.
    /// </summary>
    public required X86Condition Condition { get; init; }

    /// <summary>Whether it carries a lock prefix. An exchange with memory is locked without one.</summary>
    public required bool Lock { get; init; }

    /// <summary>The label that a jump goes to.</summary>
    public required string? Target { get; init; }

    /// <summary>The name and the arguments of <see cref="X86Opcode.Syscall"/>.</summary>
    public IReadOnlyList<string> Syscall { get; init; } = [];

    /// <summary>The label behind the section that <see cref="X86Opcode.Rseq"/> begins.</summary>
    public string? SectionEnd { get; init; }

    /// <summary>The label at which that section restarts.</summary>
    public string? SectionAbort { get; init; }

    /// <summary>The command of <see cref="X86Opcode.Membarrier"/>.</summary>
    public required MembarrierCommand Command { get; init; }

    /// <summary>Where it stands.</summary>
    public required SourcePosition Position { get; init; }

    /// <summary>As written, white space folded.</summary>
    public required string Text { get; init; }

    MembarrierCommand? ITestInstruction.Command => Opcode == X86Opcode.Membarrier ? Command : null;

    IReadOnlyList<string> ITestInstruction.SystemCall => Syscall;

    /// <summary>The memory operand, if there is one; no instruction here has two.</summary>
    public MemoryOperand? Memory => Operands.OfType<MemoryOperand>().FirstOrDefault();

    /// <summary>Whether it reads and writes memory as one indivisible step (Intel SDM vol. 3, 9.1.2).</summary>
    public bool IsAtomic => Lock || (Opcode == X86Opcode.Xchg && Memory is not null);

    /// <inheritdoc/>
    public override string ToString() => Text;
}
