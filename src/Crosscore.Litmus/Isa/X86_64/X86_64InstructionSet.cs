using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Cores;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>The instruction set of x86-64 processors, in AT&amp;T syntax.</summary>
internal sealed class X86_64InstructionSet : IInstructionSet
{
    // The order in which herd prints registers.
    private static readonly X86_64Register[] HerdOrder =
    [
        X86_64Register.Rax,
        X86_64Register.Rbx,
        X86_64Register.Rcx,
        X86_64Register.Rdx,
        X86_64Register.Rsi,
        X86_64Register.Rdi,
        X86_64Register.Rbp,
        X86_64Register.R8,
        X86_64Register.R9,
        X86_64Register.R10,
        X86_64Register.R11,
        X86_64Register.R12,
        X86_64Register.R13,
        X86_64Register.R14,
        X86_64Register.R15,
    ];

    public Architecture Architecture => Architecture.X86_64;

    public CoreKind HomeCore => CoreKind.X86Tso;

    public bool HasFaultHandlers => false;

    public string RegisterExample => "a general-purpose register such as rax";

    public IPageEntrySyntax? PageEntries => null;

    public ITestAssembler? Assembler { get; } = new X86_64TestAssembler();

    public Column NewColumn(int id, LitmusScanner scanner, InitialState state) => new X86_64Column(id, scanner, state);

    public TestRegister? FindRegister(string name) =>
        X86_64RegisterNames.TryParse(name, out X86_64Register register, out _) && register != X86_64Register.Rsp
            ? register.ToTest()
            : null;

    public bool IsLabel(string name) => false;

    public int PrintOrder(TestRegister register) => Array.IndexOf(HerdOrder, register.ToX86_64());

    public int WidestUse(LitmusThread column, TestRegister register)
    {
        int width = 0;
        foreach (X86_64Instruction instruction in column.InstructionsAs<X86_64Instruction>())
        {
            foreach (X86_64Operand operand in instruction.Operands)
            {
                width =
                    operand is X86_64RegisterOperand named && named.Register == register.ToX86_64()
                        ? Math.Max(width, named.Width)
                        : width;
            }

            // A compare-and-exchange uses rax without naming it.
            width =
                instruction.Opcode == X86_64Opcode.Cmpxchg && register.ToX86_64() == X86_64Register.Rax
                    ? Math.Max(width, instruction.Width)
                    : width;
        }

        return width;
    }

    public InitialValue? ReadCodeValue(LitmusScanner scanner, InitialState state, Token first) => null;

    public IReadOnlyDictionary<ulong, ITestInstruction>? OpcodesOf(LitmusTest test) => null;

    public LoweredColumns Lower(LitmusTest test, MemoryLayout layout, KernelLowering? kernel) =>
        new(
            [.. test.Threads.Select(thread => new X86_64Lowering(test, thread, layout, kernel))],
            [],
            AddressesTaken(test)
        );

    public ITestInstruction FullBarrier(ITestInstruction replaced) =>
        new X86_64Instruction
        {
            Opcode = X86_64Opcode.Mfence,
            Width = 0,
            SourceWidth = 0,
            Operands = [],
            Condition = default,
            Lock = false,
            Target = null,
            Position = replaced.Position,
            Text = replaced.Text,
        };

    public string? WhyModelOnly(LitmusTest test)
    {
        HashSet<X86_64Opcode> opcodes =
        [
            .. test
                .Threads.SelectMany(thread => thread.InstructionsAs<X86_64Instruction>())
                .Select(instruction => instruction.Opcode),
        ];
        return test.Variables.Any(variable => variable.IsCode) ? "tests that change code can only be explored"
            : opcodes.Contains(X86_64Opcode.Syscall) ? "tests with system calls of a kernel design can only be explored"
            : opcodes.Contains(X86_64Opcode.Serialize)
                ? "it serializes cores, which only changed code can notice, and can only be explored"
            : opcodes.Overlaps([X86_64Opcode.Rseq, X86_64Opcode.RseqCpu])
                ? "tests with restartable sections can only be explored"
            : null;
    }

    private static HashSet<string> AddressesTaken(LitmusTest test)
    {
        var taken = new HashSet<string>();
        foreach (
            X86_64Instruction instruction in test
                .Threads.SelectMany(thread => thread.InstructionsAs<X86_64Instruction>())
                .Where(instruction => instruction.Opcode != X86_64Opcode.Call)
        )
        {
            taken.UnionWith(instruction.Operands.OfType<X86_64AddressOperand>().Select(operand => operand.Variable));
            if (instruction.Opcode == X86_64Opcode.Lea && instruction.Memory?.Variable is string variable)
            {
                taken.Add(variable);
            }
        }

        return taken;
    }
}
