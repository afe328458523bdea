using Crosscore.PerCpu.Advanced;

namespace Crosscore.PerCpu;

/// <summary>
/// The sections that the types of this folder consist of, written with the same builder that callers use. Each names
/// its commit; everything before it may happen any number of times, and nothing undoes a part of it.
/// </summary>
internal static class StandardSections
{
    /// <summary>The list is empty.</summary>
    public const int Empty = 1;

    /// <summary>The buffer has no room.</summary>
    public const int Full = 1;

    /// <summary>Another thread has stored something else.</summary>
    public const int Different = 1;

    /// <summary><c>slot[offset] += argument</c>, the commit itself.</summary>
    public static SectionProgram Add(SlotShape shape, int offset = 0)
    {
        var section = new SectionBuilder(shape);
        section.CommitAdd(offset, section.Argument(0));
        return section.ToProgram();
    }

    /// <summary>
    /// <c>if (slot[offset] != argument0) leave; slot[offset] = argument1</c>; the index of the slot is returned.
    /// </summary>
    public static SectionProgram CompareStore(SlotShape shape, int offset)
    {
        var section = new SectionBuilder(shape);
        SectionValue slot = section.ThisSlot();
        section.LeaveIfNotEqual(section.Load(offset), section.Argument(0), Different);
        section.CommitStore(offset, section.Argument(1));
        section.Return(slot);
        return section.ToProgram();
    }

    /// <summary>
    /// <c>argument1->next = head; head = argument0</c>: a chain from argument0 to argument1, which are the same for one
    /// block. Storing to the chain before the commit is harmless: it is the caller's own until then.
    /// </summary>
    public static SectionProgram Push(SlotShape shape)
    {
        var section = new SectionBuilder(shape);
        SectionValue first = section.Argument(0);
        section.StoreTo(section.Argument(1), 0, section.Load(0));
        section.CommitStore(0, first);
        return section.ToProgram();
    }

    /// <summary>
    /// <c>block = head; if (block == 0) leave; head = block->next; return block</c>. No ABA: a block that is popped and
    /// pushed again concurrently was so by a thread that
    /// ran on this CPU, so this thread did not, and starts over. For the same reason block->next may be read: the
    /// thread that freed the block ran here in between.
    /// </summary>
    public static SectionProgram Pop(SlotShape shape)
    {
        var section = new SectionBuilder(shape);
        SectionValue block = section.Load(0);
        section.LeaveIfEqual(block, 0, Empty);
        section.CommitStore(0, section.LoadFrom(block, 0));
        section.Return(block);
        return section.ToProgram();
    }

    /// <summary>
    /// <c>next = written + record, or 0 at the end of the ring; if (next == read) leave; ring[written] = *argument0;
    /// written = next</c>. x86-64 keeps the order of stores, so a thread that sees the new <c>written</c> sees the
    /// record.
    /// </summary>
    public static SectionProgram Append(SlotShape shape, RingLayout ring)
    {
        var section = new SectionBuilder(shape);
        SectionValue record = section.Argument(0);
        SectionValue written = section.Load(RingLayout.Written);
        SectionValue next = section.WrapAt(section.Add(written, ring.Record), ring.Bytes);
        section.LeaveIfEqual(next, section.Load(RingLayout.Read), Full);
        section.CopyIn(written, RingLayout.Data, record, ring.Record);
        section.CommitStore(RingLayout.Written, next);
        return section.ToProgram();
    }
}

/// <summary>
/// A ring of records in the user's bytes of a slot. Positions are bytes from the beginning of the data; the ring is
/// empty when they are equal, so one record's place always stays free. The position of the reader has a line to itself:
/// it is written by another CPU.
/// </summary>
internal readonly record struct RingLayout(int Record, int Bytes)
{
    public const int Written = 0;
    public const int Read = 64 - sizeof(long);
    public const int Data = PerCpuSlots.Alignment - sizeof(long);
}
