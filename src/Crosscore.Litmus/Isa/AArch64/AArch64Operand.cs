namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>How an index or operand register is widened or shifted before use.</summary>
/// <param name="Kind">LSL, LSR, ASR, ROR, UXTB, UXTH, UXTW, UXTX, SXTB, SXTH, SXTW or SXTX.</param>
/// <param name="Amount">Bits to the left (right for LSR, ASR, ROR).</param>
internal sealed record AArch64Shift(string Kind, int Amount);

/// <summary>An operand.</summary>
internal abstract record AArch64Operand;

/// <summary>A general register.</summary>
/// <param name="Number">0 to 30; 31 is the zero register.</param>
/// <param name="Width">Bytes: 4 or 8.</param>
/// <param name="Shift">What happens to its value first; <see langword="null"/> for nothing.</param>
internal sealed record AArch64Register(int Number, int Width, AArch64Shift? Shift = null) : AArch64Operand
{
    /// <summary>The number of the zero register.</summary>
    public const int Zero = 31;

    /// <summary>Whether it is the zero register, which takes no value.</summary>
    public bool IsZero => Number == Zero;
}

/// <summary>A constant.</summary>
/// <param name="Value">The constant.</param>
internal sealed record AArch64Immediate(long Value) : AArch64Operand;

/// <summary>A place in the code: a label, or bytes from the instruction itself.</summary>
/// <param name="Label">The label; <see langword="null"/> for an offset.</param>
/// <param name="Offset">The offset.</param>
internal sealed record AArch64Place(string? Label, long Offset) : AArch64Operand;

/// <summary>A word: a condition, a barrier's domain, a system register, the name of a cache operation.</summary>
/// <param name="Text">In capitals.</param>
internal sealed record AArch64Word(string Text) : AArch64Operand;

/// <summary>When the base register of an address is written back.</summary>
internal enum AArch64Indexing
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
internal sealed record AArch64Memory(AArch64Register Base, AArch64Operand? Offset, AArch64Indexing Indexing)
    : AArch64Operand;
