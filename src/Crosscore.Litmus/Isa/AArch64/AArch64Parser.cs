using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>
/// Parses one AArch64 instruction: mnemonic and operands in any case, constants with or without their sign <c>#</c>.
/// Which operands an instruction takes is checked here, so that what is parsed can be lowered.
/// </summary>
internal sealed class AArch64Parser(LitmusScanner scanner)
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

    public AArch64Instruction Parse()
    {
        Token first = scanner.Next();
        AArch64Mnemonic mnemonic =
            (first.Kind == TokenKind.Name ? AArch64Mnemonic.Find(first.Text) : null)
            ?? throw scanner.Error(
                first.Position,
                $"found {first}, which is no AArch64 instruction that this project knows{Hint(first.Text)}"
            );
        if (mnemonic.Opcode is AArch64Opcode.Membarrier or AArch64Opcode.Syscall)
        {
            return ParseSystemCall(first, mnemonic);
        }

        var operands = new List<AArch64Operand>();
        Token next = scanner.Peek();
        if (!IsEnd(next))
        {
            do
            {
                operands.Add(ParseOperand(mnemonic));
            } while (scanner.Accept(","));
        }

        // "[Xn],#8": what follows the bracket belongs to it.
        int memory = operands.FindIndex(operand => operand is AArch64Memory);
        if (
            memory >= 0
            && memory == operands.Count - 2
            && operands[memory] is AArch64Memory { Offset: null, Indexing: AArch64Indexing.None } plain
            && operands[^1] is AArch64Immediate or AArch64Register
        )
        {
            operands[memory] = plain with { Offset = operands[^1], Indexing = AArch64Indexing.After };
            operands.RemoveAt(memory + 1);
        }

        if (mnemonic.Opcode == AArch64Opcode.Barrier)
        {
            mnemonic = Barrier(first, mnemonic, operands);
        }

        var instruction = new AArch64Instruction
        {
            Mnemonic = mnemonic,
            Operands = operands,
            Position = first.Position,
            Text = scanner.TextFrom(first),
        };
        return AArch64Shapes.ExpectedOf(instruction) is string expected
            ? throw scanner.Error(first.Position, $"found '{instruction.Text}', expected {expected}")
            : instruction;
    }

    private static string Hint(string name) =>
        name.ToUpperInvariant() switch
        {
            "AT" => ": address translation instructions are not modeled",
            ['C', 'A', 'S', 'P', ..] or "LDXP" or "LDAXP" or "STXP" or "STLXP" =>
                ": exclusive and atomic pairs are not modeled",
            _ => "",
        };

    private static bool IsEnd(Token token) => token.Kind == TokenKind.End || token.Is("|") || token.Is(";");

    private AArch64Instruction ParseSystemCall(Token first, AArch64Mnemonic mnemonic)
    {
        bool isMembarrier = mnemonic.Opcode == AArch64Opcode.Membarrier;
        return new AArch64Instruction
        {
            Mnemonic = mnemonic,
            Operands = [],
            SystemCall = isMembarrier ? [] : SystemCalls.ReadWords(scanner),
            Command = isMembarrier ? SystemCalls.ReadCommand(scanner) : null,
            Position = first.Position,
            Text = scanner.TextFrom(first),
        };
    }

    private AArch64Mnemonic Barrier(Token first, AArch64Mnemonic mnemonic, List<AArch64Operand> operands)
    {
        string domain = operands is [AArch64Word word] ? word.Text : "";
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
            return mnemonic with { Opcode = AArch64Opcode.Nop };
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

    private AArch64Operand ParseOperand(AArch64Mnemonic mnemonic)
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
                return new AArch64Place(null, ParseNumber());
            }

            return new AArch64Place(null, 0);
        }

        if (token.Is("#") || token.Kind == TokenKind.Number)
        {
            scanner.Accept("#");
            return new AArch64Immediate(ParseNumber());
        }

        if (token.Kind != TokenKind.Name)
        {
            throw scanner.Unexpected(token, "a register, a constant, an address in brackets or a label");
        }

        scanner.Next();
        if (AArch64Registers.TryParse(token.Text, out int number, out int width))
        {
            return new AArch64Register(number, width);
        }

        if (Shifts.Contains(token.Text) && mnemonic.Opcode is not (AArch64Opcode.Branch or AArch64Opcode.BranchLink))
        {
            return new AArch64Word(
                token.Text.ToUpperInvariant()
                    + " "
                    + (scanner.Accept("#") || scanner.Peek().Kind == TokenKind.Number ? ParseNumber() : 0)
            );
        }

        bool place =
            mnemonic.Opcode
            is AArch64Opcode.Branch
                or AArch64Opcode.BranchIf
                or AArch64Opcode.BranchLink
                or AArch64Opcode.CompareAndBranch
                or AArch64Opcode.TestAndBranch
                or AArch64Opcode.Address;
        return place ? new AArch64Place(token.Text, 0) : new AArch64Word(token.Text.ToUpperInvariant());
    }

    private AArch64Memory ParseMemory()
    {
        scanner.Expect("[", "before an address");
        AArch64Register @base = ParseRegister("the base register of an address, X0 to X30");
        if (@base.Width != 8)
        {
            throw scanner.Unexpected(scanner.Peek(), "a base register of 64 bits before it");
        }

        AArch64Operand? offset = null;
        if (scanner.Accept(","))
        {
            if (scanner.Accept("#") || scanner.Peek().Kind == TokenKind.Number)
            {
                offset = new AArch64Immediate(ParseNumber());
            }
            else
            {
                AArch64Register index = ParseRegister("a constant or an index register");
                AArch64Shift? shift = null;
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
                    shift = new AArch64Shift(kind.Text.ToUpperInvariant(), amount);
                }

                offset = index with { Shift = shift ?? (index.Width == 4 ? new AArch64Shift("UXTW", 0) : null) };
            }
        }

        scanner.Expect("]", "after an address");
        return new AArch64Memory(@base, offset, scanner.Accept("!") ? AArch64Indexing.Before : AArch64Indexing.None);
    }

    private AArch64Register ParseRegister(string expected)
    {
        Token token = scanner.Next();
        return token.Kind == TokenKind.Name && AArch64Registers.TryParse(token.Text, out int number, out int width)
            ? new AArch64Register(number, width)
            : throw scanner.Unexpected(token, expected);
    }

    private long ParseNumber()
    {
        Token token = scanner.Next();
        return token.Kind == TokenKind.Number ? (long)token.Value : throw scanner.Unexpected(token, "a number");
    }
}
