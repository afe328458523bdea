using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Syntax.AArch64;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>Instructions that touch registers only.</summary>
internal sealed partial class ArmLowering
{
    private void LowerArithmetic(ArmInstruction instruction, int index)
    {
        switch (instruction.Opcode)
        {
            case ArmOpcode.Move:
                LowerMove(instruction);
                break;
            case ArmOpcode.MoveKeep:
                var kept = (ArmRegister)instruction.Operands[0];
                int shift = ShiftOf(instruction.Operands)?.Amount ?? 0;
                ulong half = (ulong)((ArmImmediate)instruction.Operands[1]).Value << shift;
                ulong mask = 0xFFFFUL << shift;
                Write(kept, Compute((a, _) => (a & ~mask) | half, Read(kept), default));
                break;
            case ArmOpcode.Compute or ArmOpcode.Compare:
                LowerFunction(instruction);
                break;
            case ArmOpcode.Select:
                LowerSelect(instruction);
                break;
            case ArmOpcode.Extend:
                var widened = (ArmRegister)instruction.Operands[0];
                int from = instruction.Mnemonic.AccessWidth;
                bool signed = instruction.Mnemonic.IsSigned;
                Write(
                    widened,
                    Compute(
                        (a, _) =>
                            signed
                                ? DataType.Truncate(ArmArithmetic.SignExtend(a, from), widened.Width)
                                : DataType.Truncate(a, from),
                        Read((ArmRegister)instruction.Operands[1]),
                        default
                    )
                );
                break;
            default:
                ulong address = AddressOf((ArmPlace)instruction.Operands[1], index);
                Write(
                    (ArmRegister)instruction.Operands[0],
                    Operand.Number(instruction.Mnemonic.Name == "ADRP" ? address & ~0xFFFUL : address)
                );
                break;
        }
    }

    private ulong AddressOf(ArmPlace place, int index) =>
        place.Label is string label
            ? CodeLayout.AddressOf(_column, Test.Threads[_column].Labels[label])
            : CodeLayout.AddressOf(_column, index) + (ulong)place.Offset;

    private static ArmShift? ShiftOf(IReadOnlyList<ArmOperand> operands) =>
        operands[^1] is ArmWord word && word.Text.Split(' ') is [string kind, string amount]
            ? new ArmShift(kind, int.Parse(amount, System.Globalization.CultureInfo.InvariantCulture))
            : null;

    private Operand Value(ArmOperand operand, ArmShift? shift, int width) =>
        operand switch
        {
            ArmImmediate constant => Operand.Number(
                DataType.Truncate((ulong)constant.Value << (shift?.Amount ?? 0), width)
            ),
            ArmRegister register => Read(shift is null ? register : register with { Shift = shift }),
            _ => throw new InvalidOperationException($"Crosscore bug: {operand} is no value."),
        };

    private void LowerMove(ArmInstruction instruction)
    {
        var destination = (ArmRegister)instruction.Operands[0];
        Operand value = Value(instruction.Operands[1], ShiftOf(instruction.Operands), destination.Width);
        Write(
            destination,
            instruction.Mnemonic.Function == ArmFunction.None
                ? value
                : Compute(ArmArithmetic.Of(instruction.Mnemonic.Function, destination.Width), Operand.Number(0), value)
        );
    }

    private void LowerFunction(ArmInstruction instruction)
    {
        bool compares = instruction.Opcode == ArmOpcode.Compare;
        var first = (ArmRegister)instruction.Operands[compares ? 0 : 1];
        int width = compares ? first.Width : ((ArmRegister)instruction.Operands[0]).Width;
        Operand left = Read(first);
        Operand right = Value(instruction.Operands[compares ? 1 : 2], ShiftOf(instruction.Operands), width);
        ArmFunction function = instruction.Mnemonic.Function;
        Operand result = compares ? default : Compute(ArmArithmetic.Of(function, width), left, right);
        if (instruction.Mnemonic.SetsFlags)
        {
            Emit(MicroOp.Compute(Flags.Register, ArmArithmetic.Flags(function, width), left, right));
        }

        if (!compares)
        {
            Write((ArmRegister)instruction.Operands[0], result);
        }
    }

    // The condition picks a source: the result depends on that source as data, and on the condition by a pick
    // dependency only.
    private void LowerSelect(ArmInstruction instruction)
    {
        IReadOnlyList<ArmOperand> operands = instruction.Operands;
        string name = instruction.Mnemonic.Name;
        var destination = (ArmRegister)operands[0];
        ArmCondition condition = ArmMnemonic.FindCondition(((ArmWord)operands[^1]).Text)!.Value;
        var zero = new ArmRegister(ArmRegister.Zero, destination.Width);

        // CSET and its kind are the other names of CSINC and its kind with the condition turned round.
        bool turned = name is "CSET" or "CSETM" or "CINC" or "CINV" or "CNEG";
        ArmRegister then = operands.Count > 2 ? (ArmRegister)operands[1] : zero;
        ArmRegister otherwise = operands.Count > 3 ? (ArmRegister)operands[2] : then;
        ArmFunction function = instruction.Mnemonic.Function;
        int result = Temporary();
        Operand holds = Compute(ArmArithmetic.Holds(condition), Flags, default);
        int branch = Ops.Count;
        Emit(MicroOp.Branch(holds, 0) with { IsPredicate = true });
        EmitChoice(turned);
        int jump = Ops.Count;
        Emit(MicroOp.Jump(0));
        Ops[branch] = Ops[branch] with { Target = Ops.Count };
        EmitChoice(!turned);
        Ops[jump] = Ops[jump] with { Target = Ops.Count };
        Write(destination, Operand.Of(result));

        void EmitChoice(bool first)
        {
            Operand value = Read(first ? then : otherwise);
            Operand chosen =
                first || function == ArmFunction.None ? value
                : function == ArmFunction.Add
                    ? Compute(ArmArithmetic.Of(function, destination.Width), value, Operand.Number(1))
                : Compute(ArmArithmetic.Of(function, destination.Width), Operand.Number(0), value);
            Emit(MicroOp.Copy(result, chosen) with { Pick = Flags });
        }
    }
}
