using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>A column of an X86_64 test.</summary>
internal sealed class X86_64Column(int id, LitmusScanner scanner, InitialState state)
    : Column<X86_64Instruction>(id, scanner, end: null)
{
    private readonly X86_64Parser _parser = new(scanner, state.Locations);

    protected override X86_64Instruction Parse() => _parser.Parse();

    protected override void Check(IReadOnlyDictionary<string, int> labels)
    {
        foreach (X86_64Instruction instruction in Instructions)
        {
            if (instruction.Target is string target && !labels.ContainsKey(target))
            {
                throw Scanner.Error(
                    instruction.Position,
                    $"found a jump to {target}, expected a label of column P{Id}: {string.Join(", ", labels.Keys)}"
                );
            }
        }

        for (int index = 0; index < Instructions.Count; index++)
        {
            if (Instructions[index].Opcode == X86_64Opcode.Rseq)
            {
                CheckSection(labels, index);
            }
        }
    }

    private void CheckSection(IReadOnlyDictionary<string, int> labels, int index)
    {
        X86_64Instruction rseq = Instructions[index];
        foreach (
            string label in new[] { rseq.SectionEnd!, rseq.SectionAbort! }.Where(label => !labels.ContainsKey(label))
        )
        {
            throw Scanner.Error(
                rseq.Position,
                $"found the label {label}, expected one of column P{Id}: {string.Join(", ", labels.Keys)}"
            );
        }

        int end = labels[rseq.SectionEnd!];
        int abort = labels[rseq.SectionAbort!];
        if (end <= index + 1)
        {
            throw Scanner.Error(
                rseq.Position,
                $"found a section that ends at {rseq.SectionEnd}, "
                    + "expected a label behind at least one instruction more"
            );
        }

        if (abort > index && abort < end)
        {
            throw Scanner.Error(
                rseq.Position,
                $"found a section that restarts at {rseq.SectionAbort} "
                    + "within itself, expected a label outside of it"
            );
        }

        if (
            Instructions
                .Take(end)
                .Skip(index + 1)
                .FirstOrDefault(inside =>
                    inside.Opcode is X86_64Opcode.Membarrier or X86_64Opcode.Syscall or X86_64Opcode.Rseq
                ) is
            { } forbidden
        )
        {
            throw Scanner.Error(
                forbidden.Position,
                $"found {forbidden} in a restartable section, which the kernel forbids; expected it outside"
            );
        }
    }
}
