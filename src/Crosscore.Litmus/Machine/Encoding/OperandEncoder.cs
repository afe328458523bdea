using Crosscore.Litmus.Syntax;
using Iced.Intel;
using LitmusMemory = Crosscore.Litmus.Syntax.MemoryOperand;

namespace Crosscore.Litmus.Machine.Encoding;

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
    X86Instruction instruction,
    Func<LitmusMemory, Iced.Intel.MemoryOperand> resolve
)
{
    /// <summary>The instruction, without a lock prefix.</summary>
    public Instruction Encode()
    {
        IReadOnlyList<X86Operand> operands = instruction.Operands;
        if (
            instruction.Lock
            && !(InstructionForms.IsLockable(instruction.Opcode) && operands.Count > 0 && operands[^1] is LitmusMemory)
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
            X86Opcode.Set => Single(InstructionForms.Conditional[instruction.Condition].Set, operands[0], 1),
            X86Opcode.Cmov => IntoRegister(
                InstructionForms.Conditional[instruction.Condition].Move[instruction.Width],
                instruction.Width
            ),
            X86Opcode.Movzx or X86Opcode.Movsx => IntoRegister(
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
        (X86Operand source, X86Operand destination) = (instruction.Operands[0], instruction.Operands[1]);
        if (InstructionForms.IsSymmetric(instruction.Opcode) && source is LitmusMemory)
        {
            (source, destination) = (destination, source);
        }

        switch (source, destination)
        {
            case (RegisterOperand from, RegisterOperand or LitmusMemory):
                Code fromRegister = Known(forms.FromRegister[width]);
                return destination is RegisterOperand into
                    ? Instruction.Create(fromRegister, Name(into, width), Name(from, width))
                    : Instruction.Create(fromRegister, resolve((LitmusMemory)destination), Name(from, width));
            case (LitmusMemory from, RegisterOperand to):
                return Instruction.Create(Known(forms.FromMemory[width]), Name(to, width), resolve(from));
            case (ImmediateOperand constant, RegisterOperand to)
                when instruction.Opcode == X86Opcode.Mov && width == 8 && constant.Value != (int)constant.Value:
                return Instruction.Create(Code.Mov_r64_imm64, Name(to, 8), constant.Value);
            case (ImmediateOperand constant, RegisterOperand to):
                return Instruction.Create(
                    Known(forms.FromImmediate[width]),
                    Name(to, width),
                    Immediate(constant, width)
                );
            case (ImmediateOperand constant, LitmusMemory place):
                return Instruction.Create(
                    Known(forms.FromImmediate[width]),
                    resolve(place),
                    Immediate(constant, width)
                );
            case (AddressOperand address, RegisterOperand to) when instruction.Opcode == X86Opcode.Mov && width == 8:
                // The address is known only when the memory is: LEA of it, which leaves the flags alone as MOV does.
                return Instruction.Create(
                    Code.Lea_r64_m,
                    Name(to, 8),
                    resolve(new LitmusMemory(address.Variable, 0, null, null, 1))
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
            case (ImmediateOperand constant, RegisterOperand to):
                return Instruction.Create(Known(byConstant[width]), Name(to, width), (int)(byte)constant.Value);
            case (ImmediateOperand constant, LitmusMemory place):
                return Instruction.Create(Known(byConstant[width]), resolve(place), (int)(byte)constant.Value);
            case (RegisterOperand { Register: X86Register.Rcx }, RegisterOperand to):
                return Instruction.Create(Known(byCl[width]), Name(to, width), Register.CL);
            case (RegisterOperand { Register: X86Register.Rcx }, LitmusMemory place):
                return Instruction.Create(Known(byCl[width]), resolve(place), Register.CL);
            default:
                throw Impossible("these operands");
        }
    }

    private Instruction Single(Code code, X86Operand operand, int width) =>
        operand switch
        {
            RegisterOperand register => Instruction.Create(Known(code), Name(register, width)),
            LitmusMemory memory => Instruction.Create(Known(code), resolve(memory)),
            _ => throw Impossible("this operand"),
        };

    private Instruction IntoRegister(Code code, int sourceWidth) =>
        (instruction.Operands[0], instruction.Operands[1]) switch
        {
            (RegisterOperand from, RegisterOperand to) => Instruction.Create(
                Known(code),
                Name(to, instruction.Width),
                Name(from, sourceWidth)
            ),
            (LitmusMemory from, RegisterOperand to) => Instruction.Create(
                Known(code),
                Name(to, instruction.Width),
                resolve(from)
            ),
            _ => throw Impossible("these operands"),
        };

    // The assembler wants the constant as the processor will sign-extend it: 0xff of one byte is -1.
    private int Immediate(ImmediateOperand constant, int width)
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

    private static Register Name(RegisterOperand operand, int width) => ColumnRegisters.Name(operand.Register, width);

    private LitmusException Impossible(string what) =>
        new(
            file,
            instruction.Position,
            $"found '{instruction.Text}', expected an instruction of x86-64, which has none with {what}"
        );
}
