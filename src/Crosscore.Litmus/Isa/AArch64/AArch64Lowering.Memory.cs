using Crosscore.Litmus.Syntax;
using Crosscore.Model;
using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Isa.AArch64;

/// <summary>Instructions that access memory.</summary>
internal sealed partial class AArch64Lowering
{
    private void LowerAccess(AArch64Instruction instruction, int index)
    {
        var memory = (AArch64Memory)instruction.Operands[^1];
        AArch64Mnemonic mnemonic = instruction.Mnemonic;
        var first = (AArch64Register)instruction.Operands[0];
        AArch64Register second = instruction.Operands.Count > 2 ? (AArch64Register)instruction.Operands[1] : first;
        int width = mnemonic.AccessWidth != 0 ? mnemonic.AccessWidth : second.Width;
        Operand virtualAddress = Address(memory, out Operand? written);
        Operand entry = LowerTranslation(
            virtualAddress,
            instruction.Opcode is not (AArch64Opcode.Load or AArch64Opcode.LoadPair),
            index
        );
        Operand address = Physical(entry, virtualAddress);
        switch (instruction.Opcode)
        {
            case AArch64Opcode.Load:
                LowerLoad(first, address, width, mnemonic);
                break;
            case AArch64Opcode.LoadPair:
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
            case AArch64Opcode.Store:
                Emit(
                    MicroOp.Store(address, Read(first, width), width) with
                    {
                        Order = mnemonic.StoreOrder | _translated,
                    }
                );
                break;
            case AArch64Opcode.StorePair:
                next = Physical(entry, Compute(static (a, b) => a + b, virtualAddress, Operand.Number((ulong)width)));
                (Operand Address, AArch64Register Data)[] stores = [(address, first), (next, second)];

                // STILP: the second store comes after the first, and with pre-index before it (Arm ARM B2.3,
                // Barrier-ordered-before).
                if (mnemonic.StoreOrder != AccessOrder.Plain && memory.Indexing == AArch64Indexing.Before)
                {
                    Array.Reverse(stores);
                }

                foreach ((Operand place, AArch64Register data) in stores)
                {
                    Emit(
                        MicroOp.Store(place, Read(data, width), width) with
                        {
                            Order = mnemonic.StoreOrder | _translated,
                        }
                    );
                }

                break;
            case AArch64Opcode.StoreExclusive:
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

    private Operand Address(AArch64Memory memory, out Operand? written)
    {
        Operand @base = Read(memory.Base);
        written = null;
        if (memory.Offset is null)
        {
            return @base;
        }

        Operand offset = memory.Offset is AArch64Immediate constant
            ? Operand.Number((ulong)constant.Value)
            : Read((AArch64Register)memory.Offset);
        Operand sum =
            offset.IsConstant && offset.Constant == 0 ? @base : Compute(static (a, b) => a + b, @base, offset);
        if (memory.Indexing == AArch64Indexing.None)
        {
            return sum;
        }

        written = sum;

        // The base may be written back after its old value was used as the address.
        return memory.Indexing == AArch64Indexing.Before ? sum : @base;
    }

    private void LowerLoad(AArch64Register destination, Operand address, int width, AArch64Mnemonic mnemonic)
    {
        int loaded = Temporary();
        Emit(MicroOp.Load(loaded, address, width) with { Order = mnemonic.LoadOrder | _translated });
        Operand value = Operand.Of(loaded);
        RequireReadable(address);
        Write(
            destination,
            mnemonic.IsSigned
                ? Compute(
                    (a, _) => DataType.Truncate(AArch64Arithmetic.SignExtend(a, width), destination.Width),
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
        AArch64Code code = _code;
        Compute(
            (place, _) =>
                code.UnreadableAt(place) is AArch64Instruction instruction
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
        AArch64Register status,
        AArch64Register data,
        Operand address,
        int width,
        AArch64Mnemonic mnemonic
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
        AArch64Instruction instruction,
        AArch64Register first,
        AArch64Register second,
        Operand address,
        int width
    )
    {
        AArch64Mnemonic mnemonic = instruction.Mnemonic;
        bool returns =
            instruction.Opcode != AArch64Opcode.StoreModified
            && !(instruction.Opcode == AArch64Opcode.CompareAndSwap ? first : second).IsZero;

        // A load whose result is discarded is no acquire load (Arm ARM B2.3.x, C6 of each instruction).
        AccessOrder load = _translated | (returns ? mnemonic.LoadOrder : AccessOrder.Atomic | AccessOrder.NoReturn);
        AccessOrder store =
            _translated | (returns ? mnemonic.StoreOrder : mnemonic.StoreOrder & ~AccessOrder.OrdersLater);
        Operand operand = Read(instruction.Opcode == AArch64Opcode.CompareAndSwap ? second : first, width);
        Operand expected = instruction.Opcode == AArch64Opcode.CompareAndSwap ? Read(first, width) : default;
        int loaded = Temporary();
        Emit(MicroOp.Plain(MicroOpKind.AtomicBegin));
        Emit(MicroOp.Load(loaded, address, width) with { Order = load });
        Operand found = Operand.Of(loaded);
        RequireReadable(address);
        switch (instruction.Opcode)
        {
            case AArch64Opcode.CompareAndSwap:
                LowerCompareAndSwap(address, found, expected, operand, width, returns, store);
                break;
            case AArch64Opcode.Swap:
                Emit(MicroOp.Store(address, operand, width) with { Order = store });
                break;
            default:
                Operand changed = Compute(AArch64Arithmetic.Of(mnemonic.Function, width), found, operand);
                Emit(MicroOp.Store(address, changed, width) with { Order = store, Data = operand });
                break;
        }

        Emit(MicroOp.Plain(MicroOpKind.AtomicEnd));
        if (returns)
        {
            Write(instruction.Opcode == AArch64Opcode.CompareAndSwap ? first : second, found);
        }
    }

    private void LowerCompareAndSwap(
        Operand address,
        Operand found,
        Operand expected,
        Operand operand,
        int width,
        bool returns,
        AccessOrder store
    )
    {
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
            Emit(MicroOp.Copy(found.Register, expected) with { Pick = found });
            Ops[keep] = Ops[keep] with { Target = Ops.Count };
        }

        Ops[branch] = Ops[branch] with { Target = Ops.Count };
    }
}
