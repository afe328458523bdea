using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>Reads operands in AT&amp;T syntax.</summary>
internal sealed class X86_64Operands(LitmusScanner scanner, LocationTable locations)
{
    /// <summary>Gets the bytes that the suffix of a mnemonic stands for; 0 for any other letter.</summary>
    public static int SuffixWidth(char suffix) =>
        suffix switch
        {
            'b' => 1,
            'w' => 2,
            'l' => 4,
            'q' => 8,
            _ => 0,
        };

    /// <summary>Reads an operand.</summary>
    /// <param name="width">Bytes that the suffix of the mnemonic asks for; 0 without a suffix.</param>
    public X86_64Operand Read(int width)
    {
        Token token = scanner.Next();
        if (token.Is("$"))
        {
            return ReadConstant();
        }

        if (token.Is("%"))
        {
            return ParseRegister(scanner.Next(), width);
        }

        if (token.Kind == TokenKind.Number)
        {
            if (!scanner.Peek().Is("(") && !scanner.Peek().Is("["))
            {
                return new X86_64ImmediateOperand((long)token.Value);
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
            if (X86_64RegisterNames.TryParse(token.Text, out _, out _))
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
                locations.Mention(token.Text, token.Position, width);
                return Named(token.Text, 0);
            }
        }

        throw scanner.Unexpected(token, "an operand: %register, $constant, (location) or displacement(%register)");
    }

    private X86_64Operand ReadConstant()
    {
        Token constant = scanner.Next();
        switch (constant.Kind)
        {
            case TokenKind.Number:
                return new X86_64ImmediateOperand((long)constant.Value);
            case TokenKind.Name:
                locations.AddressOf(constant.Text, 0, constant.Position);
                return new X86_64AddressOperand(constant.Text);
            default:
                throw scanner.Unexpected(constant, "a number or a location after '$'");
        }
    }

    private X86_64RegisterOperand ParseRegister(Token name, int suffix)
    {
        if (
            name.Kind != TokenKind.Name
            || !X86_64RegisterNames.TryParse(name.Text, out X86_64Register register, out int width)
        )
        {
            throw scanner.Unexpected(
                name,
                "a general-purpose register (the high bytes ah, bh, ch and dh are not modeled)"
            );
        }

        return register == X86_64Register.Rsp
            ? throw scanner.Error(name.Position, "found the stack pointer, which a litmus test cannot use")
            : new X86_64RegisterOperand(register, suffix != 0 && !IsShiftCount(register, width) ? suffix : width);
    }

    // "shll %cl,(x)": the count has one byte whatever the suffix says; every other register follows the suffix, as in
    // herd.
    private static bool IsShiftCount(X86_64Register register, int width) =>
        register == X86_64Register.Rcx && width == 1;

    private X86_64MemoryOperand ParseMemory(Token opening, int displacement, int width)
    {
        string closing = opening.Is("(") ? ")" : "]";
        Token first = scanner.Peek();
        if (first.Kind == TokenKind.Name && !X86_64RegisterNames.TryParse(first.Text, out _, out _))
        {
            scanner.Next();
            scanner.Expect(closing, "after the location");
            locations.Mention(first.Text, first.Position, displacement == 0 ? width : 0);
            return Named(first.Text, displacement);
        }

        X86_64Register? @base = first.Is(",") ? null : ParseAddressRegister();
        X86_64Register? index = null;
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
        return new X86_64MemoryOperand(null, displacement, @base, index, scale);
    }

    private X86_64MemoryOperand Named(string name, int displacement) =>
        new(locations.Resolve(name), displacement, null, null, 1) { ThroughAlias = locations.Resolve(name) != name };

    private X86_64Register ParseAddressRegister()
    {
        scanner.Accept("%");
        return ParseRegister(scanner.Next(), 8).Register;
    }
}
