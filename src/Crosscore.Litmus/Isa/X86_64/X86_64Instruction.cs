using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// What an instruction does; the operand order is always (source, destination) as AT&amp;T syntax writes it.
/// </summary>
public enum X86_64Opcode
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
    /// An instruction that serializes the core (Intel SDM vol. 3, 9.3): CPUID, SERIALIZE, IRETQ to the next
    /// instruction.
    /// </summary>
    Serialize,
}

/// <summary>
/// Condition codes, in the order of their encoding (Intel SDM vol. 1, appendix B), without the parity ones.
/// </summary>
public enum X86_64Condition
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

/// <summary>An operand.</summary>
internal abstract record X86_64Operand;

/// <summary>A register, of which the lowest <paramref name="Width"/> bytes are named.</summary>
/// <param name="Register">The register.</param>
/// <param name="Width">Bytes: 1, 2, 4 or 8.</param>
internal sealed record X86_64RegisterOperand(X86_64Register Register, int Width) : X86_64Operand;

/// <summary>A constant, sign-extended.</summary>
/// <param name="Value">The constant.</param>
internal sealed record X86_64ImmediateOperand(long Value) : X86_64Operand;

/// <summary>The address of a variable, as a constant.</summary>
/// <param name="Variable">The variable.</param>
internal sealed record X86_64AddressOperand(string Variable) : X86_64Operand;

/// <summary>
/// Memory at <c>Variable + Displacement + Base + Index * Scale</c>; absent parts are zero. Address registers count with
/// all 64 bits.
/// </summary>
/// <param name="Variable">A variable named directly, or <see langword="null"/>.</param>
/// <param name="Displacement">Bytes.</param>
/// <param name="Base">The base register.</param>
/// <param name="Index">The index register.</param>
/// <param name="Scale">1, 2, 4 or 8.</param>
internal sealed record X86_64MemoryOperand(
    string? Variable,
    int Displacement,
    X86_64Register? Base,
    X86_64Register? Index,
    int Scale
) : X86_64Operand
{
    /// <summary>Whether the variable was named by an alias, another linear address of the same memory.</summary>
    public bool ThroughAlias { get; init; }
}

/// <summary>One instruction.</summary>
internal sealed class X86_64Instruction : ITestInstruction
{
    /// <summary>Gets what it does.</summary>
    public required X86_64Opcode Opcode { get; init; }

    /// <summary>Gets the bytes of its (destination) operand; 0 where it has none.</summary>
    public required int Width { get; init; }

    /// <summary>
    /// Gets the bytes of the source of <see cref="X86_64Opcode.Movzx"/> and <see cref="X86_64Opcode.Movsx"/>; otherwise
    /// equal to <see cref="Width"/>.
    /// </summary>
    public required int SourceWidth { get; init; }

    /// <summary>Gets the operands, (source, destination); a comparison is (subtrahend, minuend).</summary>
    public required IReadOnlyList<X86_64Operand> Operands { get; init; }

    /// <summary>
    /// Gets the condition of <see cref="X86_64Opcode.Jcc"/>, <see cref="X86_64Opcode.Cmov"/> and
    /// <see cref="X86_64Opcode.Set"/>.
    /// </summary>
    public required X86_64Condition Condition { get; init; }

    /// <summary>Whether it carries a lock prefix. An exchange with memory is locked without one.</summary>
    public required bool Lock { get; init; }

    /// <summary>Gets the label that a jump goes to.</summary>
    public required string? Target { get; init; }

    /// <inheritdoc/>
    public IReadOnlyList<string> SystemCall { get; init; } = [];

    /// <summary>Gets the label behind the section that <see cref="X86_64Opcode.Rseq"/> begins.</summary>
    public string? SectionEnd { get; init; }

    /// <summary>Gets the label at which that section restarts.</summary>
    public string? SectionAbort { get; init; }

    /// <inheritdoc/>
    public MembarrierCommand? Command { get; init; }

    /// <inheritdoc/>
    public required SourcePosition Position { get; init; }

    /// <inheritdoc/>
    public required string Text { get; init; }

    /// <summary>Gets the memory operand, if there is one; no instruction here has two.</summary>
    public X86_64MemoryOperand? Memory => Operands.OfType<X86_64MemoryOperand>().FirstOrDefault();

    /// <summary>Whether it reads and writes memory as one indivisible step (Intel SDM vol. 3, 9.1.2).</summary>
    public bool IsAtomic => Lock || (Opcode == X86_64Opcode.Xchg && Memory is not null);

    /// <inheritdoc/>
    public override string ToString() => Text;
}
