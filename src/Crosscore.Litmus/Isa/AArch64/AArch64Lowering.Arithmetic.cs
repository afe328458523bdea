using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Instructions that touch registers only.</summary>
internal sealed partial class AArch64Lowering
{
    private void LowerArithmetic(AArch64Instruction instruction, int index)
    {
        switch (instruction.Opcode)
        {
            case AArch64Opcode.Move:
                LowerMove(instruction);
                break;
            case AArch64Opcode.MoveKeep:
                var kept = (AArch64Register)instruction.Operands[0];
                int shift = ShiftOf(instruction.Operands)?.Amount ?? 0;
                ulong half = (ulong)((AArch64Immediate)instruction.Operands[1]).Value << shift;
                ulong mask = 0xFFFFUL << shift;
                Write(kept, Compute((a, _) => (a & ~mask) | half, Read(kept), default));
                break;
            case AArch64Opcode.Compute or AArch64Opcode.Compare:
                LowerFunction(instruction);
                break;
            case AArch64Opcode.Select:
                LowerSelect(instruction);
                break;
            case AArch64Opcode.Extend:
                var widened = (AArch64Register)instruction.Operands[0];
                int from = instruction.Mnemonic.AccessWidth;
                bool signed = instruction.Mnemonic.IsSigned;
                Write(
                    widened,
                    Compute(
                        (a, _) =>
                            signed
                                ? DataType.Truncate(AArch64Arithmetic.SignExtend(a, from), widened.Width)
                                : DataType.Truncate(a, from),
                        Read((AArch64Register)instruction.Operands[1]),
                        default
                    )
                );
                break;
            default:
                ulong address = AddressOf((AArch64Place)instruction.Operands[1], index);
                Write(
                    (AArch64Register)instruction.Operands[0],
                    Operand.Number(instruction.Mnemonic.Name == "ADRP" ? address & ~0xFFFUL : address)
                );
                break;
        }
    }

    private ulong AddressOf(AArch64Place place, int index) =>
        place.Label is string label
            ? CodeLayout.AddressOf(_column, Test.Threads[_column].Labels[label])
            : CodeLayout.AddressOf(_column, index) + (ulong)place.Offset;

    private static AArch64Shift? ShiftOf(IReadOnlyList<AArch64Operand> operands) =>
        operands[^1] is AArch64Word word && word.Text.Split(' ') is [string kind, string amount]
            ? new AArch64Shift(kind, int.Parse(amount, System.Globalization.CultureInfo.InvariantCulture))
            : null;

    private Operand Value(AArch64Operand operand, AArch64Shift? shift, int width) =>
        operand switch
        {
            AArch64Immediate constant => Operand.Number(
                DataType.Truncate((ulong)constant.Value << (shift?.Amount ?? 0), width)
            ),
            AArch64Register register => Read(shift is null ? register : register with { Shift = shift }),
            _ => throw new InvalidOperationException($"Crosscore bug: {operand} is no value."),
        };

    private void LowerMove(AArch64Instruction instruction)
    {
        var destination = (AArch64Register)instruction.Operands[0];
        Operand value = Value(instruction.Operands[1], ShiftOf(instruction.Operands), destination.Width);
        Write(
            destination,
            instruction.Mnemonic.Function == AArch64Function.None
                ? value
                : Compute(
                    AArch64Arithmetic.Of(instruction.Mnemonic.Function, destination.Width),
                    Operand.Number(0),
                    value
                )
        );
    }

    private void LowerFunction(AArch64Instruction instruction)
    {
        bool compares = instruction.Opcode == AArch64Opcode.Compare;
        var first = (AArch64Register)instruction.Operands[compares ? 0 : 1];
        int width = compares ? first.Width : ((AArch64Register)instruction.Operands[0]).Width;
        Operand left = Read(first);
        Operand right = Value(instruction.Operands[compares ? 1 : 2], ShiftOf(instruction.Operands), width);
        AArch64Function function = instruction.Mnemonic.Function;
        Operand result = compares ? default : Compute(AArch64Arithmetic.Of(function, width), left, right);
        if (instruction.Mnemonic.SetsFlags)
        {
            Emit(MicroOp.Compute(Flags.Register, AArch64Arithmetic.Flags(function, width), left, right));
        }

        if (!compares)
        {
            Write((AArch64Register)instruction.Operands[0], result);
        }
    }

    // The condition picks a source: the result depends on that source as data, and on the condition by a pick
    // dependency only.
    private void LowerSelect(AArch64Instruction instruction)
    {
        IReadOnlyList<AArch64Operand> operands = instruction.Operands;
        string name = instruction.Mnemonic.Name;
        var destination = (AArch64Register)operands[0];
        AArch64Condition condition = AArch64Mnemonic.FindCondition(((AArch64Word)operands[^1]).Text)!.Value;
        var zero = new AArch64Register(AArch64Register.Zero, destination.Width);

        // CSET and its kind are the other names of CSINC and its kind with the condition turned round.
        bool turned = name is "CSET" or "CSETM" or "CINC" or "CINV" or "CNEG";
        AArch64Register then = operands.Count > 2 ? (AArch64Register)operands[1] : zero;
        AArch64Register otherwise = operands.Count > 3 ? (AArch64Register)operands[2] : then;
        AArch64Function function = instruction.Mnemonic.Function;
        int result = Temporary();
        Operand holds = Compute(AArch64Arithmetic.Holds(condition), Flags, default);
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
                first || function == AArch64Function.None ? value
                : function == AArch64Function.Add
                    ? Compute(AArch64Arithmetic.Of(function, destination.Width), value, Operand.Number(1))
                : Compute(AArch64Arithmetic.Of(function, destination.Width), Operand.Number(0), value);
            Emit(MicroOp.Copy(result, chosen) with { Pick = Flags });
        }
    }
}
