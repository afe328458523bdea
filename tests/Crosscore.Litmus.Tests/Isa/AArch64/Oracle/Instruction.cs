namespace Crosscore.Litmus.Tests.Isa.AArch64.Oracle;

/// <summary>
/// An instruction as the oracle understands it. Registers are numbers: 0 to 30, <see cref="Zero"/>, and
/// <see cref="Flags"/> for the condition flags (N, Z, C, V from bit 3 down), which carry dependencies as any other
/// register does.
/// </summary>
internal abstract record Instruction
{
    public const int Zero = 31;
    public const int Flags = 32;
    public const int RegisterCount = 33;
}

/// <summary>
/// A function of registers. Its result depends on all of them, whatever their values: EOR of a register with itself is
/// a dependency.
/// </summary>
internal sealed record Operate(
    int Target,
    int[] Sources,
    Func<ulong[], ulong> Result,
    Func<ulong[], ulong>? NewFlags = null
) : Instruction;

/// <summary>
/// CSEL and its kin: the chosen register is a data dependency, the flags only a pick dependency, the other register
/// none.
/// </summary>
internal sealed record Select(
    int Target,
    int IfTrue,
    int IfFalse,
    Func<ulong, bool> Holds,
    Func<ulong, ulong> WhenTrue,
    Func<ulong, ulong> WhenFalse
) : Instruction;

/// <summary>
/// A jump, conditional on one register unless <see cref="Source"/> is <see cref="Instruction.Zero"/> and it is always
/// taken.
/// </summary>
internal sealed record Jump(string Label, int Source, Func<ulong, bool> Taken, bool IsConditional) : Instruction;

/// <summary>DMB and DSB in their kinds, ISB, and what does nothing.</summary>
internal sealed record Barrier(BarrierKind Kind) : Instruction;

internal enum BarrierKind
{
    None,
    DmbFull,
    DmbLoad,
    DmbStore,
    DsbFull,
    DsbLoad,
    DsbStore,
    Isb,
}

/// <summary>
/// Where an access goes: base, index and offset; <see cref="WriteBack"/> is what the base gains, if it is written.
/// </summary>
internal sealed record Address(int Base, int Index, Func<ulong, ulong> Extend, long Offset, long? WriteBack)
{
    public static Address Of(int register) => new(register, Instruction.Zero, value => value, 0, null);
}

/// <summary>The ordering that an access carries of itself.</summary>
[Flags]
internal enum Annotation
{
    None = 0,

    /// <summary>A: load-acquire.</summary>
    Acquire = 1,

    /// <summary>Q: load-acquire of LDAPR, which may pass an earlier store-release.</summary>
    AcquirePc = 2,

    /// <summary>L: store-release.</summary>
    Release = 4,

    /// <summary>
    /// The read of an atomic whose result goes nowhere: DMB LD does not order it, and it is no acquire.
    /// </summary>
    NoReturn = 8,
}

/// <summary>
/// One load, or a pair of them at consecutive addresses; <see cref="Ordered"/> pairs (LDIAPP) happen first to last.
/// </summary>
internal sealed record Load(
    int[] Targets,
    Address Address,
    int Size,
    Func<ulong, ulong> Extend,
    Annotation Annotation,
    bool Exclusive,
    bool Ordered
) : Instruction;

/// <summary>One store or a pair; <see cref="Ordered"/> is STILP.</summary>
internal sealed record Store(int[] Sources, Address Address, int Size, Annotation Annotation, bool Ordered)
    : Instruction;

internal sealed record StoreExclusive(int Status, int Source, Address Address, int Size, Annotation Annotation)
    : Instruction;

/// <summary>
/// SWP and the LD&lt;op&gt; family; a target of <see cref="Instruction.Zero"/> is also ST&lt;op&gt;.
/// <see cref="Update"/> is of the old value and the operand.
/// </summary>
internal sealed record Atomic(
    int Operand,
    int Target,
    Address Address,
    int Size,
    Func<ulong, ulong, ulong> Update,
    bool IsSwap,
    Annotation Annotation
) : Instruction;

internal sealed record CompareSwap(int Compare, int Source, Address Address, int Size, Annotation Annotation)
    : Instruction;
