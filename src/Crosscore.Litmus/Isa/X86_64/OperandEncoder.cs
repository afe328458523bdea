using Crosscore.Litmus.Syntax;
using Iced.Intel;

namespace Crosscore.Litmus.Isa.X86_64;

using Code = Iced.Intel.Code; // not the namespace Crosscore.Code

/// <summary>
/// Chooses the encoding of one instruction by its opcode, width and kinds of operands. What the architecture does not
/// have is an error with its place in the file, never another instruction that comes close.
/// </summary>
/// <param name="file">The file, for errors.</param>
/// <param name="instruction">The instruction.</param>
/// <param name="resolve">Finds memory.</param>
internal sealed class OperandEncoder(
    string file,
    X86_64Instruction instruction,
    Func<X86_64MemoryOperand, Iced.Intel.MemoryOperand> resolve
)
{
    /// <summary>Gets the instruction, without a lock prefix.</summary>
    public Instruction Encode()
    {
        IReadOnlyList<X86_64Operand> operands = instruction.Operands;
        if (
            instruction.Lock
            && !(
                InstructionForms.IsLockable(instruction.Opcode)
                && operands.Count > 0
                && operands[^1] is X86_64MemoryOperand
            )
        )
        {
            throw Impossible("a lock prefix here");
        }

        if (InstructionForms.NoOperand.TryGetValue(instruction.Opcode, out Code bare))
        {
            return Instruction.Create(bare);
        }

        if (InstructionForms.OneOperand.TryGetValue(instruction.Opcode, out ByWidth single))
        {
            return Single(single[instruction.Width], operands[0], instruction.Width);
        }

        if (InstructionForms.Shifts.TryGetValue(instruction.Opcode, out (ByWidth ByConstant, ByWidth ByCl) shift))
        {
            return Shift(shift.ByConstant, shift.ByCl);
        }

        return instruction.Opcode switch
        {
            X86_64Opcode.Set => Single(InstructionForms.Conditional[instruction.Condition].Set, operands[0], 1),
            X86_64Opcode.Cmov => IntoRegister(
                InstructionForms.Conditional[instruction.Condition].Move[instruction.Width],
                instruction.Width
            ),
            X86_64Opcode.Movzx or X86_64Opcode.Movsx => IntoRegister(
                InstructionForms.Extensions.GetValueOrDefault((instruction.Opcode, instruction.SourceWidth))[
                    instruction.Width
                ],
                instruction.SourceWidth
            ),
            _ => InstructionForms.TwoOperands.TryGetValue(instruction.Opcode, out TwoOperandForms? forms)
                ? Double(forms)
                : throw Impossible("this instruction"),
        };
    }

    private Instruction Double(TwoOperandForms forms)
    {
        int width = instruction.Width;
        (X86_64Operand source, X86_64Operand destination) = (instruction.Operands[0], instruction.Operands[1]);
        if (InstructionForms.IsSymmetric(instruction.Opcode) && source is X86_64MemoryOperand)
        {
            (source, destination) = (destination, source);
        }

        switch (source, destination)
        {
            case (X86_64RegisterOperand from, X86_64RegisterOperand or X86_64MemoryOperand):
                Code fromRegister = Known(forms.FromRegister[width]);
                return destination is X86_64RegisterOperand into
                    ? Instruction.Create(fromRegister, Name(into, width), Name(from, width))
                    : Instruction.Create(fromRegister, resolve((X86_64MemoryOperand)destination), Name(from, width));
            case (X86_64MemoryOperand from, X86_64RegisterOperand to):
                return Instruction.Create(Known(forms.FromMemory[width]), Name(to, width), resolve(from));
            case (X86_64ImmediateOperand constant, X86_64RegisterOperand to)
                when instruction.Opcode == X86_64Opcode.Mov && width == 8 && constant.Value != (int)constant.Value:
                return Instruction.Create(Code.Mov_r64_imm64, Name(to, 8), constant.Value);
            case (X86_64ImmediateOperand constant, X86_64RegisterOperand to):
                return Instruction.Create(
                    Known(forms.FromImmediate[width]),
                    Name(to, width),
                    Immediate(constant, width)
                );
            case (X86_64ImmediateOperand constant, X86_64MemoryOperand place):
                return Instruction.Create(
                    Known(forms.FromImmediate[width]),
                    resolve(place),
                    Immediate(constant, width)
                );
            case (X86_64AddressOperand address, X86_64RegisterOperand to)
                when instruction.Opcode == X86_64Opcode.Mov && width == 8:
                // The address is known only when the memory is: LEA of it, which leaves the flags alone as MOV does.
                return Instruction.Create(
                    Code.Lea_r64_m,
                    Name(to, 8),
                    resolve(new X86_64MemoryOperand(address.Variable, 0, null, null, 1))
                );
            default:
                throw Impossible("these operands");
        }
    }

    private Instruction Shift(ByWidth byConstant, ByWidth byCl)
    {
        int width = instruction.Width;
        switch (instruction.Operands[0], instruction.Operands[^1])
        {
            case (X86_64ImmediateOperand constant, X86_64RegisterOperand to):
                return Instruction.Create(Known(byConstant[width]), Name(to, width), (int)(byte)constant.Value);
            case (X86_64ImmediateOperand constant, X86_64MemoryOperand place):
                return Instruction.Create(Known(byConstant[width]), resolve(place), (int)(byte)constant.Value);
            case (X86_64RegisterOperand { Register: X86_64Register.Rcx }, X86_64RegisterOperand to):
                return Instruction.Create(Known(byCl[width]), Name(to, width), Register.CL);
            case (X86_64RegisterOperand { Register: X86_64Register.Rcx }, X86_64MemoryOperand place):
                return Instruction.Create(Known(byCl[width]), resolve(place), Register.CL);
            default:
                throw Impossible("these operands");
        }
    }

    private Instruction Single(Code code, X86_64Operand operand, int width) =>
        operand switch
        {
            X86_64RegisterOperand register => Instruction.Create(Known(code), Name(register, width)),
            X86_64MemoryOperand memory => Instruction.Create(Known(code), resolve(memory)),
            _ => throw Impossible("this operand"),
        };

    private Instruction IntoRegister(Code code, int sourceWidth) =>
        (instruction.Operands[0], instruction.Operands[1]) switch
        {
            (X86_64RegisterOperand from, X86_64RegisterOperand to) => Instruction.Create(
                Known(code),
                Name(to, instruction.Width),
                Name(from, sourceWidth)
            ),
            (X86_64MemoryOperand from, X86_64RegisterOperand to) => Instruction.Create(
                Known(code),
                Name(to, instruction.Width),
                resolve(from)
            ),
            _ => throw Impossible("these operands"),
        };

    // The assembler wants the constant as the processor will sign-extend it: 0xff of one byte is -1.
    private int Immediate(X86_64ImmediateOperand constant, int width)
    {
        long value = constant.Value;
        (int signed, bool fits) = width switch
        {
            1 => ((sbyte)value, value is >= sbyte.MinValue and <= byte.MaxValue),
            2 => ((short)value, value is >= short.MinValue and <= ushort.MaxValue),
            4 => ((int)value, value is >= int.MinValue and <= uint.MaxValue),
            _ => ((int)value, value is >= int.MinValue and <= int.MaxValue),
        };
        return fits ? signed : throw Impossible($"the constant {value} at this width");
    }

    private Code Known(Code code) =>
        code == Code.INVALID ? throw Impossible($"operands of {instruction.Width} bytes") : code;

    private static Register Name(X86_64RegisterOperand operand, int width) =>
        ColumnRegisters.Name(operand.Register, width);

    private LitmusException Impossible(string what) =>
        new(
            file,
            instruction.Position,
            $"found '{instruction.Text}', expected an instruction of x86-64, which has none with {what}"
        );
}
