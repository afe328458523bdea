using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Lowering;

/// <summary>
/// Refuses a column that looks at a flag which the manual leaves undefined: the overflow flag after a shift by more
/// than one, the carry after a shift by the whole width or more, all of them after a shift by %cl. Processors differ
/// there, so a verdict would be about one of them.
/// </summary>
internal static class FlagChecker
{
    private const ulong All = X86Arithmetic.Carry | X86Arithmetic.Zero | X86Arithmetic.Sign | X86Arithmetic.Overflow;

    public static void Check(LitmusTest test, LitmusThread thread)
    {
        ulong[] undefined = Undefined(thread);
        for (int index = 0; index < thread.Code.Count; index++)
        {
            X86Instruction instruction = thread.Code[index];
            bool looks = instruction.Opcode is X86Opcode.Jcc or X86Opcode.Cmov or X86Opcode.Set;
            if (looks && (undefined[index] & X86Arithmetic.FlagsOf(instruction.Condition)) != 0)
            {
                throw new LitmusException(
                    test.File,
                    instruction.Position,
                    $"found {instruction}, which looks at a flag that an earlier shift leaves undefined"
                );
            }
        }
    }

    // The union over all paths from the start, by repetition until nothing is added.
    private static ulong[] Undefined(LitmusThread thread)
    {
        ulong[] before = new ulong[thread.Code.Count + 1];
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int index = 0; index < thread.Code.Count; index++)
            {
                X86Instruction instruction = thread.Code[index];
                ulong after = After(instruction, before[index]);
                if (instruction.Target is string target)
                {
                    changed |= Add(before, thread.Labels[target], after);
                }

                // From every instruction of a section a restart goes to its abort.
                for (
                    int inside = index + 1;
                    instruction.Opcode == X86Opcode.Rseq && inside < thread.Labels[instruction.SectionEnd!];
                    inside++
                )
                {
                    changed |= Add(before, thread.Labels[instruction.SectionAbort!], before[inside]);
                }

                if (instruction.Opcode is not (X86Opcode.Jmp or X86Opcode.Ret))
                {
                    changed |= Add(before, index + 1, after);
                }
            }
        }

        return before;
    }

    private static bool Add(ulong[] sets, int index, ulong flags)
    {
        ulong old = sets[index];
        sets[index] |= flags;
        return sets[index] != old;
    }

    private static ulong After(X86Instruction instruction, ulong before)
    {
        switch (instruction.Opcode)
        {
            case X86Opcode.Add
            or X86Opcode.Sub
            or X86Opcode.And
            or X86Opcode.Or
            or X86Opcode.Xor
            or X86Opcode.Cmp
            or X86Opcode.Test
            or X86Opcode.Neg
            or X86Opcode.Xadd
            or X86Opcode.Cmpxchg:
                return 0;
            case X86Opcode.Inc or X86Opcode.Dec:
                return before & X86Arithmetic.Carry;
            case X86Opcode.Shl or X86Opcode.Shr or X86Opcode.Sar:
                if (instruction.Operands[0] is not ImmediateOperand immediate)
                {
                    return All;
                }

                int count = (int)(immediate.Value & (instruction.Width == 8 ? 63 : 31));
                return count == 0
                    ? before
                    : (count > 1 ? X86Arithmetic.Overflow : 0)
                        | (
                            count >= 8 * instruction.Width && instruction.Opcode != X86Opcode.Sar
                                ? X86Arithmetic.Carry
                                : 0
                        );
            default:
                return before;
        }
    }
}
