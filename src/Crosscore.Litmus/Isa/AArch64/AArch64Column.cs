using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>A column of an AArch64 test.</summary>
internal sealed class AArch64Column(int id, LitmusScanner scanner) : Column<AArch64Instruction>(id, scanner, End)
{
    private readonly AArch64Parser _parser = new(scanner);

    private static AArch64Instruction End { get; } =
        new()
        {
            Mnemonic = new AArch64Mnemonic("END", AArch64Opcode.End),
            Operands = [],
            Position = default,
            Text = "",
        };

    // An undeclared location is as wide as what accesses it by the register that it starts in.
    public override void NoteAccesses(InitialState state)
    {
        Dictionary<TestRegister, InitialValue> registers = state.Registers.Of(Id);
        foreach (AArch64Instruction instruction in Instructions)
        {
            if (
                instruction.Operands.OfType<AArch64Memory>().FirstOrDefault() is AArch64Memory memory
                && instruction.Mnemonic.AccessWidth == 0
                && instruction.Opcode != AArch64Opcode.Nop
                && registers.TryGetValue(AArch64Registers.ToTest(memory.Base.Number), out InitialValue value)
                && value.AddressOf is string name
            )
            {
                int data = instruction.Opcode == AArch64Opcode.StoreExclusive ? 1 : 0;
                state.Locations.Mention(
                    name,
                    instruction.Position,
                    ((AArch64Register)instruction.Operands[data]).Width
                );
            }
        }
    }

    protected override AArch64Instruction Parse() => _parser.Parse();

    protected override void Check(IReadOnlyDictionary<string, int> labels)
    {
        foreach (AArch64Instruction instruction in Instructions)
        {
            foreach (string label in instruction.Labels.Where(label => !labels.ContainsKey(label)))
            {
                throw Scanner.Error(
                    instruction.Position,
                    $"found {label}, expected a label of column P{Id}: {string.Join(", ", labels.Keys)}"
                );
            }
        }
    }
}
