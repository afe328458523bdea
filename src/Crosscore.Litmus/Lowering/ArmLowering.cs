using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Syntax.AArch64;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>
/// Lowers one column of an AArch64 test. A thread that jumps to where a register says may execute the code of other
/// columns, so that is lowered along with its own. This part is the frame; memory, arithmetic and control flow have
/// files of their own.
/// </summary>
internal sealed partial class ArmLowering : ThreadLowering
{
    private readonly ArmCode _code;
    private readonly List<(int Op, int Thread, int Index)> _jumps = [];
    private readonly Dictionary<(int Thread, int Index), int> _starts = [];
    private readonly bool _invalidates;
    private int _link = -1;

    // The column whose code is being lowered, which need not be the thread's own.
    private int _column;

    public ArmLowering(
        LitmusTest test,
        LitmusThread thread,
        MemoryLayout layout,
        KernelLowering? kernel,
        ArmCode code,
        TestTranslation translation
    )
        : base(test, thread, layout, kernel)
    {
        _code = code;
        _translation = translation;
        _invalidates =
            test.HasTables
            && code.ReachableFrom(thread)
                .Prepend(thread)
                .Any(column =>
                    column.ArmCode.Any(instruction => instruction.Opcode == ArmOpcode.InvalidateTranslation)
                );
        LowerColumn(thread);
        foreach (LitmusThread other in code.ReachableFrom(thread))
        {
            LowerColumn(other);
        }

        foreach ((int op, int column, int index) in _jumps)
        {
            Ops[op] = Ops[op] with { Target = _starts[(column, index)] };
        }
    }

    private void LowerColumn(LitmusThread column)
    {
        _column = column.Id;
        for (int index = 0; index < column.ArmCode.Count; index++)
        {
            // A trace tells where the thread is in its own column; in another's it has no place to point at.
            BeginInstruction(column.Id == Thread.Id ? index : -1);
            _starts[(_column, index)] = Ops.Count;
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

        Source = -1;
        _starts[(_column, column.ArmCode.Count)] = Ops.Count;
        Emit(MicroOp.Plain(MicroOpKind.Halt));
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

    private LitmusException Error(ArmInstruction instruction, string problem) =>
        new(Test.File, instruction.Position, problem);

    private void Lower(ArmInstruction instruction, int index)
    {
        switch (instruction.Opcode)
        {
            case ArmOpcode.Nop:
                break;
            case ArmOpcode.Move
            or ArmOpcode.MoveKeep
            or ArmOpcode.Compute
            or ArmOpcode.Compare
            or ArmOpcode.Select
            or ArmOpcode.Extend
            or ArmOpcode.Address:
                LowerArithmetic(instruction, index);
                break;
            case ArmOpcode.Load
            or ArmOpcode.LoadPair
            or ArmOpcode.Store
            or ArmOpcode.StorePair
            or ArmOpcode.StoreExclusive
            or ArmOpcode.CompareAndSwap
            or ArmOpcode.Swap
            or ArmOpcode.LoadAndModify
            or ArmOpcode.StoreModified:
                LowerAccess(instruction, index);
                break;
            case ArmOpcode.Barrier:
                if (instruction.Mnemonic.Fence == FenceKind.FullCompletion && _invalidates)
                {
                    Emit(MicroOp.CompleteInvalidation());
                }

                Emit(MicroOp.Plain(MicroOpKind.Fence) with { Fence = instruction.Mnemonic.Fence });
                break;
            case ArmOpcode.CleanCode or ArmOpcode.InvalidateCode:
                Operand line = instruction.Operands is [_, ArmRegister register] ? Read(register) : Operand.Number(0);
                Emit(
                    MicroOp.Maintain(
                        instruction.Opcode == ArmOpcode.CleanCode ? MicroOpKind.CleanCode : MicroOpKind.InvalidateCode,
                        line
                    )
                );
                break;
            case ArmOpcode.InvalidateTranslation:
                LowerInvalidation(instruction, index);
                break;
            case ArmOpcode.ReadSystem:
                var destination = (ArmRegister)instruction.Operands[0];
                Write(
                    destination,
                    instruction.Operands[1] is ArmWord { Text: "ELR_EL1" }
                        ? Link
                        : throw Error(
                            instruction,
                            "found a read of CTR_EL0, whose value depends on the processor; say "
                                + "CacheType= in the header and leave out what it makes unnecessary"
                        )
                );
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
        if (Kernel is not null)
        {
            Kernel.EmitSyscall(instruction, this);
        }
        else if (instruction.Command is null)
        {
            throw Error(
                instruction,
                $"found {instruction}, a system call; name the kernel design that has it: --kernel NAME"
            );
        }
        else if (instruction.Command != MembarrierCommand.PrivateExpeditedRseq)
        {
            Emit(MicroOp.Plain(MicroOpKind.Fence));
            Emit(MicroOp.Plain(MicroOpKind.RequestFences));
            Emit(MicroOp.Plain(MicroOpKind.AwaitFences));
        }
    }
}
