using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>Checks that instructions take the operands that they are written with.</summary>
internal sealed class X86_64OperandChecks(LitmusScanner scanner)
{
    /// <summary>Checks the operands of an instruction with a suffix.</summary>
    public void Check(
        Token mnemonic,
        X86_64Opcode opcode,
        int width,
        List<X86_64Operand> operands,
        SourcePosition[] positions
    )
    {
        if (operands.Count(operand => operand is X86_64MemoryOperand) > 1)
        {
            throw scanner.Error(positions[1], $"found two memory operands of {mnemonic.Text}, expected at most one");
        }

        CheckConstants(mnemonic, opcode, width, operands, positions);
        CheckKinds(mnemonic, opcode, width, operands, positions);
    }

    private void CheckConstants(
        Token mnemonic,
        X86_64Opcode opcode,
        int width,
        List<X86_64Operand> operands,
        SourcePosition[] positions
    )
    {
        for (int index = 0; index < operands.Count; index++)
        {
            bool destination = index == operands.Count - 1;
            bool constant = operands[index] is X86_64ImmediateOperand or X86_64AddressOperand;
            if (
                constant
                && (
                    destination
                    || opcode is X86_64Opcode.Xchg or X86_64Opcode.Xadd or X86_64Opcode.Cmpxchg or X86_64Opcode.Lea
                )
            )
            {
                throw scanner.Error(
                    positions[index],
                    $"found a constant, expected a register or memory as this operand of {mnemonic.Text}"
                );
            }

            if (
                operands[index] is X86_64AddressOperand
                && (opcode != X86_64Opcode.Mov || width != 8 || operands[1] is not X86_64RegisterOperand)
            )
            {
                throw scanner.Error(
                    positions[index],
                    "found an address as a constant, expected it only in movq to a register"
                );
            }

            if (operands[index] is X86_64ImmediateOperand immediate)
            {
                CheckImmediate(mnemonic, opcode, width, operands[1], immediate.Value, positions[index]);
            }
        }
    }

    private void CheckKinds(
        Token mnemonic,
        X86_64Opcode opcode,
        int width,
        List<X86_64Operand> operands,
        SourcePosition[] positions
    )
    {
        bool shift = opcode is X86_64Opcode.Shl or X86_64Opcode.Shr or X86_64Opcode.Sar;
        if (
            shift
            && operands[0] is not X86_64ImmediateOperand
            && operands[0] is not X86_64RegisterOperand { Register: X86_64Register.Rcx, Width: 1 }
        )
        {
            throw scanner.Error(positions[0], $"expected a constant or %cl as the first operand of {mnemonic.Text}");
        }

        if (
            opcode is X86_64Opcode.Lea
            && (operands[0] is not X86_64MemoryOperand || operands[1] is not X86_64RegisterOperand || width == 1)
        )
        {
            throw scanner.Error(
                positions[0],
                "expected memory and a register of 2, 4 or 8 bytes as the operands of lea"
            );
        }

        if (
            opcode is X86_64Opcode.Xadd or X86_64Opcode.Cmpxchg or X86_64Opcode.Xchg
            && operands[0] is not X86_64RegisterOperand
        )
        {
            throw scanner.Error(positions[0], $"expected a register as the source of {mnemonic.Text}");
        }

        if (opcode is X86_64Opcode.Cmpxchg && operands[1] is not X86_64MemoryOperand)
        {
            throw scanner.Error(positions[1], $"expected memory as an operand of {mnemonic.Text}");
        }
    }

    private void CheckImmediate(
        Token mnemonic,
        X86_64Opcode opcode,
        int width,
        X86_64Operand destination,
        long value,
        SourcePosition position
    )
    {
        // Only a move to a register takes 64 bits; everything else sign-extends 32 (Intel SDM vol. 2, "Displacements
        // and immediates").
        int bits = width == 8 && !(opcode == X86_64Opcode.Mov && destination is X86_64RegisterOperand) ? 32 : width * 8;
        bool fits =
            bits == 64 || (value >= -(1L << (bits - 1)) && value < (width == 8 ? 1L << (bits - 1) : 1L << bits));
        if (opcode is X86_64Opcode.Shl or X86_64Opcode.Shr or X86_64Opcode.Sar)
        {
            fits = value is >= 0 and < 256;
        }

        if (!fits)
        {
            throw scanner.Error(
                position,
                $"found {value}, which does not fit the immediate of {mnemonic.Text} ({bits} bits)"
            );
        }
    }

    /// <summary>Checks that an instruction takes a lock prefix.</summary>
    public void CheckLock(X86_64Instruction instruction, Token mnemonic)
    {
        bool memoryDestination = instruction.Operands.Count > 0 && instruction.Operands[^1] is X86_64MemoryOperand;
        if (!X86_64Mnemonics.Lockable.Contains(instruction.Opcode) || !memoryDestination)
        {
            throw scanner.Error(
                mnemonic.Position,
                $"found lock before {mnemonic}, expected it before a "
                    + "read-modify-write instruction whose destination is memory"
            );
        }
    }
}
