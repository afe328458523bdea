using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>What an instruction does, in groups that are lowered alike.</summary>
internal enum AArch64Opcode
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
internal enum AArch64Function
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
internal enum AArch64Condition
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

/// <summary>One instruction.</summary>
internal sealed class AArch64Instruction : ITestInstruction
{
    /// <summary>Gets what its mnemonic means.</summary>
    public required AArch64Mnemonic Mnemonic { get; init; }

    /// <summary>Gets what it does.</summary>
    public AArch64Opcode Opcode => Mnemonic.Opcode;

    /// <summary>Gets the operands as written.</summary>
    public required IReadOnlyList<AArch64Operand> Operands { get; init; }

    /// <inheritdoc/>
    public IReadOnlyList<string> SystemCall { get; init; } = [];

    /// <inheritdoc/>
    public MembarrierCommand? Command { get; init; }

    /// <inheritdoc/>
    public required SourcePosition Position { get; init; }

    /// <inheritdoc/>
    public required string Text { get; init; }

    /// <summary>Gets the labels that it names.</summary>
    public IEnumerable<string> Labels =>
        Operands.OfType<AArch64Place>().Where(place => place.Label is not null).Select(place => place.Label!);

    /// <inheritdoc/>
    public override string ToString() => Text;
}
