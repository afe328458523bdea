using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>Instructions that compute, and what they leave in the flags.</summary>
internal sealed partial class X86_64Lowering
{
    private void SetFlags(ValueFunction function, Operand a, Operand b)
    {
        int flags = Flags.Register;
        Emit(MicroOp.Compute(flags, function, a, b));
    }

    private void LowerArithmetic(X86_64Instruction instruction)
    {
        X86_64Opcode opcode = instruction.Opcode;
        int width = instruction.Width;
        bool unary = instruction.Operands.Count == 1;
        Operand source = unary ? default : Read(instruction.Operands[0], instruction, width);
        Modify(
            instruction,
            old =>
            {
                LowerFlags(instruction, old, source);
                return opcode switch
                {
                    X86_64Opcode.Cmp or X86_64Opcode.Test => null,
                    X86_64Opcode.Inc => Compute(
                        X86_64Arithmetic.Result(X86_64Opcode.Add, width),
                        old,
                        Operand.Number(1)
                    ),
                    X86_64Opcode.Dec => Compute(
                        X86_64Arithmetic.Result(X86_64Opcode.Sub, width),
                        old,
                        Operand.Number(1)
                    ),
                    X86_64Opcode.Neg => Compute(
                        X86_64Arithmetic.Result(X86_64Opcode.Sub, width),
                        Operand.Number(0),
                        old
                    ),
                    X86_64Opcode.Not => Compute((a, _) => DataType.Truncate(~a, width), old, default),
                    _ => Compute(X86_64Arithmetic.Result(opcode, width), old, source),
                };
            }
        );
    }

    private void LowerFlags(X86_64Instruction instruction, Operand old, Operand source)
    {
        int width = instruction.Width;
        switch (instruction.Opcode)
        {
            case X86_64Opcode.Not:
                break;
            case X86_64Opcode.Inc or X86_64Opcode.Dec:
                SetFlags(X86_64Arithmetic.CountingFlags(instruction.Opcode, width), old, Flags);
                break;
            case X86_64Opcode.Neg:
                SetFlags(X86_64Arithmetic.NegFlags(width), old, default);
                break;
            case X86_64Opcode.Shl or X86_64Opcode.Shr or X86_64Opcode.Sar:
                int count = instruction.Operands[0] is X86_64ImmediateOperand immediate
                    ? (int)(immediate.Value & (width == 8 ? 63 : 31))
                    : 0;
                if (count != 0)
                {
                    SetFlags(X86_64Arithmetic.ShiftFlags(instruction.Opcode, width, count), old, default);
                }

                break;
            default:
                SetFlags(X86_64Arithmetic.Flags(instruction.Opcode, width), old, source);
                break;
        }
    }

    private void LowerExchange(X86_64Instruction instruction)
    {
        var register = (X86_64RegisterOperand)instruction.Operands[0];
        Operand given = Read(register, instruction, instruction.Width);
        // Read gives a whole register by name; the exchange overwrites it, so its old value needs another place.
        given = Compute(static (a, _) => a, given, default);
        Operand taken = default;
        Modify(
            instruction,
            old =>
            {
                taken = Compute(static (a, _) => a, old, default);
                return given;
            }
        );
        WriteRegister(register, instruction.Width, taken);
    }

    private void LowerExchangeAndAdd(X86_64Instruction instruction)
    {
        int width = instruction.Width;
        var register = (X86_64RegisterOperand)instruction.Operands[0];
        Operand addend = Read(register, instruction, width);
        if (instruction.Operands[1] is X86_64MemoryOperand)
        {
            Operand before = default;
            Modify(
                instruction,
                old =>
                {
                    before = old;
                    SetFlags(X86_64Arithmetic.Flags(X86_64Opcode.Add, width), old, addend);
                    return Compute(X86_64Arithmetic.Result(X86_64Opcode.Add, width), old, addend);
                }
            );
            WriteRegister(register, width, before);
            return;
        }

        // Between registers: the source takes the old destination first, so that "xadd %eax,%eax" doubles.
        var destination = (X86_64RegisterOperand)instruction.Operands[1];
        Operand target = Read(destination, instruction, width);
        SetFlags(X86_64Arithmetic.Flags(X86_64Opcode.Add, width), target, addend);
        Operand sum = Compute(X86_64Arithmetic.Result(X86_64Opcode.Add, width), target, addend);
        WriteRegister(register, width, target);
        WriteRegister(destination, width, sum);
    }

    // Intel SDM vol. 2, CMPXCHG: the destination is written back even when the comparison fails, which others can see
    // when there is no lock prefix.
    private void LowerCompareAndExchange(X86_64Instruction instruction)
    {
        int width = instruction.Width;
        var accumulator = new X86_64RegisterOperand(X86_64Register.Rax, width);
        Operand replacement = Read(instruction.Operands[0], instruction, width);
        Operand expected = Read(accumulator, instruction, width);
        Operand found = default;
        Operand equal = default;
        Modify(
            instruction,
            old =>
            {
                found = old;
                SetFlags(X86_64Arithmetic.Flags(X86_64Opcode.Cmp, width), expected, old);
                equal = Compute(X86_64Arithmetic.Holds(X86_64Condition.E), Flags, default);
                Operand kept = Compute(static (value, holds) => holds != 0 ? 0 : value, old, equal);
                Operand replaced = Compute(static (value, holds) => holds != 0 ? value : 0, replacement, equal);
                return Compute(static (a, b) => a | b, kept, replaced);
            }
        );
        int skip = Ops.Count;
        Emit(MicroOp.Branch(equal, 0));
        WriteRegister(accumulator, width, found);
        Ops[skip] = Ops[skip] with { Target = Ops.Count };
    }

    // The source is read whether the condition holds or not, and 4 bytes zero the upper half even when it does not
    // (Intel SDM vol. 2, CMOVcc).
    private void LowerConditionalMove(X86_64Instruction instruction)
    {
        int width = instruction.Width;
        var destination = (X86_64RegisterOperand)instruction.Operands[1];
        Operand moved = Read(instruction.Operands[0], instruction, width);
        Operand stays = Read(destination, instruction, width);
        Operand holds = Compute(X86_64Arithmetic.Holds(instruction.Condition), Flags, default);
        Operand taken = Compute(static (value, condition) => condition != 0 ? value : 0, moved, holds);
        Operand kept = Compute(static (value, condition) => condition != 0 ? 0 : value, stays, holds);
        WriteRegister(destination, width, Compute(static (a, b) => a | b, taken, kept));
    }

    /// <summary>
    /// Reads the destination, lets a function compute its new value, and writes that, as one indivisible step where the
    /// instruction is one.
    /// </summary>
    private void Modify(X86_64Instruction instruction, Func<Operand, Operand?> compute)
    {
        if (instruction.Operands[^1] is not X86_64MemoryOperand memory)
        {
            var register = (X86_64RegisterOperand)instruction.Operands[^1];
            if (compute(Read(register, instruction, instruction.Width)) is Operand result)
            {
                WriteRegister(register, instruction.Width, result);
            }

            return;
        }

        Operand address = Address(memory, instruction);
        if (instruction.IsAtomic)
        {
            Emit(MicroOp.Plain(MicroOpKind.AtomicBegin));
        }

        int loaded = Temporary();
        Emit(MicroOp.Load(loaded, address, instruction.Width));
        if (compute(Operand.Of(loaded)) is Operand value)
        {
            Emit(MicroOp.Store(address, value, instruction.Width));
        }

        if (instruction.IsAtomic)
        {
            Emit(MicroOp.Plain(MicroOpKind.AtomicEnd));
        }
    }
}
