using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>
/// Lowers one column to micro-operations. An instruction that reads and writes memory without a lock prefix is a load,
/// a computation and a store that others may come between; with the prefix, or as an exchange, it is one indivisible
/// step (Intel SDM vol. 3, 9.1.2).
/// </summary>
internal sealed class X86Lowering : ThreadLowering
{
    private readonly List<RestartableSection> _sections;

    public X86Lowering(LitmusTest test, LitmusThread thread, MemoryLayout layout, KernelLowering? kernel)
        : base(test, thread, layout, kernel)
    {
        FlagChecker.Check(test, thread);
        int[] starts = new int[thread.Code.Count + 1];
        for (int index = 0; index < thread.Code.Count; index++)
        {
            BeginInstruction(index);
            starts[index] = Ops.Count;
            Lower(thread.Code[index]);
        }

        starts[^1] = Ops.Count;
        ResolveJumps(starts);
        _sections =
        [
            .. thread
                .Code.Index()
                .Where(entry => entry.Item.Opcode == X86Opcode.Rseq)
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

    private void SetFlags(ValueFunction function, Operand a, Operand b)
    {
        int flags = Flags.Register;
        Emit(MicroOp.Compute(flags, function, a, b));
    }

    private void Lower(X86Instruction instruction)
    {
        switch (instruction.Opcode)
        {
            case X86Opcode.Mov
                when instruction.Width >= 4
                    && instruction.Operands is [MemoryOperand source, RegisterOperand destination]:
                Emit(
                    MicroOp.Load(ModelRegister(destination.Register), Address(source, instruction), instruction.Width)
                );
                break;
            case X86Opcode.Mov:
                LowerMove(instruction, Read(instruction.Operands[0], instruction, instruction.Width));
                break;
            case X86Opcode.Movzx:
                LowerMove(instruction, Read(instruction.Operands[0], instruction, instruction.SourceWidth));
                break;
            case X86Opcode.Movsx:
                int from = instruction.SourceWidth;
                int to = instruction.Width;
                Operand narrow = Read(instruction.Operands[0], instruction, from);
                LowerMove(
                    instruction,
                    Compute((a, _) => DataType.Truncate(X86Arithmetic.SignExtend(a, from), to), narrow, default)
                );
                break;
            case X86Opcode.Lea:
                int width = instruction.Width;
                Operand address = Address((MemoryOperand)instruction.Operands[0], instruction, accessed: false);
                LowerMove(
                    instruction,
                    width == 8 ? address : Compute((a, _) => DataType.Truncate(a, width), address, default)
                );
                break;
            case X86Opcode.Add
            or X86Opcode.Sub
            or X86Opcode.And
            or X86Opcode.Or
            or X86Opcode.Xor
            or X86Opcode.Cmp
            or X86Opcode.Test
            or X86Opcode.Shl
            or X86Opcode.Shr
            or X86Opcode.Sar
            or X86Opcode.Inc
            or X86Opcode.Dec
            or X86Opcode.Neg
            or X86Opcode.Not:
                LowerArithmetic(instruction);
                break;
            case X86Opcode.Xchg:
                LowerExchange(instruction);
                break;
            case X86Opcode.Xadd:
                LowerExchangeAndAdd(instruction);
                break;
            case X86Opcode.Cmpxchg:
                LowerCompareAndExchange(instruction);
                break;
            case X86Opcode.Cmov:
                LowerConditionalMove(instruction);
                break;
            case X86Opcode.Set:
                LowerMove(instruction, Compute(X86Arithmetic.Holds(instruction.Condition), Flags, default));
                break;
            case X86Opcode.Jmp:
                Emit(MicroOp.Jump(-1 - Thread.Labels[instruction.Target!]));
                break;
            case X86Opcode.Jcc:
                Operand holds = Compute(X86Arithmetic.Holds(instruction.Condition), Flags, default);
                Emit(MicroOp.Branch(holds, -1 - Thread.Labels[instruction.Target!]));
                break;
            case X86Opcode.Ret:
                Emit(MicroOp.Plain(MicroOpKind.Halt));
                break;
            case X86Opcode.Mfence:
                Emit(MicroOp.Plain(MicroOpKind.Fence));
                break;
            case X86Opcode.Membarrier:
                LowerMembarrier(instruction);
                break;
            case X86Opcode.Syscall:
                LowerSyscall(instruction);
                break;
            case X86Opcode.Call:
                LowerCall(instruction);
                break;
            case X86Opcode.Rseq:
                Emit(MicroOp.ArmSection(Thread.Code.Take(Source).Count(earlier => earlier.Opcode == X86Opcode.Rseq)));
                break;
            case X86Opcode.RseqCpu:
                // A task moves only inside of the kernel, which refreshes the number before the task goes on: it is
                // that of the CPU.
                int number = ModelRegister(((RegisterOperand)instruction.Operands[0]).Register);
                Emit(
                    Kernel is null
                        ? MicroOp.Copy(number, Operand.Number((ulong)Thread.Id))
                        : MicroOp.Read(MicroOpKind.ReadCpu, number)
                );
                break;
            case X86Opcode.Serialize:
                Emit(MicroOp.Plain(MicroOpKind.Serialize));
                break;
            case X86Opcode.Sfence or X86Opcode.Lfence or X86Opcode.Nop or X86Opcode.Pause:
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
    private void LowerMembarrier(X86Instruction instruction)
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

    private void LowerSyscall(X86Instruction instruction)
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
    private void LowerCall(X86Instruction instruction)
    {
        var code = (AddressOperand)instruction.Operands[0];
        int width = Test.Variables.First(variable => variable.Name == code.Variable).Type.Width;
        Emit(
            MicroOp.Fetch(ModelRegister(X86Register.Rax), Operand.Number(Layout.ModelAddressOf(code.Variable)), width)
        );
    }

    private void LowerMove(X86Instruction instruction, Operand value)
    {
        if (instruction.Operands[^1] is MemoryOperand memory)
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
            WriteRegister((RegisterOperand)instruction.Operands[^1], instruction.Width, value);
        }
    }

    private void LowerArithmetic(X86Instruction instruction)
    {
        X86Opcode opcode = instruction.Opcode;
        int width = instruction.Width;
        bool unary = instruction.Operands.Count == 1;
        Operand source = unary ? default : Read(instruction.Operands[0], instruction, width);
        Modify(
            instruction,
            old =>
            {
                LowerFlags(instruction, old, source);
                return opcode switch
                {
                    X86Opcode.Cmp or X86Opcode.Test => null,
                    X86Opcode.Inc => Compute(X86Arithmetic.Result(X86Opcode.Add, width), old, Operand.Number(1)),
                    X86Opcode.Dec => Compute(X86Arithmetic.Result(X86Opcode.Sub, width), old, Operand.Number(1)),
                    X86Opcode.Neg => Compute(X86Arithmetic.Result(X86Opcode.Sub, width), Operand.Number(0), old),
                    X86Opcode.Not => Compute((a, _) => DataType.Truncate(~a, width), old, default),
                    _ => Compute(X86Arithmetic.Result(opcode, width), old, source),
                };
            }
        );
    }

    private void LowerFlags(X86Instruction instruction, Operand old, Operand source)
    {
        int width = instruction.Width;
        switch (instruction.Opcode)
        {
            case X86Opcode.Not:
                break;
            case X86Opcode.Inc or X86Opcode.Dec:
                SetFlags(X86Arithmetic.CountingFlags(instruction.Opcode, width), old, Flags);
                break;
            case X86Opcode.Neg:
                SetFlags(X86Arithmetic.NegFlags(width), old, default);
                break;
            case X86Opcode.Shl or X86Opcode.Shr or X86Opcode.Sar:
                int count = instruction.Operands[0] is ImmediateOperand immediate
                    ? (int)(immediate.Value & (width == 8 ? 63 : 31))
                    : 0;
                if (count != 0)
                {
                    SetFlags(X86Arithmetic.ShiftFlags(instruction.Opcode, width, count), old, default);
                }

                break;
            default:
                SetFlags(X86Arithmetic.Flags(instruction.Opcode, width), old, source);
                break;
        }
    }

    private void LowerExchange(X86Instruction instruction)
    {
        var register = (RegisterOperand)instruction.Operands[0];
        Operand given = Read(register, instruction, instruction.Width);
        // Read gives a whole register by name; the exchange overwrites it, so its old value needs a place of its own.
        given = Compute(static (a, _) => a, given, default);
        Operand taken = default;
        Modify(
            instruction,
            old =>
            {
                taken = Compute(static (a, _) => a, old, default);
                return given;
            }
        );
        WriteRegister(register, instruction.Width, taken);
    }

    private void LowerExchangeAndAdd(X86Instruction instruction)
    {
        int width = instruction.Width;
        var register = (RegisterOperand)instruction.Operands[0];
        Operand addend = Read(register, instruction, width);
        if (instruction.Operands[1] is MemoryOperand)
        {
            Operand before = default;
            Modify(
                instruction,
                old =>
                {
                    before = old;
                    SetFlags(X86Arithmetic.Flags(X86Opcode.Add, width), old, addend);
                    return Compute(X86Arithmetic.Result(X86Opcode.Add, width), old, addend);
                }
            );
            WriteRegister(register, width, before);
            return;
        }

        // Between registers: the source takes the old destination first, so that "xadd %eax,%eax" doubles.
        var destination = (RegisterOperand)instruction.Operands[1];
        Operand target = Read(destination, instruction, width);
        SetFlags(X86Arithmetic.Flags(X86Opcode.Add, width), target, addend);
        Operand sum = Compute(X86Arithmetic.Result(X86Opcode.Add, width), target, addend);
        WriteRegister(register, width, target);
        WriteRegister(destination, width, sum);
    }

    // Intel SDM vol. 2, CMPXCHG: the destination is written back even when the comparison fails, which others can see
    // when there is no lock prefix.
    private void LowerCompareAndExchange(X86Instruction instruction)
    {
        int width = instruction.Width;
        var accumulator = new RegisterOperand(X86Register.Rax, width);
        Operand replacement = Read(instruction.Operands[0], instruction, width);
        Operand expected = Read(accumulator, instruction, width);
        Operand found = default;
        Operand equal = default;
        Modify(
            instruction,
            old =>
            {
                found = old;
                SetFlags(X86Arithmetic.Flags(X86Opcode.Cmp, width), expected, old);
                equal = Compute(X86Arithmetic.Holds(X86Condition.E), Flags, default);
                Operand kept = Compute(static (value, holds) => holds != 0 ? 0 : value, old, equal);
                Operand replaced = Compute(static (value, holds) => holds != 0 ? value : 0, replacement, equal);
                return Compute(static (a, b) => a | b, kept, replaced);
            }
        );
        int skip = Ops.Count;
        Emit(MicroOp.Branch(equal, 0));
        WriteRegister(accumulator, width, found);
        Ops[skip] = Ops[skip] with { Target = Ops.Count };
    }

    // The source is read whether the condition holds or not, and 4 bytes zero the upper half even when it does not
    // (Intel SDM vol. 2, CMOVcc).
    private void LowerConditionalMove(X86Instruction instruction)
    {
        int width = instruction.Width;
        var destination = (RegisterOperand)instruction.Operands[1];
        Operand moved = Read(instruction.Operands[0], instruction, width);
        Operand stays = Read(destination, instruction, width);
        Operand holds = Compute(X86Arithmetic.Holds(instruction.Condition), Flags, default);
        Operand taken = Compute(static (value, condition) => condition != 0 ? value : 0, moved, holds);
        Operand kept = Compute(static (value, condition) => condition != 0 ? 0 : value, stays, holds);
        WriteRegister(destination, width, Compute(static (a, b) => a | b, taken, kept));
    }

    /// <summary>
    /// Reads the destination, lets a function compute its new value, and writes that, as one indivisible step where the
    /// instruction is one.
    /// </summary>
    private void Modify(X86Instruction instruction, Func<Operand, Operand?> compute)
    {
        if (instruction.Operands[^1] is not MemoryOperand memory)
        {
            var register = (RegisterOperand)instruction.Operands[^1];
            if (compute(Read(register, instruction, instruction.Width)) is Operand result)
            {
                WriteRegister(register, instruction.Width, result);
            }

            return;
        }

        Operand address = Address(memory, instruction);
        if (instruction.IsAtomic)
        {
            Emit(MicroOp.Plain(MicroOpKind.AtomicBegin));
        }

        int loaded = Temporary();
        Emit(MicroOp.Load(loaded, address, instruction.Width));
        if (compute(Operand.Of(loaded)) is Operand value)
        {
            Emit(MicroOp.Store(address, value, instruction.Width));
        }

        if (instruction.IsAtomic)
        {
            Emit(MicroOp.Plain(MicroOpKind.AtomicEnd));
        }
    }

    /// <summary>The value of an operand, cut to a width.</summary>
    private Operand Read(X86Operand operand, X86Instruction instruction, int width)
    {
        switch (operand)
        {
            case ImmediateOperand immediate:
                return Operand.Number(DataType.Truncate((ulong)immediate.Value, width));
            case AddressOperand address:
                return Operand.Number(Layout.ModelAddressOf(address.Variable));
            case RegisterOperand register:
                Operand whole = Operand.Of(ModelRegister(register.Register));
                return width == 8 ? whole : Compute((a, _) => DataType.Truncate(a, width), whole, default);
            case MemoryOperand memory:
                Operand at = Address(memory, instruction);
                int loaded = Temporary();
                Emit(MicroOp.Load(loaded, at, width));
                return Operand.Of(loaded);
            default:
                throw new InvalidOperationException($"Crosscore bug: unknown operand {operand}");
        }
    }

    private void WriteRegister(RegisterOperand register, int width, Operand value)
    {
        int destination = ModelRegister(register.Register);
        Emit(
            width >= 4
                ? MicroOp.Copy(destination, value)
                : MicroOp.Compute(destination, X86Arithmetic.Merge(width), Operand.Of(destination), value)
        );
    }

    private Operand Address(MemoryOperand memory, X86Instruction instruction, bool accessed = true)
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
        if (memory.Base is X86Register @base)
        {
            Operand register = Operand.Of(ModelRegister(@base));
            address = constant == 0 ? register : Compute(static (a, b) => a + b, register, address);
        }

        if (memory.Index is X86Register index)
        {
            ulong scale = (ulong)memory.Scale;
            address = Compute((a, b) => a + (b * scale), address, Operand.Of(ModelRegister(index)));
        }

        return address;
    }

    private void CheckAccess(string name, int displacement, X86Instruction instruction)
    {
        Variable variable = Test.Variables.First(candidate => candidate.Name == name);
        int width = instruction.Opcode is X86Opcode.Movzx or X86Opcode.Movsx
            ? instruction.SourceWidth
            : instruction.Width;
        if (displacement < 0 || displacement + width > variable.Size)
        {
            throw new LitmusException(
                Test.File,
                instruction.Position,
                $"found {instruction}, which accesses {width} byte(s) of {name}, "
                    + $"but {name} has only {variable.Size - displacement} there"
            );
        }
    }
}
