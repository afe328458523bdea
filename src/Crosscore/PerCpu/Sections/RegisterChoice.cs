using Crosscore.Isa;

namespace Crosscore.PerCpu;

/// <summary>
/// Gives each value of a section a register from its making to its last use. Nothing is ever spilled to the stack: a
/// section that needs more registers than there are is refused. Arguments stay in theirs to the end, because a restart
/// begins with them again.
/// </summary>
internal sealed class RegisterChoice
{
    private static readonly Gpr[] ArgumentRegisters = [Gpr.Rsi, Gpr.Rdx, Gpr.Rcx, Gpr.R8];

    private readonly Gpr[] _registers;

    private RegisterChoice(Gpr[] registers) => _registers = registers;

    public Gpr this[int value] => _registers[value];

    /// <summary>Returns null where registers do not suffice.</summary>
    public static RegisterChoice? Choose(SectionProgram program)
    {
        var registers = new Gpr[program.Values];
        for (int argument = 0; argument < program.Arguments; argument++)
        {
            registers[argument] = ArgumentRegisters[argument];
        }

        // RAX is the slot, RDI the slots, R11 the scratch register; the others would have to be saved.
        var free = new Stack<Gpr>(ArgumentRegisters.AsSpan(program.Arguments).ToArray().Reverse());
        free.Push(Gpr.R10);
        free.Push(Gpr.R9);

        int[] last = LastUses(program);
        // The index of the slot is taken at the very beginning, where it still is in a register.
        foreach (SectionStep step in program.Steps.Where(step => step.Operation == SectionOperation.ThisSlot))
        {
            if (!free.TryPop(out registers[step.Target]))
            {
                return null;
            }
        }

        for (int at = 0; at < program.Steps.Length; at++)
        {
            SectionStep step = program.Steps[at];
            if (
                step.Target != SectionStep.None
                && step.Operation != SectionOperation.ThisSlot
                && !free.TryPop(out registers[step.Target])
            )
            {
                return null;
            }

            for (int value = program.Arguments; value < program.Values; value++)
            {
                // Freed only after the target has been chosen, so that a step never overwrites what it still reads.
                if (last[value] == at)
                {
                    free.Push(registers[value]);
                }
            }
        }

        return new RegisterChoice(registers);
    }

    private static int[] LastUses(SectionProgram program)
    {
        int[] last = new int[program.Values];
        for (int at = 0; at < program.Steps.Length; at++)
        {
            foreach (
                int value in (ReadOnlySpan<int>)[program.Steps[at].Target, program.Steps[at].A, program.Steps[at].B]
            )
            {
                if (value != SectionStep.None)
                {
                    last[value] = at;
                }
            }
        }

        if (program.Result != SectionStep.None)
        {
            last[program.Result] = program.Steps.Length; // read after the commit
        }

        return last;
    }
}
