using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.X86_64;

/// <summary>
/// Lowers one column to micro-operations. An instruction that reads and writes memory without a lock prefix is a load,
/// a computation and a store that others may come between; with the prefix, or as an exchange, it is one indivisible
/// step (Intel SDM vol. 3, 9.1.2).
/// </summary>
internal sealed partial class X86_64Lowering : ThreadLowering
{
    private readonly IReadOnlyList<X86_64Instruction> _code;
    private readonly List<RestartableSection> _sections;

    public X86_64Lowering(LitmusTest test, LitmusThread thread, MemoryLayout layout, KernelLowering? kernel)
        : base(test, thread, layout, kernel)
    {
        FlagChecker.Check(test, thread);
        _code = thread.InstructionsAs<X86_64Instruction>();
        int[] starts = new int[_code.Count + 1];
        for (int index = 0; index < _code.Count; index++)
        {
            BeginInstruction(index);
            starts[index] = Ops.Count;
            Lower(_code[index]);
        }

        starts[^1] = Ops.Count;
        ResolveJumps(starts);
        _sections =
        [
            .. _code
                .Index()
                .Where(entry => entry.Item.Opcode == X86_64Opcode.Rseq)
                .Select(entry => new RestartableSection(
                    starts[entry.Index + 1],
                    starts[thread.Labels[entry.Item.SectionEnd!]],
                    starts[thread.Labels[entry.Item.SectionAbort!]]
                )),
        ];
    }

    protected override IReadOnlyList<RestartableSection> Sections => _sections;

    // Jumps name their target by the index of an instruction, as a negative number, until all operations are known.
    private void ResolveJumps(int[] starts)
    {
        for (int index = 0; index < Ops.Count; index++)
        {
            if (Ops[index].Kind is MicroOpKind.Jump or MicroOpKind.Branch && Ops[index].Target < 0)
            {
                Ops[index] = Ops[index] with { Target = starts[-1 - Ops[index].Target] };
            }
        }
    }

    private int ModelRegister(X86_64Register register) => ModelRegister(register.ToTest());

    private void Lower(X86_64Instruction instruction)
    {
        switch (instruction.Opcode)
        {
            case X86_64Opcode.Mov
                when instruction.Width >= 4
                    && instruction.Operands is [X86_64MemoryOperand source, X86_64RegisterOperand destination]:
                Emit(
                    MicroOp.Load(ModelRegister(destination.Register), Address(source, instruction), instruction.Width)
                );
                break;
            case X86_64Opcode.Mov:
                LowerMove(instruction, Read(instruction.Operands[0], instruction, instruction.Width));
                break;
            case X86_64Opcode.Movzx:
                LowerMove(instruction, Read(instruction.Operands[0], instruction, instruction.SourceWidth));
                break;
            case X86_64Opcode.Movsx:
                int from = instruction.SourceWidth;
                int to = instruction.Width;
                Operand narrow = Read(instruction.Operands[0], instruction, from);
                LowerMove(
                    instruction,
                    Compute((a, _) => DataType.Truncate(X86_64Arithmetic.SignExtend(a, from), to), narrow, default)
                );
                break;
            case X86_64Opcode.Lea:
                int width = instruction.Width;
                Operand address = Address((X86_64MemoryOperand)instruction.Operands[0], instruction, accessed: false);
                LowerMove(
                    instruction,
                    width == 8 ? address : Compute((a, _) => DataType.Truncate(a, width), address, default)
                );
                break;
            case X86_64Opcode.Add
            or X86_64Opcode.Sub
            or X86_64Opcode.And
            or X86_64Opcode.Or
            or X86_64Opcode.Xor
            or X86_64Opcode.Cmp
            or X86_64Opcode.Test
            or X86_64Opcode.Shl
            or X86_64Opcode.Shr
            or X86_64Opcode.Sar
            or X86_64Opcode.Inc
            or X86_64Opcode.Dec
            or X86_64Opcode.Neg
            or X86_64Opcode.Not:
                LowerArithmetic(instruction);
                break;
            case X86_64Opcode.Xchg:
                LowerExchange(instruction);
                break;
            case X86_64Opcode.Xadd:
                LowerExchangeAndAdd(instruction);
                break;
            case X86_64Opcode.Cmpxchg:
                LowerCompareAndExchange(instruction);
                break;
            case X86_64Opcode.Cmov:
                LowerConditionalMove(instruction);
                break;
            case X86_64Opcode.Set:
                LowerMove(instruction, Compute(X86_64Arithmetic.Holds(instruction.Condition), Flags, default));
                break;
            case X86_64Opcode.Jmp:
                Emit(MicroOp.Jump(-1 - Thread.Labels[instruction.Target!]));
                break;
            case X86_64Opcode.Jcc:
                Operand holds = Compute(X86_64Arithmetic.Holds(instruction.Condition), Flags, default);
                Emit(MicroOp.Branch(holds, -1 - Thread.Labels[instruction.Target!]));
                break;
            case X86_64Opcode.Ret:
                Emit(MicroOp.Plain(MicroOpKind.Halt));
                break;
            case X86_64Opcode.Mfence:
                Emit(MicroOp.Plain(MicroOpKind.Fence));
                break;
            case X86_64Opcode.Membarrier:
                LowerMembarrier(instruction);
                break;
            case X86_64Opcode.Syscall:
                LowerSyscall(instruction);
                break;
            case X86_64Opcode.Call:
                LowerCall(instruction);
                break;
            case X86_64Opcode.Rseq:
                Emit(MicroOp.ArmSection(_code.Take(Source).Count(earlier => earlier.Opcode == X86_64Opcode.Rseq)));
                break;
            case X86_64Opcode.RseqCpu:
                // A task moves only inside of the kernel, which refreshes the number before the task resumes: it is
                // that of the CPU.
                int number = ModelRegister(((X86_64RegisterOperand)instruction.Operands[0]).Register);
                Emit(
                    Kernel is null
                        ? MicroOp.Copy(number, Operand.Number((ulong)Thread.Id))
                        : MicroOp.Read(MicroOpKind.ReadCpu, number)
                );
                break;
            case X86_64Opcode.Serialize:
                Emit(MicroOp.Plain(MicroOpKind.Serialize));
                break;
            case X86_64Opcode.Sfence or X86_64Opcode.Lfence or X86_64Opcode.Nop or X86_64Opcode.Pause:
                // Without non-temporal stores and write-combining memory, which tests do not have, SFENCE and LFENCE
                // order nothing that TSO does not (Intel SDM vol. 3, 9.2.5; Owens, Sarkar, Sewell 2009, section 2).
                break;
            default:
                throw new LitmusException(
                    Test.File,
                    instruction.Position,
                    $"found {instruction}, which the model does not know"
                );
        }
    }

    // Without a kernel, the manual page: all running threads of the process pass a full fence between entry and return,
    // the caller included; threads that do not run count as having passed one. Of the restart of per-CPU sections
    // (RSEQ) it promises no order of memory at all.
    private void LowerMembarrier(X86_64Instruction instruction)
    {
        if (Kernel is not null)
        {
            LowerSyscall(instruction);
            return;
        }

        if (instruction.Command != MembarrierCommand.PrivateExpeditedRseq)
        {
            Emit(MicroOp.Plain(MicroOpKind.Fence));
            Emit(MicroOp.Plain(MicroOpKind.RequestFences));
            Emit(MicroOp.Plain(MicroOpKind.AwaitFences));
        }
    }

    private void LowerSyscall(X86_64Instruction instruction)
    {
        if (Kernel is null)
        {
            throw new LitmusException(
                Test.File,
                instruction.Position,
                $"found {instruction}, a system call; name the kernel design that has it: --kernel NAME"
            );
        }

        Kernel.EmitSyscall(instruction, this);
    }

    // What the code returns is what its fetch returns; the upper half is zeroed as by mov to a 32-bit register.
    private void LowerCall(X86_64Instruction instruction)
    {
        var code = (X86_64AddressOperand)instruction.Operands[0];
        int width = Test.Variables.First(variable => variable.Name == code.Variable).Type.Width;
        Emit(
            MicroOp.Fetch(
                ModelRegister(X86_64Register.Rax),
                Operand.Number(Layout.ModelAddressOf(code.Variable)),
                width
            )
        );
    }

    private void LowerMove(X86_64Instruction instruction, Operand value)
    {
        if (instruction.Operands[^1] is X86_64MemoryOperand memory)
        {
            Emit(
                MicroOp.Store(Address(memory, instruction), value, instruction.Width) with
                {
                    ThroughAlias = memory.ThroughAlias,
                }
            );
        }
        else
        {
            WriteRegister((X86_64RegisterOperand)instruction.Operands[^1], instruction.Width, value);
        }
    }

    /// <summary>Gets the value of an operand, cut to a width.</summary>
    private Operand Read(X86_64Operand operand, X86_64Instruction instruction, int width)
    {
        switch (operand)
        {
            case X86_64ImmediateOperand immediate:
                return Operand.Number(DataType.Truncate((ulong)immediate.Value, width));
            case X86_64AddressOperand address:
                return Operand.Number(Layout.ModelAddressOf(address.Variable));
            case X86_64RegisterOperand register:
                Operand whole = Operand.Of(ModelRegister(register.Register));
                return width == 8 ? whole : Compute((a, _) => DataType.Truncate(a, width), whole, default);
            case X86_64MemoryOperand memory:
                Operand at = Address(memory, instruction);
                int loaded = Temporary();
                Emit(MicroOp.Load(loaded, at, width));
                return Operand.Of(loaded);
            default:
                throw new InvalidOperationException($"Crosscore bug: unknown operand {operand}");
        }
    }

    private void WriteRegister(X86_64RegisterOperand register, int width, Operand value)
    {
        int destination = ModelRegister(register.Register);
        Emit(
            width >= 4
                ? MicroOp.Copy(destination, value)
                : MicroOp.Compute(destination, X86_64Arithmetic.Merge(width), Operand.Of(destination), value)
        );
    }

    private Operand Address(X86_64MemoryOperand memory, X86_64Instruction instruction, bool accessed = true)
    {
        ulong constant = (ulong)(long)memory.Displacement;
        if (memory.Variable is string name)
        {
            constant += Layout.ModelAddressOf(name);
            if (accessed)
            {
                CheckAccess(name, memory.Displacement, instruction);
            }
        }

        Operand address = Operand.Number(constant);
        if (memory.Base is X86_64Register @base)
        {
            Operand register = Operand.Of(ModelRegister(@base));
            address = constant == 0 ? register : Compute(static (a, b) => a + b, register, address);
        }

        if (memory.Index is X86_64Register index)
        {
            ulong scale = (ulong)memory.Scale;
            address = Compute((a, b) => a + (b * scale), address, Operand.Of(ModelRegister(index)));
        }

        return address;
    }

    private void CheckAccess(string name, int displacement, X86_64Instruction instruction)
    {
        Variable variable = Test.Variables.First(candidate => candidate.Name == name);
        int width = instruction.Opcode is X86_64Opcode.Movzx or X86_64Opcode.Movsx
            ? instruction.SourceWidth
            : instruction.Width;
        if (displacement < 0 || displacement + width > variable.Size)
        {
            throw new LitmusException(
                Test.File,
                instruction.Position,
                $"found {instruction}, which accesses {Plural.Of(width, "byte")} of {name}, "
                    + $"but {name} has only {variable.Size - displacement} there"
            );
        }
    }
}
