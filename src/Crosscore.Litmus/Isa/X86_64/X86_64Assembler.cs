using Crosscore.Litmus.Assemblers;
using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Syntax;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// Turns the instructions of one column into machine code, instruction by instruction and unaltered: the same
/// operation, width, operands and registers. Only addresses change, because the test's memory lies wherever a base
/// register says. The result is independent of where it is installed.
/// </summary>
internal sealed class X86_64Assembler
{
    private const int MembarrierNumber = 324; // arch/x86/entry/syscalls/syscall_64.tbl

    // rax is the number and the answer, rcx and r11 are overwritten by SYSCALL (Intel SDM vol. 2), the others are
    // arguments.
    private static readonly X86_64Register[] SystemCallRegisters =
    [
        X86_64Register.Rax,
        X86_64Register.Rcx,
        X86_64Register.R11,
        X86_64Register.Rdi,
        X86_64Register.Rsi,
        X86_64Register.Rdx,
    ];

    private readonly LitmusTest _test;
    private readonly MemoryLayout _layout;
    private readonly X86_64Register _base;
    private X86_64Register? _scratch;
    private Label _exit;
    private Label _refused;

    /// <summary>Begins the code of a column.</summary>
    /// <param name="test">The test.</param>
    /// <param name="layout">Its memory.</param>
    /// <param name="registers">The column's registers; one is taken for the base of the memory.</param>
    public X86_64Assembler(LitmusTest test, MemoryLayout layout, ColumnRegisters registers)
    {
        _test = test;
        _layout = layout;
        Registers = registers;
        _base = registers.Take("the address of the test's memory");
        Base = Of(_base);
        _exit = Emit.CreateLabel();
        _refused = Emit.CreateLabel();
    }

    /// <summary>Gets the code so far; the loop around the column appends to it, too.</summary>
    public Assembler Emit { get; } = new(64);

    /// <summary>Gets the registers of the column.</summary>
    public ColumnRegisters Registers { get; }

    /// <summary>Holds the address of the test's memory while the column runs.</summary>
    public AssemblerRegister64 Base { get; }

    /// <summary>Gets where to go to leave the function, from anywhere in it.</summary>
    public Label Exit => _exit;

    /// <summary>Whether a membarrier notes the fast side's progress before and after the call.</summary>
    public bool NotesProgress { get; init; }

    /// <summary>Gets a register by its 64-bit name.</summary>
    /// <param name="register">The register.</param>
    public static AssemblerRegister64 Of(X86_64Register register) => new(ColumnRegisters.Name(register));

    /// <summary>Gets a slot of the frame.</summary>
    /// <param name="offset">One of <see cref="Frame"/>.</param>
    public static AssemblerMemoryOperand Slot(int offset) => __qword_ptr[rsp + offset];

    /// <summary>Whether a column can jump backwards, and so may never end.</summary>
    /// <param name="column">The column.</param>
    public static bool HasLoop(LitmusThread column) => LoopHeads(column).Any();

    /// <summary>
    /// Enters the function: keeps what the caller wants back, makes the frame. rdi then still holds the control block.
    /// </summary>
    /// <param name="sharedOffset">Where in the control block the address of the shared block is.</param>
    /// <param name="slots">What else of the control block goes to which slots of the frame.</param>
    public void Enter(int sharedOffset, params ReadOnlySpan<(int From, int To)> slots)
    {
        foreach (AssemblerRegister64 register in CalleeSaved)
        {
            Emit.push(register);
        }

        Emit.sub(rsp, Frame.Size);
        Emit.mov(Slot(Frame.Control), rdi);
        Emit.mov(rax, __qword_ptr[rdi + sharedOffset]);
        Emit.mov(Slot(Frame.Shared), rax);
        foreach ((int from, int to) in slots)
        {
            Emit.mov(rax, __qword_ptr[rdi + from]);
            Emit.mov(Slot(to), rax);
        }
    }

    /// <summary>Ends the function: what a refused membarrier does, and the way out.</summary>
    /// <param name="errorOffset">Where in the control block the kernel's answer goes.</param>
    public void Leave(int errorOffset)
    {
        Emit.jmp(_exit);
        Emit.Label(ref _refused);
        Emit.mov(rdi, Slot(Frame.Control));
        Emit.mov(rax, Slot(Frame.Answer));
        Emit.mov(__qword_ptr[rdi + errorOffset], rax);
        Emit.mov(rdi, Slot(Frame.Shared));
        Emit.mov(__dword_ptr[rdi], 1);
        Emit.Label(ref _exit);
        Emit.add(rsp, Frame.Size);
        foreach (AssemblerRegister64 register in CalleeSaved.Reverse())
        {
            Emit.pop(register);
        }

        Emit.ret();
    }

    /// <summary>Gets the bytes.</summary>
    public byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        Emit.Assemble(new StreamCodeWriter(stream), 0);
        return stream.ToArray();
    }

    /// <summary>
    /// Gives every register of the column its initial value, then clears the flags that conditions look at.
    /// </summary>
    public void SetInitialRegisters()
    {
        foreach (X86_64Register register in Registers.Initialized)
        {
            InitialValue value = Registers.Column.InitialRegisters.GetValueOrDefault(register.ToTest());
            if (value.AddressOf is not null)
            {
                Emit.lea(Of(register), Base + (int)_layout.Resolve(value, 0));
            }
            else if (value.Number == 0)
            {
                var low = new AssemblerRegister32(ColumnRegisters.Name(register, 4));
                Emit.xor(low, low);
            }
            else
            {
                Emit.mov(Of(register), value.Number);
            }
        }

        // rsp is neither zero nor, being a user address, negative; TEST clears carry and overflow: ZF = SF = CF = OF =
        // 0, as in the model.
        Emit.test(rsp, rsp);
    }

    /// <summary>Assembles the whole column, labels and jumps included; it ends by falling through.</summary>
    public void Column()
    {
        LitmusThread column = Registers.Column;
        IReadOnlyList<X86_64Instruction> code = column.InstructionsAs<X86_64Instruction>();
        Label end = Emit.CreateLabel();
        Dictionary<string, Label> labels = column.Labels.ToDictionary(
            label => label.Key,
            label => label.Value >= code.Count ? end : Emit.CreateLabel()
        );
        HashSet<string> loops = [.. LoopHeads(column)];
        for (int index = 0; index < code.Count; index++)
        {
            foreach ((string name, int place) in column.Labels)
            {
                if (place == index)
                {
                    Label label = labels[name];
                    Emit.Label(ref label);
                    Emit.zero_bytes(); // the assembler takes one label for an instruction; the column may have more
                    if (loops.Contains(name))
                    {
                        LeaveWhenAsked();
                    }
                }
            }

            X86_64Instruction instruction = code[index];
            switch (instruction.Opcode)
            {
                case X86_64Opcode.Ret:
                    Emit.jmp(end);
                    break;
                case X86_64Opcode.Jmp:
                    Emit.jmp(Target(instruction, labels));
                    break;
                case X86_64Opcode.Jcc:
                    Emit.AddInstruction(
                        Iced.Intel.Instruction.CreateBranch(
                            InstructionForms.Conditional[instruction.Condition].Jump,
                            Target(instruction, labels).Id
                        )
                    );
                    break;
                default:
                    Instruction(instruction);
                    break;
            }
        }

        Emit.Label(ref end);
        Emit.zero_bytes();
    }

    /// <summary>Assembles one instruction that is no jump.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <exception cref="LitmusException">The architecture has no such instruction.</exception>
    public void Instruction(X86_64Instruction instruction)
    {
        if (instruction.Opcode == X86_64Opcode.Membarrier)
        {
            SystemCall(instruction.Command!.Value);
            return;
        }

        Iced.Intel.Instruction encoded = new OperandEncoder(_test.File, instruction, Resolve).Encode();
        if (instruction.Lock)
        {
            encoded.HasLockPrefix = true;
        }

        Emit.AddInstruction(encoded);
    }

    /// <summary>Memory that an instruction names, at the place where it lies here.</summary>
    /// <param name="memory">The operand.</param>
    public Iced.Intel.MemoryOperand Resolve(X86_64MemoryOperand memory)
    {
        Register Name(X86_64Register? register) => register is { } some ? ColumnRegisters.Name(some) : Register.None;

        if (memory.Variable is null)
        {
            return new(
                Name(memory.Base),
                Name(memory.Index),
                memory.Scale,
                memory.Displacement,
                DisplacementSize(memory.Displacement)
            );
        }

        long displacement = (long)_layout.OffsetOf(memory.Variable) + memory.Displacement;
        if (memory.Base is null)
        {
            return new(Base, Name(memory.Index), memory.Scale, displacement, DisplacementSize(displacement));
        }

        if (memory.Index is null)
        {
            return new(Base, Name(memory.Base), 1, displacement, DisplacementSize(displacement));
        }

        // Three registers make one address: two are added beforehand. LEA leaves the flags alone.
        _scratch ??= Registers.Take("an address of three parts");
        Emit.lea(Of(_scratch.Value), Base + Of(memory.Base.Value));
        return new(
            ColumnRegisters.Name(_scratch.Value),
            Name(memory.Index),
            memory.Scale,
            displacement,
            DisplacementSize(displacement)
        );
    }

    // What the assembler wants to know: none, one byte, or (8 stands for it) the four that are extended to the size of
    // an address.
    private static int DisplacementSize(long displacement) =>
        displacement == 0 ? 0
        : displacement == (sbyte)displacement ? 1
        : 8;

    // A column may spin forever, by itself or because of a bug. Where a backward jump arrives, the request to leave is
    // looked at; flags survive. The frame lies 8 bytes further while they are on the stack.
    private void LeaveWhenAsked()
    {
        Label stay = Emit.CreateLabel();
        Emit.pushfq();
        Emit.mov(Base, Slot(Frame.Shared + 8));
        Emit.cmp(__dword_ptr[Base], 0);
        Emit.mov(Base, Slot(Frame.Instance + 8));
        Emit.je(stay);
        Emit.add(rsp, 8);
        Emit.jmp(_exit);
        Emit.Label(ref stay);
        Emit.popfq();
    }

    // The real system call. Flags: SYSCALL and SYSRET restore them, and MOV, LEA and JRCXZ touch none, so the column
    // finds them as they were.
    private void SystemCall(MembarrierCommand command)
    {
        X86_64Register[] kept = [.. SystemCallRegisters.Where(Registers.Uses)];
        for (int index = 0; index < kept.Length; index++)
        {
            Emit.mov(Slot(Frame.Saved + (8 * index)), Of(kept[index]));
        }

        NoteProgress(Frame.ProgressBefore);
        Emit.mov(eax, MembarrierNumber);
        Emit.mov(edi, (int)command);
        Emit.mov(esi, 0);
        Emit.mov(edx, 0);
        Emit.syscall();
        Emit.mov(rcx, rax);
        Label accepted = Emit.CreateLabel();
        Emit.jrcxz(accepted);
        Emit.mov(Slot(Frame.Answer), rcx);
        Emit.jmp(_refused);
        Emit.Label(ref accepted);
        Emit.zero_bytes();
        NoteProgress(Frame.ProgressAfter);
        for (int index = 0; index < kept.Length; index++)
        {
            Emit.mov(Of(kept[index]), Slot(Frame.Saved + (8 * index)));
        }
    }

    private void NoteProgress(int slot)
    {
        if (NotesProgress)
        {
            Emit.mov(rdx, Slot(Frame.Shared));
            Emit.mov(rdx, __qword_ptr[rdx + SharedBlock.Line(0)]);
            Emit.mov(Slot(slot), rdx);
        }
    }

    private Label Target(X86_64Instruction jump, Dictionary<string, Label> labels) =>
        jump.Target is not null && labels.TryGetValue(jump.Target, out Label label)
            ? label
            : throw new LitmusException(
                _test.File,
                jump.Position,
                $"found a jump to {jump.Target}, expected a label of this column"
            );

    private static IEnumerable<string> LoopHeads(LitmusThread column) =>
        column
            .InstructionsAs<X86_64Instruction>()
            .Select((instruction, index) => (instruction.Target, index))
            .Where(jump =>
                jump.Target is not null && column.Labels.GetValueOrDefault(jump.Target, int.MaxValue) <= jump.index
            )
            .Select(jump => jump.Target!);

    private static AssemblerRegister64[] CalleeSaved => [rbx, rbp, r12, r13, r14, r15];
}
