using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.X86_64;
using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Tests.Machine;
using Iced.Intel;

namespace Crosscore.Litmus.Tests.Isa.X86_64;

/// <summary>
/// What no lone column can tell by its outcome is looked up in the bytes: fences, hints, lock prefixes; and what cannot
/// be encoded is refused.
/// </summary>
public class FenceEncodingTests
{
    [Theory]
    [InlineData("mfence", "mfence")]
    [InlineData("sfence", "sfence")]
    [InlineData("lfence", "lfence")]
    [InlineData("pause", "pause")]
    [InlineData("nop", "nop")]
    [InlineData("lock incl (x)", "lock inc dword ptr [r15]")]
    [InlineData("incl (x)", "inc dword ptr [r15]")]
    [InlineData("lock cmpxchgq %rbx,(x)", "lock cmpxchg [r15],rbx")]
    public void The_column_is_encoded_as_written(string instruction, string expected)
    {
        // rsp is tested against itself right before the column, and the results are stored right after it.
        List<string> lines = Disassemble($"X86_64 one\n{{ x=0; }}\n P0 ;\n {instruction} ;\nexists (x=0)\n");
        Assert.Equal(expected, lines[lines.IndexOf("test rsp,rsp") + 1]);
    }

    [Theory]
    [InlineData("private_expedited", 8)]
    [InlineData("private_expedited_sync_core", 32)]
    [InlineData("private_expedited_rseq", 128)]
    [InlineData("global", 1)]
    [InlineData("global_expedited", 2)]
    public void Membarrier_is_the_system_call_with_its_command(string command, int number)
    {
        List<string> lines = Disassemble($"X86_64 one\n{{ x=0; }}\n P0 ;\n membarrier {command} ;\nexists (x=0)\n");
        int call = lines.LastIndexOf("syscall");
        Assert.Equal(
            ["mov eax,144h", $"mov edi,{Hexadecimal(number)}", "mov esi,0", "mov edx,0"],
            lines[(call - 4)..call]
        );
    }

    [Fact]
    public void An_instruction_that_the_architecture_lacks_is_an_error_with_its_place()
    {
        X86_64Instruction extension = Instruction(
            X86_64Opcode.Movzx,
            8,
            4,
            [new X86_64RegisterOperand(X86_64Register.Rax, 4), new X86_64RegisterOperand(X86_64Register.Rbx, 8)]
        );
        var error = Assert.Throws<LitmusException>(() =>
            new OperandEncoder("some.litmus", extension, _ => default).Encode()
        );
        Assert.Equal(new SourcePosition(3, 4), error.Position);
        Assert.Equal("some.litmus", error.File);

        X86_64Instruction locked = Instruction(
            X86_64Opcode.Mov,
            4,
            4,
            [new X86_64ImmediateOperand(1), new X86_64RegisterOperand(X86_64Register.Rbx, 4)],
            locked: true
        );
        Assert.Throws<LitmusException>(() => new OperandEncoder("some.litmus", locked, _ => default).Encode());

        X86_64Instruction large = Instruction(
            X86_64Opcode.Add,
            8,
            8,
            [new X86_64ImmediateOperand(1L << 40), new X86_64RegisterOperand(X86_64Register.Rbx, 8)]
        );
        Assert.Throws<LitmusException>(() => new OperandEncoder("some.litmus", large, _ => default).Encode());
    }

    [Fact]
    public void A_column_that_uses_all_registers_is_told_so()
    {
        string[] names =
        [
            "rax",
            "rbx",
            "rcx",
            "rdx",
            "rsi",
            "rdi",
            "rbp",
            "r8",
            "r9",
            "r10",
            "r11",
            "r12",
            "r13",
            "r14",
            "r15",
        ];
        string code = string.Join(" ;\n ", names.Select(name => $"movq $1,%{name}"));
        string text = $"X86_64 all\n{{ }}\n P0 ;\n {code} ;\nexists (0:rax=0)\n";
        MachineTests.RequireMachine();
        var error = Assert.Throws<MachineRunException>(() => MachineTests.OnlyOutcome(text));
        Assert.Contains("leaves no register free", error.Message);
    }

    [Fact]
    public void A_column_may_use_all_registers_but_one()
    {
        MachineTests.RequireMachine();
        string[] names =
        [
            "rax",
            "rbx",
            "rcx",
            "rdx",
            "rsi",
            "rdi",
            "rbp",
            "r8",
            "r9",
            "r10",
            "r11",
            "r12",
            "r13",
            "r14",
        ];
        string code = string.Join(" ;\n ", names.Select((name, index) => $"movq ${index + 1},%{name}"));
        string condition = string.Join(" /\\ ", names.Select(name => $"0:{name}=0"));
        string text =
            $"X86_64 all\n{{ }}\n P0 ;\n {code} ;\n membarrier private_expedited "
            + $";\n movl %eax,(x) ;\nexists ({condition} /\\ x=0)\n";
        Assert.Equal([.. Enumerable.Range(1, 14).Select(value => (ulong)value), 1], MachineTests.OnlyOutcome(text));
    }

    private static X86_64Instruction Instruction(
        X86_64Opcode opcode,
        int width,
        int sourceWidth,
        X86_64Operand[] operands,
        bool locked = false
    ) =>
        new()
        {
            Opcode = opcode,
            Width = width,
            SourceWidth = sourceWidth,
            Operands = operands,
            Condition = default,
            Lock = locked,
            Target = null,
            Command = default,
            Position = new SourcePosition(3, 4),
            Text = "written",
        };

    private static string Hexadecimal(int number) => number < 10 ? $"{number}" : $"{number:X}h";

    private static List<string> Disassemble(string text)
    {
        LitmusTest test = MachineTests.Parse(text);
        byte[] code = RendezvousLoop.Assemble(
            test,
            new MemoryLayout(test.Variables),
            new ColumnRegisters(test, test.Threads[0])
        );
        var decoder = Decoder.Create(64, code);
        var formatter = new MasmFormatter { Options = { SpaceAfterOperandSeparator = false } };
        var lines = new List<string>();
        foreach (Instruction instruction in decoder)
        {
            var output = new StringOutput();
            formatter.Format(instruction, output);
            lines.Add(output.ToStringAndReset());
        }

        return lines;
    }
}
