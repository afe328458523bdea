namespace Crosscore.Litmus.Syntax.AArch64;

/// <summary>
/// Parses one AArch64 instruction: mnemonic and operands in any case, constants with or without their sign <c>#</c>.
/// Which operands an instruction takes is checked here, so that what is parsed can be lowered.
/// </summary>
internal sealed class ArmParser(LitmusScanner scanner)
{
    private static readonly HashSet<string> Shifts = new(StringComparer.OrdinalIgnoreCase)
    {
        "LSL",
        "LSR",
        "ASR",
        "ROR",
        "UXTB",
        "UXTH",
        "UXTW",
        "UXTX",
        "SXTB",
        "SXTH",
        "SXTW",
        "SXTX",
    };

    public ArmInstruction Parse()
    {
        Token first = scanner.Next();
        ArmMnemonic mnemonic =
            (first.Kind == TokenKind.Name ? ArmMnemonic.Find(first.Text) : null)
            ?? throw scanner.Error(
                first.Position,
                $"found {first}, which is no AArch64 instruction that this project knows{Hint(first.Text)}"
            );
        if (mnemonic.Opcode is ArmOpcode.Membarrier or ArmOpcode.Syscall)
        {
            return ParseSystemCall(first, mnemonic);
        }

        var operands = new List<ArmOperand>();
        Token next = scanner.Peek();
        if (!IsEnd(next))
        {
            do
            {
                operands.Add(ParseOperand(mnemonic));
            } while (scanner.Accept(","));
        }

        // "[Xn],#8": what follows the bracket belongs to it.
        int memory = operands.FindIndex(operand => operand is ArmMemory);
        if (
            memory >= 0
            && memory == operands.Count - 2
            && operands[memory] is ArmMemory { Offset: null, Indexing: ArmIndexing.None } plain
            && operands[^1] is ArmImmediate or ArmRegister
        )
        {
            operands[memory] = plain with { Offset = operands[^1], Indexing = ArmIndexing.After };
            operands.RemoveAt(memory + 1);
        }

        if (mnemonic.Opcode == ArmOpcode.Barrier)
        {
            mnemonic = Barrier(first, mnemonic, operands);
        }

        var instruction = new ArmInstruction
        {
            Mnemonic = mnemonic,
            Operands = operands,
            Position = first.Position,
            Text = scanner.TextFrom(first),
        };
        return ArmShapes.ExpectedOf(instruction) is string expected
            ? throw scanner.Error(first.Position, $"found '{instruction.Text}', expected {expected}")
            : instruction;
    }

    private static string Hint(string name) =>
        name.ToUpperInvariant() switch
        {
            "AT" => ": address translation instructions are not modelled",
            ['C', 'A', 'S', 'P', ..] or "LDXP" or "LDAXP" or "STXP" or "STLXP" =>
                ": exclusive and atomic pairs are not modelled",
            _ => "",
        };

    private static bool IsEnd(Token token) => token.Kind == TokenKind.End || token.Is("|") || token.Is(";");

    private ArmInstruction ParseSystemCall(Token first, ArmMnemonic mnemonic)
    {
        var words = new List<string>();
        MembarrierCommand? command = null;
        if (mnemonic.Opcode == ArmOpcode.Membarrier)
        {
            command = X86Parser.ParseCommand(scanner);
        }
        else
        {
            while (scanner.Peek() is { Kind: TokenKind.Name or TokenKind.Number })
            {
                words.Add(scanner.Next().Text);
            }

            if (words.Count == 0)
            {
                throw scanner.Unexpected(scanner.Peek(), "the name of a system call");
            }
        }

        return new ArmInstruction
        {
            Mnemonic = mnemonic,
            Operands = [],
            SystemCall = words,
            Command = command,
            Position = first.Position,
            Text = scanner.TextFrom(first),
        };
    }

    private ArmMnemonic Barrier(Token first, ArmMnemonic mnemonic, List<ArmOperand> operands)
    {
        string domain = operands is [ArmWord word] ? word.Text : "";
        if (mnemonic.Name == "ISB")
        {
            return operands.Count == 0 || domain == "SY"
                ? mnemonic
                : throw scanner.Error(first.Position, $"found an operand of ISB, expected none or SY");
        }

        if (domain is "NSH" or "NSHLD" or "NSHST")
        {
            // All CPUs are in one shareability domain, so a barrier for its own CPU alone binds nothing that another
            // could see.
            return mnemonic with { Opcode = ArmOpcode.Nop };
        }

        if (domain is not ("SY" or "ISH" or "OSH" or "LD" or "ISHLD" or "OSHLD" or "ST" or "ISHST" or "OSHST"))
        {
            throw scanner.Error(
                first.Position,
                $"found '{scanner.TextFrom(first)}', expected one of {mnemonic.Name} "
                    + "SY, LD, ST, ISH, ISHLD, ISHST, OSH, OSHLD, OSHST, NSH, NSHLD, NSHST"
            );
        }

        int kind =
            domain.EndsWith("LD", StringComparison.Ordinal) ? 1
            : domain.EndsWith("ST", StringComparison.Ordinal) ? 2
            : 0;
        return mnemonic with { Fence = mnemonic.Fence + kind };
    }

    private ArmOperand ParseOperand(ArmMnemonic mnemonic)
    {
        Token token = scanner.Peek();
        if (token.Is("["))
        {
            return ParseMemory();
        }

        if (token.Is("."))
        {
            scanner.Next();
            Token sign = scanner.Peek();
            if (scanner.Accept("+") || sign is { Kind: TokenKind.Number })
            {
                return new ArmPlace(null, ParseNumber());
            }

            return new ArmPlace(null, 0);
        }

        if (token.Is("#") || token.Kind == TokenKind.Number)
        {
            scanner.Accept("#");
            return new ArmImmediate(ParseNumber());
        }

        if (token.Kind != TokenKind.Name)
        {
            throw scanner.Unexpected(token, "a register, a constant, an address in brackets or a label");
        }

        scanner.Next();
        if (TryRegister(token.Text, out int number, out int width))
        {
            return new ArmRegister(number, width);
        }

        if (Shifts.Contains(token.Text) && mnemonic.Opcode is not (ArmOpcode.Branch or ArmOpcode.BranchLink))
        {
            return new ArmWord(
                token.Text.ToUpperInvariant()
                    + " "
                    + (scanner.Accept("#") || scanner.Peek().Kind == TokenKind.Number ? ParseNumber() : 0)
            );
        }

        bool place =
            mnemonic.Opcode
            is ArmOpcode.Branch
                or ArmOpcode.BranchIf
                or ArmOpcode.BranchLink
                or ArmOpcode.CompareAndBranch
                or ArmOpcode.TestAndBranch
                or ArmOpcode.Address;
        return place ? new ArmPlace(token.Text, 0) : new ArmWord(token.Text.ToUpperInvariant());
    }

    private ArmMemory ParseMemory()
    {
        scanner.Expect("[", "before an address");
        ArmRegister @base = ParseRegister("the base register of an address, X0 to X30");
        if (@base.Width != 8)
        {
            throw scanner.Unexpected(scanner.Peek(), "a base register of 64 bits before it");
        }

        ArmOperand? offset = null;
        if (scanner.Accept(","))
        {
            if (scanner.Accept("#") || scanner.Peek().Kind == TokenKind.Number)
            {
                offset = new ArmImmediate(ParseNumber());
            }
            else
            {
                ArmRegister index = ParseRegister("a constant or an index register");
                ArmShift? shift = null;
                if (scanner.Accept(","))
                {
                    Token kind = scanner.Next();
                    if (
                        kind.Kind != TokenKind.Name
                        || kind.Text.ToUpperInvariant() is not ("LSL" or "UXTW" or "SXTW" or "SXTX")
                    )
                    {
                        throw scanner.Unexpected(kind, "LSL, UXTW, SXTW or SXTX");
                    }

                    int amount =
                        scanner.Accept("#") || scanner.Peek().Kind == TokenKind.Number ? (int)ParseNumber() : 0;
                    shift = new ArmShift(kind.Text.ToUpperInvariant(), amount);
                }

                offset = index with { Shift = shift ?? (index.Width == 4 ? new ArmShift("UXTW", 0) : null) };
            }
        }

        scanner.Expect("]", "after an address");
        return new ArmMemory(@base, offset, scanner.Accept("!") ? ArmIndexing.Before : ArmIndexing.None);
    }

    private ArmRegister ParseRegister(string expected)
    {
        Token token = scanner.Next();
        return token.Kind == TokenKind.Name && TryRegister(token.Text, out int number, out int width)
            ? new ArmRegister(number, width)
            : throw scanner.Unexpected(token, expected);
    }

    private long ParseNumber()
    {
        Token token = scanner.Next();
        return token.Kind == TokenKind.Number ? (long)token.Value : throw scanner.Unexpected(token, "a number");
    }

    /// <summary>Looks the name of a register up.</summary>
    public static bool TryRegister(string name, out int number, out int width)
    {
        (number, width) = (-1, 0);
        if (name.Length < 2 || name[0] is not ('X' or 'x' or 'W' or 'w'))
        {
            if (name.Equals("LR", StringComparison.OrdinalIgnoreCase))
            {
                (number, width) = (30, 8);
                return true;
            }

            return false;
        }

        width = name[0] is 'X' or 'x' ? 8 : 4;
        if (name.AsSpan(1).Equals("ZR", StringComparison.OrdinalIgnoreCase))
        {
            number = ArmRegister.Zero;
            return true;
        }

        return int.TryParse(name.AsSpan(1), System.Globalization.NumberStyles.None, null, out number)
            && number <= 30
            && (name.Length == 2 || name[1] != '0');
    }
}
