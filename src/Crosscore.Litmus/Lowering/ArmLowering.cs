using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Syntax.AArch64;
using Crosscore.Model.Kernel;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>
/// Lowers one column of an AArch64 test. A thread that jumps to where a register says may execute the code of other columns, so that is lowered along with its own.
/// This part is the frame; memory, arithmetic and control flow have files of their own.
/// </summary>
internal sealed partial class ArmLowering : ICodeSink, IThreadLowering
{
    private readonly LitmusTest _test;
    private readonly LitmusThread _thread;
    private readonly MemoryLayout _layout;
    private readonly KernelLowering? _kernel;
    private readonly ArmCode _code;
    private readonly OpContext _context;
    private readonly Stack<int> _freeRegisters = [];
    private readonly List<MicroOp> _ops = [];
    private readonly Dictionary<TestRegister, int> _registers = [];
    private readonly List<ulong> _initialValues = [];
    private readonly List<int> _temporaries = [];
    private readonly List<(int Op, int Thread, int Index)> _jumps = [];
    private readonly Dictionary<(int Thread, int Index), int> _starts = [];
    private int _flags = -1;
    private int _link = -1;
    private int _usedTemporaries;
    private int _source;

    // The column whose code is being lowered, which need not be the thread's own.
    private int _column;

    public ArmLowering(LitmusTest test, LitmusThread thread, MemoryLayout layout, KernelLowering? kernel, ArmCode code)
    {
        _test = test;
        _thread = thread;
        _layout = layout;
        _kernel = kernel;
        _code = code;
        _context = kernel is not null && test.System.Threads[thread.Id].AddressSpace is null ? OpContext.Kernel : OpContext.User;
        _source = -1;
        kernel?.EmitStart(thread.Id, this);
        LowerColumn(thread);
        foreach (LitmusThread other in code.ReachableFrom(thread))
        {
            LowerColumn(other);
        }

        foreach ((int op, int column, int index) in _jumps)
        {
            _ops[op] = _ops[op] with { Target = _starts[(column, index)] };
        }
    }

    public int ModelRegister(TestRegister register)
    {
        if (!_registers.TryGetValue(register, out int number))
        {
            number = NewRegister(_thread.InitialRegisters.TryGetValue(register, out InitialValue value) ? _layout.Resolve(value, MemoryLayout.ModelBase) : 0);
            _registers.Add(register, number);
        }

        return number;
    }

    public ThreadCode Build() => new() { Ops = _ops, InitialRegisters = _initialValues };

    int ICodeSink.Task => _thread.Id;

    int ICodeSink.Position => _ops.Count;

    int ICodeSink.NewRegister() => _freeRegisters.TryPop(out int register) ? register : NewRegister(0);

    void ICodeSink.ReleaseRegister(int register) => _freeRegisters.Push(register);

    int ICodeSink.CpuRegister(string name, IReadOnlyList<ulong> initialValues) =>
        throw new InvalidOperationException("Crosscore bug: a register of the CPU in the code of a task.");

    void ICodeSink.Emit(MicroOp op) => _ops.Add(op with { Source = _source });

    void ICodeSink.Patch(int index, MicroOp op) => _ops[index] = op with { Source = _source };

    private void LowerColumn(LitmusThread column)
    {
        _column = column.Id;
        for (int index = 0; index < column.ArmCode.Count; index++)
        {
            // A trace tells where the thread is in its own column; in another's it has no place to point at.
            _source = column.Id == _thread.Id ? index : -1;
            _usedTemporaries = 0;
            _starts[(_column, index)] = _ops.Count;
            ArmInstruction instruction = column.ArmCode[index];
            if (_code.IsChangeable(_column, index))
            {
                LowerChangeable(instruction, index);
            }
            else
            {
                Lower(instruction, index);
            }
        }

        _source = -1;
        _starts[(_column, column.ArmCode.Count)] = _ops.Count;
        Emit(MicroOp.Plain(MicroOpKind.Halt));
    }

    private int NewRegister(ulong initial)
    {
        _initialValues.Add(initial);
        return _initialValues.Count - 1;
    }

    private int Temporary()
    {
        if (_usedTemporaries == _temporaries.Count)
        {
            _temporaries.Add(NewRegister(0));
        }

        return _temporaries[_usedTemporaries++];
    }

    private void Emit(MicroOp op) => _ops.Add(op with { Source = _source, Context = _context });

    private Operand Compute(ValueFunction function, Operand a, Operand b, Operand pick = default)
    {
        int result = Temporary();
        Emit(MicroOp.Compute(result, function, a, b) with { Pick = pick });
        return Operand.Of(result);
    }

    private Operand Flags
    {
        get
        {
            _flags = _flags < 0 ? NewRegister(0) : _flags;
            return Operand.Of(_flags);
        }
    }

    // ELR_EL1, where the return from an exception goes.
    private Operand Link
    {
        get
        {
            _link = _link < 0 ? NewRegister(0) : _link;
            return Operand.Of(_link);
        }
    }

    // The value of a register as an operand of a width; the zero register is a constant.
    private Operand Read(ArmRegister register, int width = 0)
    {
        if (register.IsZero)
        {
            return Operand.Number(0);
        }

        Operand whole = Operand.Of(ModelRegister(new TestRegister(Architecture.AArch64, register.Number)));
        if (register.Shift is ArmShift shift)
        {
            return Compute(ArmArithmetic.Shifted(shift, register.Width), whole, default);
        }

        width = width == 0 ? register.Width : width;
        return width == 8 ? whole : Compute((a, _) => DataType.Truncate(a, width), whole, default);
    }

    // A result of 4 bytes zeroes the upper half, so every value here is one that the register holds whole.
    private void Write(ArmRegister register, Operand value)
    {
        if (!register.IsZero)
        {
            Emit(MicroOp.Copy(ModelRegister(new TestRegister(Architecture.AArch64, register.Number)), value));
        }
    }

    private LitmusException Error(ArmInstruction instruction, string problem) => new(_test.File, instruction.Position, problem);

    private void Lower(ArmInstruction instruction, int index)
    {
        switch (instruction.Opcode)
        {
            case ArmOpcode.Nop:
                break;
            case ArmOpcode.Move or ArmOpcode.MoveKeep or ArmOpcode.Compute or ArmOpcode.Compare or ArmOpcode.Select or ArmOpcode.Extend or ArmOpcode.Address:
                LowerArithmetic(instruction, index);
                break;
            case ArmOpcode.Load or ArmOpcode.LoadPair or ArmOpcode.Store or ArmOpcode.StorePair or ArmOpcode.StoreExclusive or ArmOpcode.CompareAndSwap or ArmOpcode.Swap
                or ArmOpcode.LoadAndModify or ArmOpcode.StoreModified:
                LowerAccess(instruction);
                break;
            case ArmOpcode.Barrier:
                Emit(MicroOp.Plain(MicroOpKind.Fence) with { Fence = instruction.Mnemonic.Fence });
                break;
            case ArmOpcode.CleanCode or ArmOpcode.InvalidateCode:
                Operand line = instruction.Operands is [_, ArmRegister register] ? Read(register) : Operand.Number(0);
                Emit(MicroOp.Maintain(instruction.Opcode == ArmOpcode.CleanCode ? MicroOpKind.CleanCode : MicroOpKind.InvalidateCode, line));
                break;
            case ArmOpcode.ReadSystem:
                var destination = (ArmRegister)instruction.Operands[0];
                Write(destination, instruction.Operands[1] is ArmWord { Text: "ELR_EL1" } ? Link : throw Error(instruction, "found a read of CTR_EL0, whose value depends on the processor; say CacheType= in the header and leave out what it makes unnecessary"));
                break;
            case ArmOpcode.WriteSystem:
                Emit(MicroOp.Copy(Link.Register, Read((ArmRegister)instruction.Operands[1])));
                break;
            case ArmOpcode.Membarrier or ArmOpcode.Syscall:
                LowerSystemCall(instruction);
                break;
            default:
                LowerControl(instruction, index);
                break;
        }
    }

    // As on x86: without a kernel, what the manual page promises.
    private void LowerSystemCall(ArmInstruction instruction)
    {
        if (_kernel is not null)
        {
            _kernel.EmitSyscall(instruction, this);
        }
        else if (instruction.Command is null)
        {
            throw Error(instruction, $"found {instruction}, a system call; name the kernel design that has it: --kernel NAME");
        }
        else if (instruction.Command != MembarrierCommand.PrivateExpeditedRseq)
        {
            Emit(MicroOp.Plain(MicroOpKind.Fence));
            Emit(MicroOp.Plain(MicroOpKind.RequestFences));
            Emit(MicroOp.Plain(MicroOpKind.AwaitFences));
        }
    }
}
