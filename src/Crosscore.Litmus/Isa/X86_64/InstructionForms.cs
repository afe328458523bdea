namespace Crosscore.Litmus.Isa.X86_64;

using Code = Iced.Intel.Code; // not the namespace Crosscore.Code

/// <summary>
/// One encoding of an instruction for each operand width; <see cref="Code.INVALID"/> where the architecture has none.
/// </summary>
/// <param name="Byte">For 1 byte.</param>
/// <param name="Word">For 2 bytes.</param>
/// <param name="Double">For 4 bytes.</param>
/// <param name="Quad">For 8 bytes.</param>
internal readonly record struct ByWidth(Code Byte, Code Word, Code Double, Code Quad)
{
    /// <summary>Gets the encoding for a width in bytes.</summary>
    /// <param name="width">1, 2, 4 or 8.</param>
    public Code this[int width] =>
        width switch
        {
            1 => Byte,
            2 => Word,
            4 => Double,
            8 => Quad,
            _ => Code.INVALID,
        };
}

/// <summary>The encodings of a two-operand instruction, by what stands on either side.</summary>
/// <param name="FromRegister">A register into a register or memory.</param>
/// <param name="FromMemory">Memory into a register.</param>
/// <param name="FromImmediate">A constant into a register or memory.</param>
internal sealed record TwoOperandForms(ByWidth FromRegister, ByWidth FromMemory, ByWidth FromImmediate);

/// <summary>
/// Which encoding each instruction of a litmus test has: tables and nothing else, so that a wrong line shows when it is
/// read, and when its row of the instruction tests runs.
/// </summary>
internal static class InstructionForms
{
    private static readonly ByWidth None = new(Code.INVALID, Code.INVALID, Code.INVALID, Code.INVALID);

    /// <summary>Instructions with a source and a destination, of which one may be memory.</summary>
    public static readonly IReadOnlyDictionary<X86_64Opcode, TwoOperandForms> TwoOperands = new Dictionary<
        X86_64Opcode,
        TwoOperandForms
    >
    {
        [X86_64Opcode.Mov] = new(
            new(Code.Mov_rm8_r8, Code.Mov_rm16_r16, Code.Mov_rm32_r32, Code.Mov_rm64_r64),
            new(Code.Mov_r8_rm8, Code.Mov_r16_rm16, Code.Mov_r32_rm32, Code.Mov_r64_rm64),
            new(Code.Mov_rm8_imm8, Code.Mov_rm16_imm16, Code.Mov_rm32_imm32, Code.Mov_rm64_imm32)
        ),
        [X86_64Opcode.Add] = new(
            new(Code.Add_rm8_r8, Code.Add_rm16_r16, Code.Add_rm32_r32, Code.Add_rm64_r64),
            new(Code.Add_r8_rm8, Code.Add_r16_rm16, Code.Add_r32_rm32, Code.Add_r64_rm64),
            new(Code.Add_rm8_imm8, Code.Add_rm16_imm16, Code.Add_rm32_imm32, Code.Add_rm64_imm32)
        ),
        [X86_64Opcode.Sub] = new(
            new(Code.Sub_rm8_r8, Code.Sub_rm16_r16, Code.Sub_rm32_r32, Code.Sub_rm64_r64),
            new(Code.Sub_r8_rm8, Code.Sub_r16_rm16, Code.Sub_r32_rm32, Code.Sub_r64_rm64),
            new(Code.Sub_rm8_imm8, Code.Sub_rm16_imm16, Code.Sub_rm32_imm32, Code.Sub_rm64_imm32)
        ),
        [X86_64Opcode.And] = new(
            new(Code.And_rm8_r8, Code.And_rm16_r16, Code.And_rm32_r32, Code.And_rm64_r64),
            new(Code.And_r8_rm8, Code.And_r16_rm16, Code.And_r32_rm32, Code.And_r64_rm64),
            new(Code.And_rm8_imm8, Code.And_rm16_imm16, Code.And_rm32_imm32, Code.And_rm64_imm32)
        ),
        [X86_64Opcode.Or] = new(
            new(Code.Or_rm8_r8, Code.Or_rm16_r16, Code.Or_rm32_r32, Code.Or_rm64_r64),
            new(Code.Or_r8_rm8, Code.Or_r16_rm16, Code.Or_r32_rm32, Code.Or_r64_rm64),
            new(Code.Or_rm8_imm8, Code.Or_rm16_imm16, Code.Or_rm32_imm32, Code.Or_rm64_imm32)
        ),
        [X86_64Opcode.Xor] = new(
            new(Code.Xor_rm8_r8, Code.Xor_rm16_r16, Code.Xor_rm32_r32, Code.Xor_rm64_r64),
            new(Code.Xor_r8_rm8, Code.Xor_r16_rm16, Code.Xor_r32_rm32, Code.Xor_r64_rm64),
            new(Code.Xor_rm8_imm8, Code.Xor_rm16_imm16, Code.Xor_rm32_imm32, Code.Xor_rm64_imm32)
        ),
        [X86_64Opcode.Cmp] = new(
            new(Code.Cmp_rm8_r8, Code.Cmp_rm16_r16, Code.Cmp_rm32_r32, Code.Cmp_rm64_r64),
            new(Code.Cmp_r8_rm8, Code.Cmp_r16_rm16, Code.Cmp_r32_rm32, Code.Cmp_r64_rm64),
            new(Code.Cmp_rm8_imm8, Code.Cmp_rm16_imm16, Code.Cmp_rm32_imm32, Code.Cmp_rm64_imm32)
        ),
        [X86_64Opcode.Test] = new(
            new(Code.Test_rm8_r8, Code.Test_rm16_r16, Code.Test_rm32_r32, Code.Test_rm64_r64),
            None,
            new(Code.Test_rm8_imm8, Code.Test_rm16_imm16, Code.Test_rm32_imm32, Code.Test_rm64_imm32)
        ),
        [X86_64Opcode.Xchg] = new(
            new(Code.Xchg_rm8_r8, Code.Xchg_rm16_r16, Code.Xchg_rm32_r32, Code.Xchg_rm64_r64),
            None,
            None
        ),
        [X86_64Opcode.Xadd] = new(
            new(Code.Xadd_rm8_r8, Code.Xadd_rm16_r16, Code.Xadd_rm32_r32, Code.Xadd_rm64_r64),
            None,
            None
        ),
        [X86_64Opcode.Cmpxchg] = new(
            new(Code.Cmpxchg_rm8_r8, Code.Cmpxchg_rm16_r16, Code.Cmpxchg_rm32_r32, Code.Cmpxchg_rm64_r64),
            None,
            None
        ),
        [X86_64Opcode.Lea] = new(None, new(Code.INVALID, Code.Lea_r16_m, Code.Lea_r32_m, Code.Lea_r64_m), None),
    };

    /// <summary>Instructions whose operands may be named in either order, because they do the same both ways.</summary>
    public static bool IsSymmetric(X86_64Opcode opcode) => opcode is X86_64Opcode.Test or X86_64Opcode.Xchg;

    /// <summary>Instructions with one operand, a register or memory.</summary>
    public static readonly IReadOnlyDictionary<X86_64Opcode, ByWidth> OneOperand = new Dictionary<X86_64Opcode, ByWidth>
    {
        [X86_64Opcode.Inc] = new(Code.Inc_rm8, Code.Inc_rm16, Code.Inc_rm32, Code.Inc_rm64),
        [X86_64Opcode.Dec] = new(Code.Dec_rm8, Code.Dec_rm16, Code.Dec_rm32, Code.Dec_rm64),
        [X86_64Opcode.Neg] = new(Code.Neg_rm8, Code.Neg_rm16, Code.Neg_rm32, Code.Neg_rm64),
        [X86_64Opcode.Not] = new(Code.Not_rm8, Code.Not_rm16, Code.Not_rm32, Code.Not_rm64),
    };

    /// <summary>Shifts: by a constant and by cl.</summary>
    public static readonly IReadOnlyDictionary<X86_64Opcode, (ByWidth ByConstant, ByWidth ByCl)> Shifts =
        new Dictionary<X86_64Opcode, (ByWidth, ByWidth)>
        {
            [X86_64Opcode.Shl] = (
                new(Code.Shl_rm8_imm8, Code.Shl_rm16_imm8, Code.Shl_rm32_imm8, Code.Shl_rm64_imm8),
                new(Code.Shl_rm8_CL, Code.Shl_rm16_CL, Code.Shl_rm32_CL, Code.Shl_rm64_CL)
            ),
            [X86_64Opcode.Shr] = (
                new(Code.Shr_rm8_imm8, Code.Shr_rm16_imm8, Code.Shr_rm32_imm8, Code.Shr_rm64_imm8),
                new(Code.Shr_rm8_CL, Code.Shr_rm16_CL, Code.Shr_rm32_CL, Code.Shr_rm64_CL)
            ),
            [X86_64Opcode.Sar] = (
                new(Code.Sar_rm8_imm8, Code.Sar_rm16_imm8, Code.Sar_rm32_imm8, Code.Sar_rm64_imm8),
                new(Code.Sar_rm8_CL, Code.Sar_rm16_CL, Code.Sar_rm32_CL, Code.Sar_rm64_CL)
            ),
        };

    /// <summary>Widening moves, by the width they widen from; the index is the width they widen to.</summary>
    public static readonly IReadOnlyDictionary<(X86_64Opcode Opcode, int From), ByWidth> Extensions = new Dictionary<
        (X86_64Opcode, int),
        ByWidth
    >
    {
        [(X86_64Opcode.Movzx, 1)] = new(Code.INVALID, Code.Movzx_r16_rm8, Code.Movzx_r32_rm8, Code.Movzx_r64_rm8),
        [(X86_64Opcode.Movzx, 2)] = new(Code.INVALID, Code.INVALID, Code.Movzx_r32_rm16, Code.Movzx_r64_rm16),
        [(X86_64Opcode.Movsx, 1)] = new(Code.INVALID, Code.Movsx_r16_rm8, Code.Movsx_r32_rm8, Code.Movsx_r64_rm8),
        [(X86_64Opcode.Movsx, 2)] = new(Code.INVALID, Code.INVALID, Code.Movsx_r32_rm16, Code.Movsx_r64_rm16),
        [(X86_64Opcode.Movsx, 4)] = new(Code.INVALID, Code.INVALID, Code.INVALID, Code.Movsxd_r64_rm32),
    };

    /// <summary>Instructions without operands.</summary>
    public static readonly IReadOnlyDictionary<X86_64Opcode, Code> NoOperand = new Dictionary<X86_64Opcode, Code>
    {
        [X86_64Opcode.Mfence] = Code.Mfence,
        [X86_64Opcode.Sfence] = Code.Sfence,
        [X86_64Opcode.Lfence] = Code.Lfence,
        [X86_64Opcode.Nop] = Code.Nopd,
        [X86_64Opcode.Pause] = Code.Pause,
    };

    /// <summary>What depends on a condition: the move by width, the set, and the jump.</summary>
    public static readonly IReadOnlyDictionary<X86_64Condition, (ByWidth Move, Code Set, Code Jump)> Conditional =
        new Dictionary<X86_64Condition, (ByWidth, Code, Code)>
        {
            [X86_64Condition.O] = (
                new(Code.INVALID, Code.Cmovo_r16_rm16, Code.Cmovo_r32_rm32, Code.Cmovo_r64_rm64),
                Code.Seto_rm8,
                Code.Jo_rel32_64
            ),
            [X86_64Condition.No] = (
                new(Code.INVALID, Code.Cmovno_r16_rm16, Code.Cmovno_r32_rm32, Code.Cmovno_r64_rm64),
                Code.Setno_rm8,
                Code.Jno_rel32_64
            ),
            [X86_64Condition.B] = (
                new(Code.INVALID, Code.Cmovb_r16_rm16, Code.Cmovb_r32_rm32, Code.Cmovb_r64_rm64),
                Code.Setb_rm8,
                Code.Jb_rel32_64
            ),
            [X86_64Condition.Ae] = (
                new(Code.INVALID, Code.Cmovae_r16_rm16, Code.Cmovae_r32_rm32, Code.Cmovae_r64_rm64),
                Code.Setae_rm8,
                Code.Jae_rel32_64
            ),
            [X86_64Condition.E] = (
                new(Code.INVALID, Code.Cmove_r16_rm16, Code.Cmove_r32_rm32, Code.Cmove_r64_rm64),
                Code.Sete_rm8,
                Code.Je_rel32_64
            ),
            [X86_64Condition.Ne] = (
                new(Code.INVALID, Code.Cmovne_r16_rm16, Code.Cmovne_r32_rm32, Code.Cmovne_r64_rm64),
                Code.Setne_rm8,
                Code.Jne_rel32_64
            ),
            [X86_64Condition.Be] = (
                new(Code.INVALID, Code.Cmovbe_r16_rm16, Code.Cmovbe_r32_rm32, Code.Cmovbe_r64_rm64),
                Code.Setbe_rm8,
                Code.Jbe_rel32_64
            ),
            [X86_64Condition.A] = (
                new(Code.INVALID, Code.Cmova_r16_rm16, Code.Cmova_r32_rm32, Code.Cmova_r64_rm64),
                Code.Seta_rm8,
                Code.Ja_rel32_64
            ),
            [X86_64Condition.S] = (
                new(Code.INVALID, Code.Cmovs_r16_rm16, Code.Cmovs_r32_rm32, Code.Cmovs_r64_rm64),
                Code.Sets_rm8,
                Code.Js_rel32_64
            ),
            [X86_64Condition.Ns] = (
                new(Code.INVALID, Code.Cmovns_r16_rm16, Code.Cmovns_r32_rm32, Code.Cmovns_r64_rm64),
                Code.Setns_rm8,
                Code.Jns_rel32_64
            ),
            [X86_64Condition.L] = (
                new(Code.INVALID, Code.Cmovl_r16_rm16, Code.Cmovl_r32_rm32, Code.Cmovl_r64_rm64),
                Code.Setl_rm8,
                Code.Jl_rel32_64
            ),
            [X86_64Condition.Ge] = (
                new(Code.INVALID, Code.Cmovge_r16_rm16, Code.Cmovge_r32_rm32, Code.Cmovge_r64_rm64),
                Code.Setge_rm8,
                Code.Jge_rel32_64
            ),
            [X86_64Condition.Le] = (
                new(Code.INVALID, Code.Cmovle_r16_rm16, Code.Cmovle_r32_rm32, Code.Cmovle_r64_rm64),
                Code.Setle_rm8,
                Code.Jle_rel32_64
            ),
            [X86_64Condition.G] = (
                new(Code.INVALID, Code.Cmovg_r16_rm16, Code.Cmovg_r32_rm32, Code.Cmovg_r64_rm64),
                Code.Setg_rm8,
                Code.Jg_rel32_64
            ),
        };

    /// <summary>
    /// Instructions that take a lock prefix when their destination is memory; with anything else the processor faults
    /// (Intel SDM vol. 2, LOCK).
    /// </summary>
    public static bool IsLockable(X86_64Opcode opcode) =>
        opcode
            is X86_64Opcode.Add
                or X86_64Opcode.Sub
                or X86_64Opcode.And
                or X86_64Opcode.Or
                or X86_64Opcode.Xor
                or X86_64Opcode.Inc
                or X86_64Opcode.Dec
                or X86_64Opcode.Neg
                or X86_64Opcode.Not
                or X86_64Opcode.Xchg
                or X86_64Opcode.Xadd
                or X86_64Opcode.Cmpxchg;
}
