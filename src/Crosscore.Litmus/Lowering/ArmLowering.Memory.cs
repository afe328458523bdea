using Crosscore.Litmus.Syntax;
using Crosscore.Litmus.Syntax.AArch64;
using Crosscore.Model;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>Instructions that access memory.</summary>
internal sealed partial class ArmLowering
{
    private void LowerAccess(ArmInstruction instruction, int index)
    {
        var memory = (ArmMemory)instruction.Operands[^1];
        ArmMnemonic mnemonic = instruction.Mnemonic;
        var first = (ArmRegister)instruction.Operands[0];
        ArmRegister second = instruction.Operands.Count > 2 ? (ArmRegister)instruction.Operands[1] : first;
        int width = mnemonic.AccessWidth != 0 ? mnemonic.AccessWidth : second.Width;
        Operand virtualAddress = Address(memory, out Operand? written);
        Operand entry = LowerTranslation(
            virtualAddress,
            instruction.Opcode is not (ArmOpcode.Load or ArmOpcode.LoadPair),
            index
        );
        Operand address = Physical(entry, virtualAddress);
        switch (instruction.Opcode)
        {
            case ArmOpcode.Load:
                LowerLoad(first, address, width, mnemonic);
                break;
            case ArmOpcode.LoadPair:
                // Two accesses of one register each, in no order but what they ask for themselves. The second register
                // may be the base.
                Operand next = Physical(
                    entry,
                    Compute(static (a, b) => a + b, virtualAddress, Operand.Number((ulong)width))
                );
                address = first.Number == memory.Base.Number ? Compute(static (a, _) => a, address, default) : address;
                LowerLoad(first, address, width, mnemonic);
                LowerLoad(second, next, width, mnemonic);
                break;
            case ArmOpcode.Store:
                Emit(
                    MicroOp.Store(address, Read(first, width), width) with
                    {
                        Order = mnemonic.StoreOrder | _translated,
                    }
                );
                break;
            case ArmOpcode.StorePair:
                next = Physical(entry, Compute(static (a, b) => a + b, virtualAddress, Operand.Number((ulong)width)));
                (Operand Address, ArmRegister Data)[] stores = [(address, first), (next, second)];

                // STILP: the second store comes after the first, and with pre-index before it (Arm ARM B2.3,
                // Barrier-ordered-before).
                if (mnemonic.StoreOrder != AccessOrder.Plain && memory.Indexing == ArmIndexing.Before)
                {
                    Array.Reverse(stores);
                }

                foreach ((Operand place, ArmRegister data) in stores)
                {
                    Emit(
                        MicroOp.Store(place, Read(data, width), width) with
                        {
                            Order = mnemonic.StoreOrder | _translated,
                        }
                    );
                }

                break;
            case ArmOpcode.StoreExclusive:
                LowerStoreExclusive(first, second, address, width, mnemonic);
                break;
            default:
                LowerAtomic(instruction, first, second, address, width);
                break;
        }

        if (written is Operand @base)
        {
            Write(memory.Base, @base);
        }
    }

    private Operand Address(ArmMemory memory, out Operand? written)
    {
        Operand @base = Read(memory.Base);
        written = null;
        if (memory.Offset is null)
        {
            return @base;
        }

        Operand offset = memory.Offset is ArmImmediate constant
            ? Operand.Number((ulong)constant.Value)
            : Read((ArmRegister)memory.Offset);
        Operand sum =
            offset.IsConstant && offset.Constant == 0 ? @base : Compute(static (a, b) => a + b, @base, offset);
        if (memory.Indexing == ArmIndexing.None)
        {
            return sum;
        }

        written = sum;

        // The base may be written back after its old value was used as the address.
        return memory.Indexing == ArmIndexing.Before ? sum : @base;
    }

    private void LowerLoad(ArmRegister destination, Operand address, int width, ArmMnemonic mnemonic)
    {
        int loaded = Temporary();
        Emit(MicroOp.Load(loaded, address, width) with { Order = mnemonic.LoadOrder | _translated });
        Operand value = Operand.Of(loaded);
        RequireReadable(address);
        Write(
            destination,
            mnemonic.IsSigned
                ? Compute(
                    (a, _) => DataType.Truncate(ArmArithmetic.SignExtend(a, width), destination.Width),
                    value,
                    default
                )
                : value
        );
    }

    // An instruction that is not encoded has a number that stands for it; no test may compute with that.
    private void RequireReadable(Operand address)
    {
        if (!_code.HasUnreadable)
        {
            return;
        }

        (int thread, int index) = (Thread.Id, Source);
        ArmCode code = _code;
        Compute(
            (place, _) =>
                code.UnreadableAt(place) is ArmInstruction instruction
                    ? throw new ModelException(
                        $"It reads the opcode of {instruction} as data, which this project does not encode."
                    )
                    {
                        Thread = thread,
                        Instruction = index,
                    }
                    : 0UL,
            address,
            default
        );
        UsedTemporaries--;
    }

    private void LowerStoreExclusive(
        ArmRegister status,
        ArmRegister data,
        Operand address,
        int width,
        ArmMnemonic mnemonic
    )
    {
        int failed = Temporary();
        Operand value = Read(data, width);
        Emit(MicroOp.TryReservation(failed, address, width));
        int branch = Ops.Count;
        Emit(MicroOp.Branch(Operand.Of(failed), 0) with { IsPredicate = true });
        Emit(MicroOp.Store(address, value, width) with { Order = mnemonic.StoreOrder | _translated });
        Ops[branch] = Ops[branch] with { Target = Ops.Count };

        // What is written here depends on nothing: whether it succeeds may be known before the store is done (Arm ARM
        // B2.3, dependencies through registers).
        Write(status, Operand.Of(failed));
    }

    // On a core without views the step between begin and end is indivisible; with them, what the load and the store ask
    // for makes it so.
    private void LowerAtomic(
        ArmInstruction instruction,
        ArmRegister first,
        ArmRegister second,
        Operand address,
        int width
    )
    {
        ArmMnemonic mnemonic = instruction.Mnemonic;
        bool returns =
            instruction.Opcode != ArmOpcode.StoreModified
            && !(instruction.Opcode == ArmOpcode.CompareAndSwap ? first : second).IsZero;

        // A load whose result nobody takes is no acquire load (Arm ARM B2.3.x, C6 of each instruction).
        AccessOrder load = _translated | (returns ? mnemonic.LoadOrder : AccessOrder.Atomic | AccessOrder.NoReturn);
        AccessOrder store =
            _translated | (returns ? mnemonic.StoreOrder : mnemonic.StoreOrder & ~AccessOrder.OrdersLater);
        Operand operand = Read(instruction.Opcode == ArmOpcode.CompareAndSwap ? second : first, width);
        Operand expected = instruction.Opcode == ArmOpcode.CompareAndSwap ? Read(first, width) : default;
        int loaded = Temporary();
        Emit(MicroOp.Plain(MicroOpKind.AtomicBegin));
        Emit(MicroOp.Load(loaded, address, width) with { Order = load });
        Operand found = Operand.Of(loaded);
        RequireReadable(address);
        switch (instruction.Opcode)
        {
            case ArmOpcode.CompareAndSwap:
                // Whether it stores depends on the comparison, by a pick dependency; what it returns does not.
                Operand differs = Compute(static (a, b) => a == b ? 0 : 1UL, found, expected);
                int branch = Ops.Count;
                Emit(MicroOp.Branch(differs, 0) with { IsPredicate = true });
                Emit(MicroOp.Store(address, operand, width) with { Order = store, Pick = differs });
                if (returns)
                {
                    // Where it stores, what it returns may come from memory, or be what was expected, which is the
                    // same: then that it is depends on the load as on a pick. Each way has other dependencies, and the
                    // architecture allows both.
                    int way = Temporary();
                    Emit(MicroOp.Choose(way));
                    int keep = Ops.Count;
                    Emit(MicroOp.Branch(Operand.Of(way), 0) with { IsPredicate = true });
                    Emit(MicroOp.Copy(loaded, expected) with { Pick = found });
                    Ops[keep] = Ops[keep] with { Target = Ops.Count };
                }

                Ops[branch] = Ops[branch] with { Target = Ops.Count };
                break;
            case ArmOpcode.Swap:
                Emit(MicroOp.Store(address, operand, width) with { Order = store });
                break;
            default:
                Operand changed = Compute(ArmArithmetic.Of(mnemonic.Function, width), found, operand);
                Emit(MicroOp.Store(address, changed, width) with { Order = store, Data = operand });
                break;
        }

        Emit(MicroOp.Plain(MicroOpKind.AtomicEnd));
        if (returns)
        {
            Write(instruction.Opcode == ArmOpcode.CompareAndSwap ? first : second, found);
        }
    }
}
