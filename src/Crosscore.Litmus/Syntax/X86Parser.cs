namespace Crosscore.Litmus.Syntax;

/// <summary>
/// Parses one instruction in AT&amp;T syntax with herd's liberties: the percent sign and the dollar may be missing, the
/// operand of a bare number is an immediate, <c>lock</c> may be followed by a semicolon, a compare-and-exchange may
/// name its memory first.
/// </summary>
internal sealed class X86Parser(LitmusScanner scanner, InitialState state)
{
    private static readonly Dictionary<string, X86Opcode> Sized = new()
    {
        ["mov"] = X86Opcode.Mov,
        ["lea"] = X86Opcode.Lea,
        ["xchg"] = X86Opcode.Xchg,
        ["xadd"] = X86Opcode.Xadd,
        ["cmpxchg"] = X86Opcode.Cmpxchg,
        ["add"] = X86Opcode.Add,
        ["sub"] = X86Opcode.Sub,
        ["and"] = X86Opcode.And,
        ["or"] = X86Opcode.Or,
        ["xor"] = X86Opcode.Xor,
        ["cmp"] = X86Opcode.Cmp,
        ["test"] = X86Opcode.Test,
        ["inc"] = X86Opcode.Inc,
        ["dec"] = X86Opcode.Dec,
        ["neg"] = X86Opcode.Neg,
        ["not"] = X86Opcode.Not,
        ["shl"] = X86Opcode.Shl,
        ["sal"] = X86Opcode.Shl,
        ["shr"] = X86Opcode.Shr,
        ["sar"] = X86Opcode.Sar,
        ["nop"] = X86Opcode.Nop,
    };

    private static readonly Dictionary<string, X86Opcode> Bare = new()
    {
        ["mfence"] = X86Opcode.Mfence,
        ["sfence"] = X86Opcode.Sfence,
        ["lfence"] = X86Opcode.Lfence,
        ["cpuid"] = X86Opcode.Serialize,
        ["serialize"] = X86Opcode.Serialize,
        ["iretq"] = X86Opcode.Serialize,
        ["pause"] = X86Opcode.Pause,
        ["endbr64"] = X86Opcode.Nop,
        ["ret"] = X86Opcode.Ret,
        ["retq"] = X86Opcode.Ret,
    };

    private static readonly Dictionary<string, X86Condition> Conditions = new()
    {
        ["o"] = X86Condition.O,
        ["no"] = X86Condition.No,
        ["b"] = X86Condition.B,
        ["c"] = X86Condition.B,
        ["nae"] = X86Condition.B,
        ["ae"] = X86Condition.Ae,
        ["nb"] = X86Condition.Ae,
        ["nc"] = X86Condition.Ae,
        ["e"] = X86Condition.E,
        ["z"] = X86Condition.E,
        ["ne"] = X86Condition.Ne,
        ["nz"] = X86Condition.Ne,
        ["be"] = X86Condition.Be,
        ["na"] = X86Condition.Be,
        ["a"] = X86Condition.A,
        ["nbe"] = X86Condition.A,
        ["s"] = X86Condition.S,
        ["ns"] = X86Condition.Ns,
        ["l"] = X86Condition.L,
        ["lt"] = X86Condition.L,
        ["nge"] = X86Condition.L,
        ["ge"] = X86Condition.Ge,
        ["nl"] = X86Condition.Ge,
        ["le"] = X86Condition.Le,
        ["ng"] = X86Condition.Le,
        ["g"] = X86Condition.G,
        ["gt"] = X86Condition.G,
        ["nle"] = X86Condition.G,
    };

    private static readonly Dictionary<string, MembarrierCommand> Commands = new(StringComparer.OrdinalIgnoreCase)
    {
        ["global"] = MembarrierCommand.Global,
        ["global_expedited"] = MembarrierCommand.GlobalExpedited,
        ["private_expedited"] = MembarrierCommand.PrivateExpedited,
        ["private_expedited_sync_core"] = MembarrierCommand.PrivateExpeditedSyncCore,
        ["private_expedited_rseq"] = MembarrierCommand.PrivateExpeditedRseq,
    };

    // The lock prefix takes these, with a memory destination; with anything else the processor faults (Intel SDM vol.
    // 2, LOCK).
    private static readonly HashSet<X86Opcode> Lockable =
    [
        X86Opcode.Add,
        X86Opcode.And,
        X86Opcode.Cmpxchg,
        X86Opcode.Dec,
        X86Opcode.Inc,
        X86Opcode.Neg,
        X86Opcode.Not,
        X86Opcode.Or,
        X86Opcode.Sub,
        X86Opcode.Xor,
        X86Opcode.Xadd,
        X86Opcode.Xchg,
    ];

    public X86Instruction Parse()
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
        X86Instruction instruction = name switch
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
            CheckLock(instruction, mnemonic);
        }

        return instruction;
    }

    private X86Instruction ParseKnown(Token mnemonic, string name, bool locked)
    {
        if (Bare.TryGetValue(name, out X86Opcode bare))
        {
            return Make(mnemonic, bare, 0, [], locked);
        }

        if (Sized.TryGetValue(name, out X86Opcode opcode))
        {
            return ParseSized(mnemonic, opcode, 0, locked);
        }

        int suffix = SuffixWidth(name[^1]);
        if (suffix != 0 && Sized.TryGetValue(name[..^1], out opcode))
        {
            return ParseSized(mnemonic, opcode, suffix, locked);
        }

        if (name == "movabsq")
        {
            return ParseSized(mnemonic, X86Opcode.Mov, 8, locked);
        }

        if (name is "jmp" || (name[0] == 'j' && Conditions.ContainsKey(name[1..])))
        {
            Token target = scanner.Next();
            if (target.Kind != TokenKind.Name)
            {
                throw scanner.Unexpected(target, "a label of this column");
            }

            X86Opcode jump = name == "jmp" ? X86Opcode.Jmp : X86Opcode.Jcc;
            return Make(mnemonic, jump, 0, [], locked, Conditions.GetValueOrDefault(name[1..]), target.Text);
        }

        if (
            name.StartsWith("set", StringComparison.Ordinal)
            && Conditions.TryGetValue(name[3..], out X86Condition condition)
        )
        {
            X86Operand destination = ParseOperand(1);
            return Make(mnemonic, X86Opcode.Set, 1, [destination], locked, condition);
        }

        if (name.StartsWith("cmov", StringComparison.Ordinal))
        {
            return ParseConditionalMove(mnemonic, name[4..], locked);
        }

        return name.StartsWith("movz", StringComparison.Ordinal) || name.StartsWith("movs", StringComparison.Ordinal)
            ? ParseExtension(mnemonic, name, locked)
            : throw Unknown(mnemonic);
    }

    private LitmusException Unknown(Token mnemonic) =>
        scanner.Error(
            mnemonic.Position,
            $"found the instruction {mnemonic}, which is not modelled; expected one of those in docs/litmus.md"
        );

    private X86Instruction ParseSized(Token mnemonic, X86Opcode opcode, int suffix, bool locked)
    {
        if (opcode == X86Opcode.Nop)
        {
            SkipOperandsOfNop();
            return Make(mnemonic, opcode, 0, [], locked);
        }

        bool unary = opcode is X86Opcode.Inc or X86Opcode.Dec or X86Opcode.Neg or X86Opcode.Not;
        var operands = new List<X86Operand>();
        SourcePosition[] positions = new SourcePosition[2];
        int count = unary ? 1 : 2;
        for (int index = 0; index < count; index++)
        {
            if (index > 0)
            {
                scanner.Expect(",", $"and a second operand of {mnemonic.Text}");
            }

            positions[index] = scanner.Peek().Position;
            operands.Add(ParseOperand(suffix));
        }

        // herd names the memory of a compare-and-exchange first; AT&T syntax last. It is the same instruction.
        if (opcode is X86Opcode.Cmpxchg or X86Opcode.Xadd or X86Opcode.Xchg && operands[0] is MemoryOperand)
        {
            operands.Reverse();
            Array.Reverse(positions);
        }

        int width = suffix != 0 ? suffix : DefaultWidth(mnemonic, opcode, operands);
        Check(mnemonic, opcode, width, operands, positions);
        return Make(mnemonic, opcode, width, operands, locked);
    }

    private void Check(
        Token mnemonic,
        X86Opcode opcode,
        int width,
        List<X86Operand> operands,
        SourcePosition[] positions
    )
    {
        if (operands.Count(operand => operand is MemoryOperand) > 1)
        {
            throw scanner.Error(positions[1], $"found two memory operands of {mnemonic.Text}, expected at most one");
        }

        bool shift = opcode is X86Opcode.Shl or X86Opcode.Shr or X86Opcode.Sar;
        for (int index = 0; index < operands.Count; index++)
        {
            bool destination = index == operands.Count - 1;
            bool constant = operands[index] is ImmediateOperand or AddressOperand;
            if (
                constant
                && (destination || opcode is X86Opcode.Xchg or X86Opcode.Xadd or X86Opcode.Cmpxchg or X86Opcode.Lea)
            )
            {
                throw scanner.Error(
                    positions[index],
                    $"found a constant, expected a register or memory as this operand of {mnemonic.Text}"
                );
            }

            if (
                operands[index] is AddressOperand
                && (opcode != X86Opcode.Mov || width != 8 || operands[1] is not RegisterOperand)
            )
            {
                throw scanner.Error(
                    positions[index],
                    "found an address as a constant, expected it only in movq to a register"
                );
            }

            if (operands[index] is ImmediateOperand immediate)
            {
                CheckImmediate(mnemonic, opcode, width, operands[1], immediate.Value, positions[index]);
            }
        }

        if (
            shift
            && operands[0] is not ImmediateOperand
            && operands[0] is not RegisterOperand { Register: X86Register.Rcx, Width: 1 }
        )
        {
            throw scanner.Error(positions[0], $"expected a constant or %cl as the first operand of {mnemonic.Text}");
        }

        if (
            opcode is X86Opcode.Lea
            && (operands[0] is not MemoryOperand || operands[1] is not RegisterOperand || width == 1)
        )
        {
            throw scanner.Error(
                positions[0],
                "expected memory and a register of 2, 4 or 8 bytes as the operands of lea"
            );
        }

        if (opcode is X86Opcode.Xadd or X86Opcode.Cmpxchg or X86Opcode.Xchg && operands[0] is not RegisterOperand)
        {
            throw scanner.Error(positions[0], $"expected a register as the source of {mnemonic.Text}");
        }

        if (opcode is X86Opcode.Cmpxchg && operands[1] is not MemoryOperand)
        {
            throw scanner.Error(positions[1], $"expected memory as an operand of {mnemonic.Text}");
        }
    }

    private void CheckImmediate(
        Token mnemonic,
        X86Opcode opcode,
        int width,
        X86Operand destination,
        long value,
        SourcePosition position
    )
    {
        // Only a move to a register takes 64 bits; everything else sign-extends 32 (Intel SDM vol. 2, "Displacements
        // and immediates").
        int bits = width == 8 && !(opcode == X86Opcode.Mov && destination is RegisterOperand) ? 32 : width * 8;
        bool fits =
            bits == 64 || (value >= -(1L << (bits - 1)) && value < (width == 8 ? 1L << (bits - 1) : 1L << bits));
        if (opcode is X86Opcode.Shl or X86Opcode.Shr or X86Opcode.Sar)
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

    private X86Instruction ParseConditionalMove(Token mnemonic, string rest, bool locked)
    {
        int suffix = 0;
        if (!Conditions.TryGetValue(rest, out X86Condition condition))
        {
            suffix = rest.Length > 1 ? SuffixWidth(rest[^1]) : 0;
            if (suffix == 0 || !Conditions.TryGetValue(rest[..^1], out condition))
            {
                throw Unknown(mnemonic);
            }
        }

        SourcePosition position = scanner.Peek().Position;
        X86Operand source = ParseOperand(suffix);
        scanner.Expect(",", $"and a second operand of {mnemonic.Text}");
        X86Operand destination = ParseOperand(suffix);
        if (destination is MemoryOperand)
        {
            (source, destination) = (destination, source);
        }

        if (destination is not RegisterOperand register || source is not (RegisterOperand or MemoryOperand))
        {
            throw scanner.Error(
                position,
                $"expected a register or memory, and a register, as the operands of {mnemonic.Text}"
            );
        }

        int width = suffix != 0 ? suffix : register.Width;
        return width == 1
            ? throw scanner.Error(position, $"found operands of 1 byte, expected 2, 4 or 8 for {mnemonic.Text}")
            : Make(mnemonic, X86Opcode.Cmov, width, [source, destination], locked, condition);
    }

    // movzbl, movzwq, movslq ...; movzb takes the width of its destination register.
    private X86Instruction ParseExtension(Token mnemonic, string name, bool locked)
    {
        X86Opcode opcode = name[3] == 'z' ? X86Opcode.Movzx : X86Opcode.Movsx;
        int from = name.Length > 4 ? SuffixWidth(name[4]) : 0;
        int to = name.Length == 6 ? SuffixWidth(name[5]) : 0;
        if (name.Length is < 5 or > 6 || from == 0 || (name.Length == 6 && to == 0))
        {
            throw Unknown(mnemonic);
        }

        SourcePosition position = scanner.Peek().Position;
        X86Operand source = ParseOperand(from);
        scanner.Expect(",", $"and a second operand of {mnemonic.Text}");
        X86Operand destination = ParseOperand(to);
        if (source is not (RegisterOperand or MemoryOperand) || destination is not RegisterOperand register)
        {
            throw scanner.Error(
                position,
                $"expected a register or memory, and a register, as the operands of {mnemonic.Text}"
            );
        }

        to = to == 0 ? register.Width : to;
        if (from >= to || (from == 4 && opcode == X86Opcode.Movzx))
        {
            throw scanner.Error(mnemonic.Position, $"found {mnemonic}, which would extend {from} bytes to {to}");
        }

        return Make(mnemonic, opcode, to, [source, destination], locked, sourceWidth: from);
    }

    private X86Instruction ParseMembarrier(Token mnemonic) =>
        Make(mnemonic, X86Opcode.Membarrier, 0, [], false, command: ParseCommand(scanner));

    /// <summary>Reads the command of a membarrier(2) call.</summary>
    public static MembarrierCommand ParseCommand(LitmusScanner scanner)
    {
        Token command = scanner.Next();
        string name = command.Text;
        const string Prefix = "MEMBARRIER_CMD_";
        if (name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
        {
            name = name[Prefix.Length..];
        }

        return Commands.TryGetValue(name, out MembarrierCommand value)
            ? value
            : throw scanner.Unexpected(command, $"one of the commands {string.Join(", ", Commands.Keys)}");
    }

    // "syscall NAME ARGUMENT ...": what the arguments mean, the kernel design says.
    private X86Instruction ParseSyscall(Token mnemonic)
    {
        var words = new List<string>();
        while (scanner.Peek().Kind is TokenKind.Name or TokenKind.Number)
        {
            words.Add(scanner.Next().Text);
        }

        return words.Count > 0
            ? Make(mnemonic, X86Opcode.Syscall, 0, [], false, syscall: words)
            : throw scanner.Unexpected(scanner.Peek(), "the name of a system call of the kernel design");
    }

    // rseq COMMIT,ABORT: two labels of the column.
    private X86Instruction ParseSection(Token mnemonic)
    {
        Token end = scanner.Next();
        if (end.Kind != TokenKind.Name)
        {
            throw scanner.Unexpected(end, "the label behind the section, a comma, and the label at which it restarts");
        }

        scanner.Expect(",", "and the label at which the section restarts");
        Token abort = scanner.Next();
        return abort.Kind == TokenKind.Name
            ? Make(mnemonic, X86Opcode.Rseq, 0, [], false, sectionEnd: end.Text, sectionAbort: abort.Text)
            : throw scanner.Unexpected(abort, "the label at which the section restarts");
    }

    private X86Instruction ParseCpuNumber(Token mnemonic)
    {
        Token first = scanner.Peek();
        return ParseOperand(4) is RegisterOperand { Width: 4 } register
            ? Make(mnemonic, X86Opcode.RseqCpu, 4, [register], false)
            : throw scanner.Unexpected(first, "a register of 4 bytes, which takes the number of the CPU");
    }

    private X86Instruction ParseCall(Token mnemonic)
    {
        Token name = scanner.Next();
        return name.Kind == TokenKind.Name && state.IsCode(name.Text)
            ? Make(
                mnemonic,
                X86Opcode.Call,
                4,
                [new AddressOperand(state.Resolve(name.Text)), new RegisterOperand(X86Register.Rax, 4)],
                false
            )
            : throw scanner.Unexpected(name, "a location that the initial state declares as code");
    }

    private void CheckLock(X86Instruction instruction, Token mnemonic)
    {
        bool memoryDestination = instruction.Operands.Count > 0 && instruction.Operands[^1] is MemoryOperand;
        if (!Lockable.Contains(instruction.Opcode) || !memoryDestination)
        {
            throw scanner.Error(
                mnemonic.Position,
                $"found lock before {mnemonic}, expected it before a "
                    + "read-modify-write instruction whose destination is memory"
            );
        }
    }

    private int DefaultWidth(Token mnemonic, X86Opcode opcode, List<X86Operand> operands)
    {
        bool shift = opcode is X86Opcode.Shl or X86Opcode.Shr or X86Opcode.Sar;
        RegisterOperand[] registers = [.. operands.Skip(shift ? 1 : 0).OfType<RegisterOperand>()];
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

    private static int SuffixWidth(char suffix) =>
        suffix switch
        {
            'b' => 1,
            'w' => 2,
            'l' => 4,
            'q' => 8,
            _ => 0,
        };

    private X86Operand ParseOperand(int width)
    {
        Token token = scanner.Next();
        if (token.Is("$"))
        {
            Token constant = scanner.Next();
            switch (constant.Kind)
            {
                case TokenKind.Number:
                    return new ImmediateOperand((long)constant.Value);
                case TokenKind.Name:
                    state.AddressOf(constant.Text, 0, constant.Position);
                    return new AddressOperand(constant.Text);
                default:
                    throw scanner.Unexpected(constant, "a number or a location after '$'");
            }
        }

        if (token.Is("%"))
        {
            return ParseRegister(scanner.Next(), width);
        }

        if (token.Kind == TokenKind.Number)
        {
            if (!scanner.Peek().Is("(") && !scanner.Peek().Is("["))
            {
                return new ImmediateOperand((long)token.Value);
            }

            long displacement = (long)token.Value;
            return displacement is >= int.MinValue and <= int.MaxValue
                ? ParseMemory(scanner.Next(), (int)displacement, width)
                : throw scanner.Error(token.Position, $"found the displacement {token.Text}, expected at most 32 bits");
        }

        if (token.Is("(") || token.Is("["))
        {
            return ParseMemory(token, 0, width);
        }

        if (token.Kind == TokenKind.Name)
        {
            if (X86RegisterNames.TryParse(token.Text, out _, out _))
            {
                return ParseRegister(token, width);
            }

            // x(%rip) is x.
            if (scanner.Accept("("))
            {
                scanner.Accept("%");
                Token instructionPointer = scanner.Next();
                if (!instructionPointer.IsName("rip"))
                {
                    throw scanner.Unexpected(instructionPointer, $"'%rip' after {token.Text}(");
                }

                scanner.Expect(")", "after %rip");
                state.Mention(token.Text, token.Position, width);
                return Named(token.Text, 0);
            }
        }

        throw scanner.Unexpected(token, "an operand: %register, $constant, (location) or displacement(%register)");
    }

    private RegisterOperand ParseRegister(Token name, int suffix)
    {
        if (
            name.Kind != TokenKind.Name
            || !X86RegisterNames.TryParse(name.Text, out X86Register register, out int width)
        )
        {
            throw scanner.Unexpected(
                name,
                "a general-purpose register (the high bytes ah, bh, ch and dh are not modelled)"
            );
        }

        return register == X86Register.Rsp
            ? throw scanner.Error(name.Position, "found the stack pointer, which a litmus test cannot use")
            : new RegisterOperand(register, suffix != 0 && !IsShiftCount(register, width) ? suffix : width);
    }

    // "shll %cl,(x)": the count has one byte whatever the suffix says; every other register follows the suffix, as in
    // herd.
    private static bool IsShiftCount(X86Register register, int width) => register == X86Register.Rcx && width == 1;

    private MemoryOperand ParseMemory(Token opening, int displacement, int width)
    {
        string closing = opening.Is("(") ? ")" : "]";
        Token first = scanner.Peek();
        if (first.Kind == TokenKind.Name && !X86RegisterNames.TryParse(first.Text, out _, out _))
        {
            scanner.Next();
            scanner.Expect(closing, "after the location");
            state.Mention(first.Text, first.Position, displacement == 0 ? width : 0);
            return Named(first.Text, displacement);
        }

        X86Register? @base = first.Is(",") ? null : ParseAddressRegister();
        X86Register? index = null;
        int scale = 1;
        if (scanner.Accept(","))
        {
            index = ParseAddressRegister();
            if (scanner.Accept(","))
            {
                Token factor = scanner.Next();
                if (factor.Kind != TokenKind.Number || factor.Value is not (1 or 2 or 4 or 8))
                {
                    throw scanner.Unexpected(factor, "the scale 1, 2, 4 or 8");
                }

                scale = (int)factor.Value;
            }
        }

        scanner.Expect(closing, "after the address");
        return new MemoryOperand(null, displacement, @base, index, scale);
    }

    private MemoryOperand Named(string name, int displacement) =>
        new(state.Resolve(name), displacement, null, null, 1) { ThroughAlias = state.Resolve(name) != name };

    private X86Register ParseAddressRegister()
    {
        scanner.Accept("%");
        return ParseRegister(scanner.Next(), 8).Register;
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

    private X86Instruction Make(
        Token mnemonic,
        X86Opcode opcode,
        int width,
        IReadOnlyList<X86Operand> operands,
        bool locked,
        X86Condition condition = default,
        string? target = null,
        MembarrierCommand command = default,
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
            Syscall = syscall ?? [],
            SectionEnd = sectionEnd,
            SectionAbort = sectionAbort,
            Position = mnemonic.Position,
            Text = (locked ? "lock; " : "") + scanner.TextFrom(mnemonic),
        };
}
