namespace Crosscore.Isa;

/// <summary>Which table an opcode is looked up in.</summary>
internal enum X86_64OpcodeMap
{
    /// <summary>One byte.</summary>
    Primary,

    /// <summary>Behind 0F.</summary>
    Map0F,

    /// <summary>Behind 0F 38.</summary>
    Map0F38,

    /// <summary>Behind 0F 3A.</summary>
    Map0F3A,

    /// <summary>
    /// Behind a VEX, EVEX or XOP prefix. None of these branches, and none but by ModRM depends on where it stands.
    /// </summary>
    Vector,
}

/// <summary>How an instruction names the place where execution may continue, relative to its end.</summary>
internal enum X86_64Branch
{
    /// <summary>
    /// It does not: the next instruction follows it, or a register, memory or the stack says where it is.
    /// </summary>
    None,

    /// <summary>jmp rel8 or rel32.</summary>
    Jump,

    /// <summary>jcc rel8 or rel32.</summary>
    Conditional,

    /// <summary>loopne, loope, loop, jrcxz: rel8 only.</summary>
    Loop,

    /// <summary>call rel32.</summary>
    Call,

    /// <summary>xbegin rel32: where execution continues when the transaction is aborted.</summary>
    Transaction,
}

/// <summary>The prefixes that matter to length and meaning.</summary>
[Flags]
internal enum X86_64Prefixes
{
    None = 0,
    OperandSize = 1,
    AddressSize = 2,
    RepeatNotEqual = 4,
    Repeat = 8,
    Lock = 16,
    Segment = 32,
}

/// <summary>
/// The parts of one instruction, as offsets from its first byte. What is absent has the offset 0, where a prefix or the
/// opcode stands.
/// </summary>
/// <param name="Length">In bytes, 1 to 15.</param>
/// <param name="Map">The opcode's table.</param>
/// <param name="Opcode">The last byte of the opcode.</param>
/// <param name="Prefixes">Legacy prefixes.</param>
/// <param name="Rex">The REX prefix that counts, or 0.</param>
/// <param name="OpcodeOffset">Where the opcode proper begins, 0F included; prefixes stand before it.</param>
/// <param name="ModRmOffset">Of the ModRM byte.</param>
/// <param name="DisplacementOffset">Of the displacement.</param>
/// <param name="DisplacementSize">0, 1 or 4.</param>
/// <param name="ImmediateOffset">Of the immediate, or of a branch's distance.</param>
/// <param name="ImmediateSize">Its size in bytes.</param>
/// <param name="IsRipRelative">Whether a memory operand is addressed relative to the end of the instruction.</param>
/// <param name="Branch">Whether the immediate is a distance.</param>
internal readonly record struct X86_64Instruction(
    int Length,
    X86_64OpcodeMap Map,
    byte Opcode,
    X86_64Prefixes Prefixes,
    byte Rex,
    int OpcodeOffset,
    int ModRmOffset,
    int DisplacementOffset,
    int DisplacementSize,
    int ImmediateOffset,
    int ImmediateSize,
    bool IsRipRelative,
    X86_64Branch Branch
)
{
    /// <summary>Whether it is a NOP, in one of the forms that compilers and this library's users write.</summary>
    public bool HasNoEffect =>
        this switch
        {
            { Map: X86_64OpcodeMap.Primary, Opcode: 0x90 } => (Rex & 1) == 0
                && !Prefixes.HasFlag(X86_64Prefixes.Repeat), // Not xchg r8, rax; not pause.
            { Map: X86_64OpcodeMap.Map0F, Opcode: 0x1F } => true,
            _ => false,
        };

    /// <summary>The distance of a branch, from the end of the instruction.</summary>
    public int Distance(ReadOnlySpan<byte> instruction) =>
        ImmediateSize == 1
            ? (sbyte)instruction[ImmediateOffset]
            : System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(instruction[ImmediateOffset..]);
}
