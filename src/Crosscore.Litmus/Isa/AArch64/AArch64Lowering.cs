using Crosscore.Litmus.Isa.Common;
using Crosscore.Litmus.Lowering;
using Crosscore.Litmus.Syntax;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>
/// Lowers one column of an AArch64 test. A thread that jumps to where a register says may execute the code of other
/// columns, so that is lowered along with its own. This part is the frame; memory, arithmetic and control flow have
/// separate files.
/// </summary>
internal sealed partial class AArch64Lowering : ThreadLowering
{
    private readonly AArch64Code _code;
    private readonly List<(int Op, int Thread, int Index)> _jumps = [];
    private readonly Dictionary<(int Thread, int Index), int> _starts = [];
    private readonly bool _invalidates;
    private int _link = -1;

    // The column whose code is being lowered, which need not be the thread's own.
    private int _column;

    public AArch64Lowering(
        LitmusTest test,
        LitmusThread thread,
        MemoryLayout layout,
        KernelLowering? kernel,
        AArch64Code code,
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
                    column
                        .InstructionsAs<AArch64Instruction>()
                        .Any(instruction => instruction.Opcode == AArch64Opcode.InvalidateTranslation)
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
        IReadOnlyList<AArch64Instruction> code = column.InstructionsAs<AArch64Instruction>();
        for (int index = 0; index < code.Count; index++)
        {
            // A trace tells where the thread is in its own column; in another's it has no place to point at.
            BeginInstruction(column.Id == Thread.Id ? index : -1);
            _starts[(_column, index)] = Ops.Count;
            AArch64Instruction instruction = code[index];
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
        _starts[(_column, code.Count)] = Ops.Count;
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
    private Operand Read(AArch64Register register, int width = 0)
    {
        if (register.IsZero)
        {
            return Operand.Number(0);
        }

        Operand whole = Operand.Of(ModelRegister(AArch64Registers.ToTest(register.Number)));
        if (register.Shift is AArch64Shift shift)
        {
            return Compute(AArch64Arithmetic.Shifted(shift, register.Width), whole, default);
        }

        width = width == 0 ? register.Width : width;
        return width == 8 ? whole : Compute((a, _) => DataType.Truncate(a, width), whole, default);
    }

    // A result of 4 bytes zeroes the upper half, so every value here is one that the register holds whole.
    private void Write(AArch64Register register, Operand value)
    {
        if (!register.IsZero)
        {
            Emit(MicroOp.Copy(ModelRegister(AArch64Registers.ToTest(register.Number)), value));
        }
    }

    private LitmusException Error(AArch64Instruction instruction, string problem) =>
        new(Test.File, instruction.Position, problem);

    private void Lower(AArch64Instruction instruction, int index)
    {
        switch (instruction.Opcode)
        {
            case AArch64Opcode.Nop:
                break;
            case AArch64Opcode.Move
            or AArch64Opcode.MoveKeep
            or AArch64Opcode.Compute
            or AArch64Opcode.Compare
            or AArch64Opcode.Select
            or AArch64Opcode.Extend
            or AArch64Opcode.Address:
                LowerArithmetic(instruction, index);
                break;
            case AArch64Opcode.Load
            or AArch64Opcode.LoadPair
            or AArch64Opcode.Store
            or AArch64Opcode.StorePair
            or AArch64Opcode.StoreExclusive
            or AArch64Opcode.CompareAndSwap
            or AArch64Opcode.Swap
            or AArch64Opcode.LoadAndModify
            or AArch64Opcode.StoreModified:
                LowerAccess(instruction, index);
                break;
            case AArch64Opcode.Barrier:
                if (instruction.Mnemonic.Fence == FenceKind.FullCompletion && _invalidates)
                {
                    Emit(MicroOp.CompleteInvalidation());
                }

                Emit(MicroOp.Plain(MicroOpKind.Fence) with { Fence = instruction.Mnemonic.Fence });
                break;
            case AArch64Opcode.CleanCode or AArch64Opcode.InvalidateCode:
                Operand line = instruction.Operands is [_, AArch64Register register]
                    ? Read(register)
                    : Operand.Number(0);
                Emit(
                    MicroOp.Maintain(
                        instruction.Opcode == AArch64Opcode.CleanCode
                            ? MicroOpKind.CleanCode
                            : MicroOpKind.InvalidateCode,
                        line
                    )
                );
                break;
            case AArch64Opcode.InvalidateTranslation:
                LowerInvalidation(instruction, index);
                break;
            case AArch64Opcode.ReadSystem:
                var destination = (AArch64Register)instruction.Operands[0];
                Write(
                    destination,
                    instruction.Operands[1] is AArch64Word { Text: "ELR_EL1" }
                        ? Link
                        : throw Error(
                            instruction,
                            "found a read of CTR_EL0, whose value depends on the processor; say "
                                + "CacheType= in the header and leave out what it makes unnecessary"
                        )
                );
                break;
            case AArch64Opcode.WriteSystem:
                Emit(MicroOp.Copy(Link.Register, Read((AArch64Register)instruction.Operands[1])));
                break;
            case AArch64Opcode.Membarrier or AArch64Opcode.Syscall:
                LowerSystemCall(instruction);
                break;
            default:
                LowerControl(instruction, index);
                break;
        }
    }

    // As on x86: without a kernel, what the manual page promises.
    private void LowerSystemCall(AArch64Instruction instruction)
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
