using Crosscore.Litmus.Syntax;
using Crosscore.Model;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Branches, exceptions, and code that changes.</summary>
internal sealed partial class AArch64Lowering
{
    private void LowerControl(AArch64Instruction instruction, int index)
    {
        IReadOnlyList<AArch64Operand> operands = instruction.Operands;
        switch (instruction.Opcode)
        {
            case AArch64Opcode.Branch:
                JumpTo(instruction, (AArch64Place)operands[0], index);
                break;
            case AArch64Opcode.BranchIf:
                BranchTo(
                    instruction,
                    Compute(AArch64Arithmetic.Holds(instruction.Mnemonic.Condition), Flags, default),
                    (AArch64Place)operands[0],
                    index
                );
                break;
            case AArch64Opcode.CompareAndBranch:
                bool zero = instruction.Mnemonic.Condition == AArch64Condition.Eq;
                BranchTo(
                    instruction,
                    Compute((a, _) => a == 0 == zero ? 1UL : 0, Read((AArch64Register)operands[0]), default),
                    (AArch64Place)operands[1],
                    index
                );
                break;
            case AArch64Opcode.TestAndBranch:
                int bit = (int)((AArch64Immediate)operands[1]).Value;
                bool clear = instruction.Mnemonic.Condition == AArch64Condition.Eq;
                BranchTo(
                    instruction,
                    Compute(
                        (a, _) => (a >> bit & 1) == 0 == clear ? 1UL : 0,
                        Read((AArch64Register)operands[0], 8),
                        default
                    ),
                    (AArch64Place)operands[2],
                    index
                );
                break;
            case AArch64Opcode.BranchLink:
                Write(new AArch64Register(30, 8), Operand.Number(CodeLayout.AddressOf(_column, index + 1)));
                JumpTo(instruction, (AArch64Place)operands[0], index);
                break;
            case AArch64Opcode.BranchRegister or AArch64Opcode.Return:
                JumpThrough(
                    instruction,
                    Read(operands.Count > 0 ? (AArch64Register)operands[0] : new AArch64Register(30, 8))
                );
                break;
            case AArch64Opcode.BranchLinkRegister:
                Operand target = Compute(static (a, _) => a, Read((AArch64Register)operands[0]), default);
                Write(new AArch64Register(30, 8), Operand.Number(CodeLayout.AddressOf(_column, index + 1)));
                JumpThrough(instruction, target);
                break;
            case AArch64Opcode.SupervisorCall:
                NoteFault(index, FaultKind.SupervisorCall);
                TakeException(CodeLayout.AddressOf(_column, index + 1));
                break;
            case AArch64Opcode.Undefined:
                Fault(index);
                break;
            case AArch64Opcode.ExceptionReturn:
                Synchronize(_translation.ReturnSynchronizes);
                SetPrivilege(false);
                JumpThrough(instruction, Link);
                break;
            case AArch64Opcode.End:
                Emit(MicroOp.Plain(MicroOpKind.Halt));
                break;
            default:
                throw Error(instruction, $"found {instruction}, which the model does not know");
        }
    }

    private void JumpTo(AArch64Instruction instruction, AArch64Place place, int index)
    {
        Mark(instruction, place, index);
        Emit(MicroOp.Jump(0));
    }

    private void BranchTo(AArch64Instruction instruction, Operand condition, AArch64Place place, int index)
    {
        Mark(instruction, place, index);
        Emit(MicroOp.Branch(condition, 0));
    }

    private void Mark(AArch64Instruction instruction, AArch64Place place, int index)
    {
        int target = place.Label is string label
            ? Test.Threads[_column].Labels[label]
            : index + (int)(place.Offset / 4);
        if (target < 0 || target > Test.Threads[_column].Instructions.Count)
        {
            throw Error(
                instruction,
                $"found {instruction} at instruction {index} of P{_column}, which jumps out of its column"
            );
        }

        _jumps.Add((Ops.Count, _column, target));
    }

    // A register can hold the address of a label, or of what follows a call; anything else is no code of the test.
    private void JumpThrough(AArch64Instruction instruction, Operand address)
    {
        foreach ((int column, int index) in _code.Targets(Thread))
        {
            ulong place = CodeLayout.AddressOf(column, index);
            Operand there = Compute((a, _) => a == place ? 1UL : 0, address, default);
            UsedTemporaries--;
            _jumps.Add((Ops.Count, column, index));
            Emit(MicroOp.Branch(there, 0));
        }

        Refuse(
            address,
            value =>
                $"{instruction} leads to {ValueNames.Describe(Test, Layout, value)}, "
                + "which is neither the place of a label nor that behind a call."
        );
    }

    // Executing this is an error of the test: the message says what it met.
    private void Refuse(Operand value, Func<ulong, string> message)
    {
        (int thread, int instruction) = (Thread.Id, Source);
        Compute(
            (found, _) => throw new ModelException(message(found)) { Thread = thread, Instruction = instruction },
            value,
            default
        );
        Emit(MicroOp.Plain(MicroOpKind.Halt));
    }

    private void Fault(int index)
    {
        NoteFault(index, FaultKind.UndefinedInstruction);
        if (Thread.Handler < 0 && _translation.Return == FaultReturn.Retry)
        {
            // Retried, it faults again and again: without a handler the thread is at its end.
            Emit(MicroOp.Plain(MicroOpKind.Halt));
            return;
        }

        LeaveFault(index);
    }

    private void Synchronize(bool synchronizes)
    {
        if (synchronizes)
        {
            Emit(MicroOp.Plain(MicroOpKind.Fence) with { Fence = FenceKind.Context });
        }
    }

    // Entry to the handler synchronizes the context, and so does the return. A supervisor call without a handler
    // comes back at once, unless faults end the thread.
    private void TakeException(ulong link)
    {
        if (Thread.Handler < 0 && _translation.Return == FaultReturn.End)
        {
            Emit(MicroOp.Plain(MicroOpKind.Halt));
            return;
        }

        Synchronize(_translation.EntrySynchronizes || (Thread.Handler < 0 && _translation.ReturnSynchronizes));
        if (Thread.Handler >= 0)
        {
            Emit(MicroOp.Copy(Link.Register, Operand.Number(link)));
            SetPrivilege(true);
            _jumps.Add((Ops.Count, Thread.Id, Thread.Handler));
            Emit(MicroOp.Jump(0));
        }
    }

    // Code that a test can change: what is fetched decides what is executed.
    private void LowerChangeable(AArch64Instruction instruction, int index)
    {
        int fetched = Temporary();
        Emit(MicroOp.Fetch(fetched, Operand.Number(CodeLayout.AddressOf(_column, index)), 4));
        var versions = new List<(ulong Opcode, AArch64Instruction Instruction)>
        {
            (_code.OpcodeAt(_column, index), instruction),
        };
        versions.AddRange(_code.Known.Where(known => known.Opcode != versions[0].Opcode));
        var ends = new List<int>();
        foreach ((ulong opcode, AArch64Instruction version) in versions)
        {
            UsedTemporaries = 1;
            Operand other = Compute((a, _) => a == opcode ? 0 : 1UL, Operand.Of(fetched), default);
            int branch = Ops.Count;
            Emit(MicroOp.Branch(other, 0) with { IsPredicate = true });
            if (IsWithinColumn(version, index))
            {
                Lower(version, index);
            }
            else
            {
                int column = _column;
                Refuse(
                    Operand.Of(fetched),
                    _ =>
                        $"The code at instruction {index} of P{column} became {version}, which leads out of its column."
                );
            }

            ends.Add(Ops.Count);
            Emit(MicroOp.Jump(0));
            Ops[branch] = Ops[branch] with { Target = Ops.Count };
        }

        UsedTemporaries = 1;
        int changed = _column;
        Refuse(
            Operand.Of(fetched),
            opcode =>
                $"The code at instruction {index} of P{changed} became the "
                + $"opcode 0x{opcode:x8}, which the model does not know."
        );
        foreach (int end in ends)
        {
            Ops[end] = Ops[end] with { Target = Ops.Count };
        }
    }

    private bool IsWithinColumn(AArch64Instruction version, int index) =>
        version
            .Operands.OfType<AArch64Place>()
            .All(place =>
                place.Label is not null
                || (
                    index + (place.Offset / 4) is long target
                    && target >= 0
                    && target <= Test.Threads[_column].Instructions.Count
                )
            );
}
