using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>The instruction set of 64-bit Arm processors.</summary>
internal sealed class AArch64InstructionSet : IInstructionSet
{
    public Architecture Architecture => Architecture.AArch64;

    public CoreKind HomeCore => CoreKind.AArch64;

    public bool HasFaultHandlers => true;

    public string RegisterExample => "a general register such as X0";

    public IPageEntrySyntax? PageEntries { get; } = new AArch64PageEntries();

    public ITestAssembler? Assembler => null;

    public Column NewColumn(int id, LitmusScanner scanner, InitialState state) => new AArch64Column(id, scanner);

    public TestRegister? FindRegister(string name) =>
        AArch64Registers.TryParse(name, out int number, out _) && number != AArch64Register.Zero
            ? AArch64Registers.ToTest(number)
            : null;

    // "P1:L0" is the address of a label where "P1:X0" is a register.
    public bool IsLabel(string name) => !AArch64Registers.TryParse(name, out _, out _);

    public int PrintOrder(TestRegister register) => register.Number;

    public int WidestUse(LitmusThread column, TestRegister register) =>
        column
            .InstructionsAs<AArch64Instruction>()
            .SelectMany(instruction => instruction.Operands)
            .OfType<AArch64Register>()
            .Where(named => named.Number == register.Number)
            .Select(named => named.Width)
            .DefaultIfEmpty()
            .Max();

    /// <inheritdoc/>
    /// <remarks>
    /// Labels are written as <c>P1:L0</c> or <c>label:"P1:L0"</c>, opcodes as <c>NOP</c> or <c>instr:"B .+8"</c>.
    /// </remarks>
    public InitialValue? ReadCodeValue(LitmusScanner scanner, InitialState state, Token first)
    {
        if (scanner.Peek().Is(":") && (first.Kind == TokenKind.Number || first.ThreadNumber is not null))
        {
            scanner.Next();
            Token label = scanner.Next();
            return label.Kind == TokenKind.Name
                ? state.Labels.ValueOf($"P{first.ThreadNumber ?? (int)first.Value}:{label.Text}", first.Position)
                : throw scanner.Unexpected(label, "a label");
        }

        if ((first.IsName("label") || first.IsName("instr")) && scanner.Accept(":"))
        {
            Token quoted = scanner.Next();
            if (quoted.Kind != TokenKind.Quoted)
            {
                throw scanner.Unexpected(quoted, "a quoted text");
            }

            return first.IsName("instr")
                ? Opcode(scanner, quoted.Text, quoted.Position)
                : state.Labels.ValueOf(quoted.Text, quoted.Position);
        }

        return first.Kind == TokenKind.Name && first.Text == "NOP" ? Opcode(scanner, first.Text, first.Position) : null;
    }

    public IReadOnlyDictionary<ulong, ITestInstruction>? OpcodesOf(LitmusTest test) => new AArch64Code(test).Written;

    public LoweredColumns Lower(LitmusTest test, MemoryLayout layout, KernelLowering? kernel)
    {
        var code = new AArch64Code(test);
        TestTranslation translation = TestTranslation.Of(test);
        return new LoweredColumns(
            [.. test.Threads.Select(thread => new AArch64Lowering(test, thread, layout, kernel, code, translation))],
            [.. code.Memory],
            new HashSet<string>()
        );
    }

    public ITestInstruction FullBarrier(ITestInstruction replaced) =>
        new AArch64Instruction
        {
            Mnemonic = AArch64Mnemonic.Find("DMB")!,
            Operands = [new AArch64Word("SY")],
            Position = replaced.Position,
            Text = replaced.Text,
        };

    public string? WhyModelOnly(LitmusTest test) => $"{Architecture} tests can only be explored";

    private static InitialValue Opcode(LitmusScanner scanner, string text, SourcePosition position)
    {
        var inner = new LitmusScanner(text, "");
        AArch64Instruction instruction;
        try
        {
            instruction = new AArch64Parser(inner).Parse();
            if (inner.Peek().Kind != TokenKind.End)
            {
                throw inner.Unexpected(inner.Peek(), "the end of the instruction");
            }
        }
        catch (LitmusException exception)
        {
            throw scanner.Error(
                position,
                $"in the instruction \"{text}\": "
                    + $"{exception.Message[(exception.Message.IndexOf(' ', StringComparison.Ordinal) + 1)..]}"
            );
        }

        if (instruction.Labels.Any())
        {
            throw scanner.Error(
                position,
                $"found a label in the instruction \"{text}\", expected an offset such as .+8"
            );
        }

        long offset = instruction.Operands.OfType<AArch64Place>().FirstOrDefault()?.Offset ?? 0;
        uint opcode =
            AArch64Encoding.Encode(instruction, offset)
            ?? throw scanner.Error(
                position,
                $"found the instruction \"{text}\", which has no opcode that this "
                    + "project knows; expected another instruction, or its number"
            );
        return new InitialValue(opcode) { Instruction = AArch64Encoding.Relocatable(instruction, offset) };
    }
}
