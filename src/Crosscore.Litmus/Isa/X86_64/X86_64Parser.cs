using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// Parses one instruction in AT&amp;T syntax with herd's liberties: the percent sign and the dollar may be missing, the
/// operand of a bare number is an immediate, <c>lock</c> may be followed by a semicolon, a compare-and-exchange may
/// name its memory first.
/// </summary>
internal sealed class X86_64Parser(LitmusScanner scanner, LocationTable locations)
{
    private readonly X86_64Operands _operands = new(scanner, locations);
    private readonly X86_64OperandChecks _checks = new(scanner);

    public X86_64Instruction Parse()
    {
        bool locked = false;
        Token mnemonic = scanner.Next();
        if (mnemonic.IsName("lock"))
        {
            locked = true;
            scanner.Accept(";");
            mnemonic = scanner.Next();
        }

        if (mnemonic.Kind != TokenKind.Name)
        {
            throw scanner.Unexpected(mnemonic, "an instruction");
        }

        string name = mnemonic.Text.ToLowerInvariant();
        X86_64Instruction instruction = name switch
        {
            "membarrier" => ParseMembarrier(mnemonic),
            "syscall" => ParseSyscall(mnemonic),
            "call" or "callq" => ParseCall(mnemonic),
            "rseq" => ParseSection(mnemonic),
            "rseq_cpu_id" => ParseCpuNumber(mnemonic),
            _ => ParseKnown(mnemonic, name, locked),
        };
        if (locked)
        {
            _checks.CheckLock(instruction, mnemonic);
        }

        return instruction;
    }

    private X86_64Instruction ParseKnown(Token mnemonic, string name, bool locked)
    {
        if (X86_64Mnemonics.Bare.TryGetValue(name, out X86_64Opcode bare))
        {
            return Make(mnemonic, bare, 0, [], locked);
        }

        if (X86_64Mnemonics.Sized.TryGetValue(name, out X86_64Opcode opcode))
        {
            return ParseSized(mnemonic, opcode, 0, locked);
        }

        int suffix = X86_64Operands.SuffixWidth(name[^1]);
        if (suffix != 0 && X86_64Mnemonics.Sized.TryGetValue(name[..^1], out opcode))
        {
            return ParseSized(mnemonic, opcode, suffix, locked);
        }

        if (name == "movabsq")
        {
            return ParseSized(mnemonic, X86_64Opcode.Mov, 8, locked);
        }

        if (name is "jmp" || (name[0] == 'j' && X86_64Mnemonics.Conditions.ContainsKey(name[1..])))
        {
            return ParseJump(mnemonic, name, locked);
        }

        if (
            name.StartsWith("set", StringComparison.Ordinal)
            && X86_64Mnemonics.Conditions.TryGetValue(name[3..], out X86_64Condition condition)
        )
        {
            X86_64Operand destination = _operands.Read(1);
            return Make(mnemonic, X86_64Opcode.Set, 1, [destination], locked, condition);
        }

        if (name.StartsWith("cmov", StringComparison.Ordinal))
        {
            return ParseConditionalMove(mnemonic, name[4..], locked);
        }

        return name.StartsWith("movz", StringComparison.Ordinal) || name.StartsWith("movs", StringComparison.Ordinal)
            ? ParseExtension(mnemonic, name, locked)
            : throw Unknown(mnemonic);
    }

    private X86_64Instruction ParseJump(Token mnemonic, string name, bool locked)
    {
        Token target = scanner.Next();
        if (target.Kind != TokenKind.Name)
        {
            throw scanner.Unexpected(target, "a label of this column");
        }

        X86_64Opcode jump = name == "jmp" ? X86_64Opcode.Jmp : X86_64Opcode.Jcc;
        return Make(
            mnemonic,
            jump,
            0,
            [],
            locked,
            X86_64Mnemonics.Conditions.GetValueOrDefault(name[1..]),
            target.Text
        );
    }

    private LitmusException Unknown(Token mnemonic) =>
        scanner.Error(
            mnemonic.Position,
            $"found the instruction {mnemonic}, which is not modeled; expected one of those in docs/litmus.md"
        );

    private X86_64Instruction ParseSized(Token mnemonic, X86_64Opcode opcode, int suffix, bool locked)
    {
        if (opcode == X86_64Opcode.Nop)
        {
            SkipOperandsOfNop();
            return Make(mnemonic, opcode, 0, [], locked);
        }

        bool unary = opcode is X86_64Opcode.Inc or X86_64Opcode.Dec or X86_64Opcode.Neg or X86_64Opcode.Not;
        var operands = new List<X86_64Operand>();
        SourcePosition[] positions = new SourcePosition[2];
        int count = unary ? 1 : 2;
        for (int index = 0; index < count; index++)
        {
            if (index > 0)
            {
                scanner.Expect(",", $"and a second operand of {mnemonic.Text}");
            }

            positions[index] = scanner.Peek().Position;
            operands.Add(_operands.Read(suffix));
        }

        // herd names the memory of a compare-and-exchange first; AT&T syntax last. It is the same instruction.
        if (
            opcode is X86_64Opcode.Cmpxchg or X86_64Opcode.Xadd or X86_64Opcode.Xchg
            && operands[0] is X86_64MemoryOperand
        )
        {
            operands.Reverse();
            Array.Reverse(positions);
        }

        int width = suffix != 0 ? suffix : DefaultWidth(mnemonic, opcode, operands);
        _checks.Check(mnemonic, opcode, width, operands, positions);
        return Make(mnemonic, opcode, width, operands, locked);
    }

    private X86_64Instruction ParseConditionalMove(Token mnemonic, string rest, bool locked)
    {
        int suffix = 0;
        if (!X86_64Mnemonics.Conditions.TryGetValue(rest, out X86_64Condition condition))
        {
            suffix = rest.Length > 1 ? X86_64Operands.SuffixWidth(rest[^1]) : 0;
            if (suffix == 0 || !X86_64Mnemonics.Conditions.TryGetValue(rest[..^1], out condition))
            {
                throw Unknown(mnemonic);
            }
        }

        SourcePosition position = scanner.Peek().Position;
        X86_64Operand source = _operands.Read(suffix);
        scanner.Expect(",", $"and a second operand of {mnemonic.Text}");
        X86_64Operand destination = _operands.Read(suffix);
        if (destination is X86_64MemoryOperand)
        {
            (source, destination) = (destination, source);
        }

        if (
            destination is not X86_64RegisterOperand register
            || source is not (X86_64RegisterOperand or X86_64MemoryOperand)
        )
        {
            throw scanner.Error(
                position,
                $"expected a register or memory, and a register, as the operands of {mnemonic.Text}"
            );
        }

        int width = suffix != 0 ? suffix : register.Width;
        return width == 1
            ? throw scanner.Error(position, $"found operands of 1 byte, expected 2, 4 or 8 for {mnemonic.Text}")
            : Make(mnemonic, X86_64Opcode.Cmov, width, [source, destination], locked, condition);
    }

    // movzbl, movzwq, movslq ...; movzb takes the width of its destination register.
    private X86_64Instruction ParseExtension(Token mnemonic, string name, bool locked)
    {
        X86_64Opcode opcode = name[3] == 'z' ? X86_64Opcode.Movzx : X86_64Opcode.Movsx;
        int from = name.Length > 4 ? X86_64Operands.SuffixWidth(name[4]) : 0;
        int to = name.Length == 6 ? X86_64Operands.SuffixWidth(name[5]) : 0;
        if (name.Length is < 5 or > 6 || from == 0 || (name.Length == 6 && to == 0))
        {
            throw Unknown(mnemonic);
        }

        SourcePosition position = scanner.Peek().Position;
        X86_64Operand source = _operands.Read(from);
        scanner.Expect(",", $"and a second operand of {mnemonic.Text}");
        X86_64Operand destination = _operands.Read(to);
        if (
            source is not (X86_64RegisterOperand or X86_64MemoryOperand)
            || destination is not X86_64RegisterOperand register
        )
        {
            throw scanner.Error(
                position,
                $"expected a register or memory, and a register, as the operands of {mnemonic.Text}"
            );
        }

        to = to == 0 ? register.Width : to;
        if (from >= to || (from == 4 && opcode == X86_64Opcode.Movzx))
        {
            throw scanner.Error(mnemonic.Position, $"found {mnemonic}, which would extend {from} bytes to {to}");
        }

        return Make(mnemonic, opcode, to, [source, destination], locked, sourceWidth: from);
    }

    private X86_64Instruction ParseMembarrier(Token mnemonic) =>
        Make(mnemonic, X86_64Opcode.Membarrier, 0, [], false, command: SystemCalls.ReadCommand(scanner));

    // "syscall NAME ARGUMENT ...": the kernel design defines what the arguments mean.
    private X86_64Instruction ParseSyscall(Token mnemonic) =>
        Make(mnemonic, X86_64Opcode.Syscall, 0, [], false, syscall: SystemCalls.ReadWords(scanner));

    // rseq COMMIT,ABORT: two labels of the column.
    private X86_64Instruction ParseSection(Token mnemonic)
    {
        Token end = scanner.Next();
        if (end.Kind != TokenKind.Name)
        {
            throw scanner.Unexpected(end, "the label behind the section, a comma, and the label at which it restarts");
        }

        scanner.Expect(",", "and the label at which the section restarts");
        Token abort = scanner.Next();
        return abort.Kind == TokenKind.Name
            ? Make(mnemonic, X86_64Opcode.Rseq, 0, [], false, sectionEnd: end.Text, sectionAbort: abort.Text)
            : throw scanner.Unexpected(abort, "the label at which the section restarts");
    }

    private X86_64Instruction ParseCpuNumber(Token mnemonic)
    {
        Token first = scanner.Peek();
        return _operands.Read(4) is X86_64RegisterOperand { Width: 4 } register
            ? Make(mnemonic, X86_64Opcode.RseqCpu, 4, [register], false)
            : throw scanner.Unexpected(first, "a register of 4 bytes, which takes the number of the CPU");
    }

    private X86_64Instruction ParseCall(Token mnemonic)
    {
        Token name = scanner.Next();
        return name.Kind == TokenKind.Name && locations.IsCode(name.Text)
            ? Make(
                mnemonic,
                X86_64Opcode.Call,
                4,
                [
                    new X86_64AddressOperand(locations.Resolve(name.Text)),
                    new X86_64RegisterOperand(X86_64Register.Rax, 4),
                ],
                false
            )
            : throw scanner.Unexpected(name, "a location that the initial state declares as code");
    }

    private int DefaultWidth(Token mnemonic, X86_64Opcode opcode, List<X86_64Operand> operands)
    {
        bool shift = opcode is X86_64Opcode.Shl or X86_64Opcode.Shr or X86_64Opcode.Sar;
        X86_64RegisterOperand[] registers = [.. operands.Skip(shift ? 1 : 0).OfType<X86_64RegisterOperand>()];
        if (registers is [var one, var other] && one.Width != other.Width)
        {
            throw scanner.Error(
                mnemonic.Position,
                $"found {mnemonic} with registers of {one.Width} and "
                    + $"{other.Width} bytes, expected one width or a suffix"
            );
        }

        return registers.LastOrDefault()?.Width
            ?? throw scanner.Error(
                mnemonic.Position,
                $"found {mnemonic} with no register operand, expected a "
                    + "suffix (b, w, l or q) that says how many bytes it moves"
            );
    }

    // Compilers pad with "nopw %cs:0(%rax,%eax,0)": the operand is never accessed, so anything that looks like one is
    // let through.
    private void SkipOperandsOfNop()
    {
        int depth = 0;
        while (true)
        {
            Token token = scanner.Peek();
            if (token.Kind == TokenKind.End || (depth == 0 && (token.Is("|") || token.Is(";"))))
            {
                return;
            }

            depth +=
                token.Is("(") ? 1
                : token.Is(")") ? -1
                : 0;
            scanner.Next();
        }
    }

    private X86_64Instruction Make(
        Token mnemonic,
        X86_64Opcode opcode,
        int width,
        IReadOnlyList<X86_64Operand> operands,
        bool locked,
        X86_64Condition condition = default,
        string? target = null,
        MembarrierCommand? command = null,
        int sourceWidth = 0,
        IReadOnlyList<string>? syscall = null,
        string? sectionEnd = null,
        string? sectionAbort = null
    ) =>
        new()
        {
            Opcode = opcode,
            Width = width,
            SourceWidth = sourceWidth == 0 ? width : sourceWidth,
            Operands = operands,
            Condition = condition,
            Lock = locked,
            Target = target,
            Command = command,
            SystemCall = syscall ?? [],
            SectionEnd = sectionEnd,
            SectionAbort = sectionAbort,
            Position = mnemonic.Position,
            Text = (locked ? "lock; " : "") + scanner.TextFrom(mnemonic),
        };
}
