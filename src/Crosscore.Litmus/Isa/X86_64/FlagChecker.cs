using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// Refuses a column that looks at a flag which the manual leaves undefined: the overflow flag after a shift by more
/// than one, the carry after a shift by the whole width or more, all of them after a shift by %cl. Processors differ
/// there, so a verdict would be about one of them.
/// </summary>
internal static class FlagChecker
{
    private const ulong All =
        X86_64Arithmetic.Carry | X86_64Arithmetic.Zero | X86_64Arithmetic.Sign | X86_64Arithmetic.Overflow;

    public static void Check(LitmusTest test, LitmusThread thread)
    {
        IReadOnlyList<X86_64Instruction> code = thread.InstructionsAs<X86_64Instruction>();
        ulong[] undefined = Undefined(thread, code);
        for (int index = 0; index < code.Count; index++)
        {
            X86_64Instruction instruction = code[index];
            bool looks = instruction.Opcode is X86_64Opcode.Jcc or X86_64Opcode.Cmov or X86_64Opcode.Set;
            if (looks && (undefined[index] & X86_64Arithmetic.FlagsOf(instruction.Condition)) != 0)
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
    private static ulong[] Undefined(LitmusThread thread, IReadOnlyList<X86_64Instruction> code)
    {
        ulong[] before = new ulong[code.Count + 1];
        bool changed = true;
        while (changed)
        {
            changed = false;
            for (int index = 0; index < code.Count; index++)
            {
                X86_64Instruction instruction = code[index];
                ulong after = After(instruction, before[index]);
                if (instruction.Target is string target)
                {
                    changed |= Add(before, thread.Labels[target], after);
                }

                // From every instruction of a section a restart goes to its abort.
                for (
                    int inside = index + 1;
                    instruction.Opcode == X86_64Opcode.Rseq && inside < thread.Labels[instruction.SectionEnd!];
                    inside++
                )
                {
                    changed |= Add(before, thread.Labels[instruction.SectionAbort!], before[inside]);
                }

                if (instruction.Opcode is not (X86_64Opcode.Jmp or X86_64Opcode.Ret))
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

    private static ulong After(X86_64Instruction instruction, ulong before)
    {
        switch (instruction.Opcode)
        {
            case X86_64Opcode.Add
            or X86_64Opcode.Sub
            or X86_64Opcode.And
            or X86_64Opcode.Or
            or X86_64Opcode.Xor
            or X86_64Opcode.Cmp
            or X86_64Opcode.Test
            or X86_64Opcode.Neg
            or X86_64Opcode.Xadd
            or X86_64Opcode.Cmpxchg:
                return 0;
            case X86_64Opcode.Inc or X86_64Opcode.Dec:
                return before & X86_64Arithmetic.Carry;
            case X86_64Opcode.Shl or X86_64Opcode.Shr or X86_64Opcode.Sar:
                if (instruction.Operands[0] is not X86_64ImmediateOperand immediate)
                {
                    return All;
                }

                int count = (int)(immediate.Value & (instruction.Width == 8 ? 63 : 31));
                return count == 0
                    ? before
                    : (count > 1 ? X86_64Arithmetic.Overflow : 0)
                        | (
                            count >= 8 * instruction.Width && instruction.Opcode != X86_64Opcode.Sar
                                ? X86_64Arithmetic.Carry
                                : 0
                        );
            default:
                return before;
        }
    }
}
