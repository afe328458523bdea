namespace Crosscore.Litmus.Syntax.AArch64;

/// <summary>What an instruction does, in groups that are lowered alike.</summary>
public enum ArmOpcode
{
#pragma warning disable CS1591 // the names say it
    Nop,
    Move,
    MoveKeep,
    Compute,
    Compare,
    Select,
    Extend,
    Address,
    Load,
    LoadPair,
    Store,
    StorePair,
    StoreExclusive,
    CompareAndSwap,
    Swap,
    LoadAndModify,
    StoreModified,
    Branch,
    BranchIf,
    CompareAndBranch,
    TestAndBranch,
    BranchLink,
    BranchRegister,
    BranchLinkRegister,
    Return,
    Barrier,
    CleanCode,
    InvalidateCode,
    InvalidateTranslation,
    ReadSystem,
    WriteSystem,
    SupervisorCall,
    ExceptionReturn,
    Undefined,
#pragma warning restore CS1591

    /// <summary>The end of a column that a fault handler follows.</summary>
    End,

    /// <summary>Ours: the membarrier(2) system call.</summary>
    Membarrier,

    /// <summary>Ours: another system call of the kernel design, by name.</summary>
    Syscall,
}

/// <summary>Functions of two values.</summary>
public enum ArmFunction
{
#pragma warning disable CS1591 // the names are the architecture's
    None,
    Add,
    Sub,
    And,
    Orr,
    Eor,
    Bic,
    Orn,
    Eon,
    Lsl,
    Lsr,
    Asr,
    Ror,
    Mul,
    Clr,
    Set,
    Smax,
    Smin,
    Umax,
    Umin,
#pragma warning restore CS1591
}

/// <summary>Condition codes, in the order of their encoding (Arm ARM C1.2.4).</summary>
public enum ArmCondition
{
#pragma warning disable CS1591 // the names are the architecture's
    Eq,
    Ne,
    Cs,
    Cc,
    Mi,
    Pl,
    Vs,
    Vc,
    Hi,
    Ls,
    Ge,
    Lt,
    Gt,
    Le,
    Al,
    Nv,
#pragma warning restore CS1591
}

/// <summary>How an index or operand register is widened or shifted before use.</summary>
/// <param name="Kind">LSL, LSR, ASR, ROR, UXTB, UXTH, UXTW, UXTX, SXTB, SXTH, SXTW or SXTX.</param>
/// <param name="Amount">Bits to the left (right for LSR, ASR, ROR).</param>
public sealed record ArmShift(string Kind, int Amount);

/// <summary>An operand.</summary>
public abstract record ArmOperand;

/// <summary>A general register.</summary>
/// <param name="Number">0 to 30; 31 is the zero register.</param>
/// <param name="Width">Bytes: 4 or 8.</param>
/// <param name="Shift">What happens to its value first; <see langword="null"/> for nothing.</param>
public sealed record ArmRegister(int Number, int Width, ArmShift? Shift = null) : ArmOperand
{
    /// <summary>The number of the zero register.</summary>
    public const int Zero = 31;

    /// <summary>Whether it is the zero register, which takes no value.</summary>
    public bool IsZero => Number == Zero;
}

/// <summary>A constant.</summary>
/// <param name="Value">The constant.</param>
public sealed record ArmImmediate(long Value) : ArmOperand;

/// <summary>A place in the code: a label, or bytes from the instruction itself.</summary>
/// <param name="Label">The label; <see langword="null"/> for an offset.</param>
/// <param name="Offset">The offset.</param>
public sealed record ArmPlace(string? Label, long Offset) : ArmOperand;

/// <summary>A word: a condition, a barrier's domain, a system register, the name of a cache operation.</summary>
/// <param name="Text">In capitals.</param>
public sealed record ArmWord(string Text) : ArmOperand;

/// <summary>When the base register of an address is written back.</summary>
public enum ArmIndexing
{
    /// <summary>Never.</summary>
    None,

    /// <summary>With the address, before the access.</summary>
    Before,

    /// <summary>With base and offset, after an access at the base.</summary>
    After,
}

/// <summary>Memory.</summary>
/// <param name="Base">The base register.</param>
/// <param name="Offset">A constant or a register that is added; <see langword="null"/> for nothing.</param>
/// <param name="Indexing">When the base is written back.</param>
public sealed record ArmMemory(ArmRegister Base, ArmOperand? Offset, ArmIndexing Indexing) : ArmOperand;

/// <summary>One instruction.</summary>
public sealed class ArmInstruction : ITestInstruction
{
    /// <summary>What its mnemonic means.</summary>
    public required ArmMnemonic Mnemonic { get; init; }

    /// <summary>What it does.</summary>
    public ArmOpcode Opcode => Mnemonic.Opcode;

    /// <summary>The operands as written.</summary>
    public required IReadOnlyList<ArmOperand> Operands { get; init; }

    /// <inheritdoc/>
    public IReadOnlyList<string> SystemCall { get; init; } = [];

    /// <inheritdoc/>
    public MembarrierCommand? Command { get; init; }

    /// <inheritdoc/>
    public required SourcePosition Position { get; init; }

    /// <inheritdoc/>
    public required string Text { get; init; }

    /// <summary>The labels that it names.</summary>
    public IEnumerable<string> Labels =>
        Operands.OfType<ArmPlace>().Where(place => place.Label is not null).Select(place => place.Label!);

    /// <inheritdoc/>
    public override string ToString() => Text;
}
