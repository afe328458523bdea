using System.Runtime.InteropServices;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// What the kernel's own tests of rseq(2) check (tools/testing/selftests/rseq: basic_percpu_ops_test and param_test),
/// asked of the types of this library, under the same disturbances: delays inside of the sections, yields between them,
/// signals, migrations.
/// </summary>
public sealed unsafe class KernelRseqTests
{
    public KernelRseqTests() => Threads.NeedRestarts();

    public static TheoryData<Disturbances> Storms =>
        [
            Disturbances.None,
            Disturbances.Delays,
            Disturbances.Yields,
            Disturbances.Signals,
            Disturbances.Migrations,
            Disturbances.All,
        ];

    /// <summary>
    /// Each CPU has a lock and a count that only the lock protects; a thread that holds a lock may be moved and then
    /// counts and unlocks from afar.
    /// </summary>
    [Theory]
    [MemberData(nameof(Storms))]
    public void Spinlock(Disturbances storm)
    {
        const int Lock = 0,
            Count = 8,
            Held = 1;
        var area = new PerCpuArea(16);
        var tryLock = new PerCpuSection(StandardSections.CompareStore(area.Slots.Shape, Lock), Variant(storm));
        Disturb(
            storm,
            Sizes.Delayed / 10,
            operation =>
            {
                SectionResult locked = tryLock.Run(area, 0, Held);
                while (!locked.Committed)
                {
                    Thread.Yield(); // the holder may be waiting for this very CPU
                    locked = tryLock.Run(area, 0, Held);
                }

                area.Slots.Word((int)locked.Value, Count)++;
                Volatile.Write(ref area.Slots.Word((int)locked.Value, Lock), 0);
            },
            out long operations
        );

        Assert.Equal(operations, Enumerable.Range(0, area.SlotCount).Sum(slot => area.Read(slot, Count)));
    }

    [Theory]
    [MemberData(nameof(Storms))]
    public void List(Disturbances storm)
    {
        const int Nodes = 100;
        var list = new PerCpuFreeList(new PerCpuArea(sizeof(long)), Variant(storm));
        Node* nodes = (Node*)NativeMemory.AllocZeroed(Nodes, (nuint)sizeof(Node));
        for (int i = 0; i < Nodes; i++)
        {
            list.Push((nint)(nodes + i));
        }

        Disturb(
            storm,
            Sizes.Delayed / 10,
            operation =>
            {
                if (list.TryPop(out nint block))
                {
                    // No other thread may own it now, or has stored to it since it was pushed.
                    Assert.Equal(1, Interlocked.Increment(ref ((Node*)block)->Owners));
                    Interlocked.Decrement(ref ((Node*)block)->Owners);
                    list.Push(block);
                }
            },
            out _
        );

        var found = new HashSet<nint>();
        for (int i = 0; i < list.ListCount; i++)
        {
            _ = list.TryTakeAll(i, out nint block, out _, out int count);
            for (; block != 0; block = *(nint*)block, count--)
            {
                Assert.True(found.Add(block), "A block is in the lists twice.");
            }

            Assert.Equal(0, count);
        }

        Assert.Equal(Nodes, found.Count);
        NativeMemory.Free(nodes);
    }

    /// <summary>An array of addresses and the number of those in use, which is the commit of push and pop.</summary>
    [Theory]
    [MemberData(nameof(Storms))]
    public void Buffer(Disturbances storm)
    {
        const int Capacity = 100,
            Used = 0,
            First = 8,
            Nothing = 1;
        var area = new PerCpuArea(First + (Capacity * sizeof(long)));
        SectionBuilder pushing = area.NewSection();
        SectionValue used = pushing.Load(Used);
        pushing.LeaveIfEqual(used, Capacity * sizeof(long), Nothing);
        pushing.StoreAt(used, pushing.Argument(0), First);
        pushing.CommitStore(Used, pushing.Add(used, sizeof(long)));
        var push = new PerCpuSection(pushing.ToProgram(), Variant(storm));
        SectionBuilder popping = area.NewSection();
        used = popping.Load(Used);
        popping.LeaveIfEqual(used, 0, Nothing);
        SectionValue next = popping.Add(used, -sizeof(long));
        SectionValue item = popping.LoadAt(next, First);
        popping.CommitStore(Used, next);
        popping.Return(item);
        var pop = new PerCpuSection(popping.ToProgram(), Variant(storm));

        const int Items = 60;
        int[] owners = new int[Items + 1];
        for (int i = 1; i <= Items; i++)
        {
            Assert.True(push.Run(area, i).Committed);
        }

        Disturb(
            storm,
            Sizes.Delayed / 10,
            operation =>
            {
                SectionResult popped = pop.Run(area);
                if (popped.Committed)
                {
                    Assert.Equal(1, Interlocked.Increment(ref owners[popped.Value]));
                    Interlocked.Decrement(ref owners[popped.Value]);
                    Assert.True(
                        push.Run(area, popped.Value).Committed,
                        "No buffer can be full: there are fewer items than places."
                    );
                }
            },
            out _
        );

        var found = new List<long>();
        for (int slot = 0; slot < area.SlotCount; slot++)
        {
            using StoppedSlot stopped = area.Stop(slot);
            found.AddRange(stopped.Words.Slice(First / sizeof(long), (int)stopped.Words[0] / sizeof(long)));
        }

        Assert.Equal(Enumerable.Range(1, Items).Select(i => (long)i), found.Order());
    }

    /// <summary>
    /// The same with structures that are copied in and out inside of the section: none is ever seen half-written.
    /// </summary>
    [Theory]
    [MemberData(nameof(Storms))]
    public void Memcpy(Disturbances storm)
    {
        const int Capacity = 100,
            Used = 0,
            First = 8,
            Nothing = 1,
            Items = 60;
        int bytes = sizeof(Item);
        var area = new PerCpuArea(First + (Capacity * bytes));
        SectionBuilder pushing = area.NewSection();
        SectionValue used = pushing.Load(Used);
        pushing.LeaveIfEqual(used, Capacity * bytes, Nothing);
        pushing.CopyIn(used, First, pushing.Argument(0), bytes);
        pushing.CommitStore(Used, pushing.Add(used, bytes));
        var push = new PerCpuSection(pushing.ToProgram(), Variant(storm));
        SectionBuilder popping = area.NewSection();
        used = popping.Load(Used);
        popping.LeaveIfEqual(used, 0, Nothing);
        SectionValue next = popping.Add(used, -bytes);
        popping.CopyOut(next, First, popping.Argument(0), bytes);
        popping.CommitStore(Used, next);
        var pop = new PerCpuSection(popping.ToProgram(), Variant(storm));

        int[] owners = new int[Items + 1];
        for (int i = 1; i <= Items; i++)
        {
            Item item = Item.Numbered(i);
            Assert.True(push.Run(area, (nint)(&item)).Committed);
        }

        Disturb(
            storm,
            Sizes.Delayed / 10,
            operation =>
            {
                Item item;
                if (pop.Run(area, (nint)(&item)).Committed)
                {
                    Assert.Equal(Item.Numbered((int)item.First), item);
                    Assert.Equal(1, Interlocked.Increment(ref owners[item.First]));
                    Interlocked.Decrement(ref owners[item.First]);
                    Assert.True(
                        push.Run(area, (nint)(&item)).Committed,
                        "No buffer can be full: there are fewer items than places."
                    );
                }
            },
            out _
        );

        var found = new List<Item>();
        for (int slot = 0; slot < area.SlotCount; slot++)
        {
            using StoppedSlot stopped = area.Stop(slot);
            found.AddRange(MemoryMarshal.Cast<byte, Item>(stopped.Bytes.Slice(First, (int)stopped.Words[0])));
        }

        Assert.Equal(Enumerable.Range(1, Items).Select(Item.Numbered), found.OrderBy(item => item.First));
    }

    [Theory]
    [MemberData(nameof(Storms))]
    public void Increment(Disturbances storm)
    {
        var counter = new PerCpuCounter(PerCpuIndex.Cpu, useSections: true, Variant(storm));
        Disturb(storm, Sizes.Delayed, _ => counter.Increment(), out long operations);
        Assert.Equal(operations, counter.Sum());
    }

    [Theory]
    [MemberData(nameof(Storms))]
    public void Membarrier_RSEQ(Disturbances storm) =>
        Assert.Equal(0, ChangesAfterTheFlip(storm, cpu => Membarrier.RestartSequences(cpu)));

    /// <summary>
    /// The control: without the barrier a section that had chosen its counter before the flip is seen to change it
    /// afterwards.
    /// </summary>
    [Fact]
    public void Without_the_barrier_sections_commit_to_what_was_taken_from_them()
    {
        long changes = 0;
        for (int round = 0; round < Sizes.ControlRounds && changes == 0; round++)
        {
            changes = ChangesAfterTheFlip(Disturbances.Delays, _ => { });
        }

        Assert.True(changes > 0);
    }

    /// <summary>
    /// Each slot has two counters, and a word that every section looks at says which of them sections increment. The
    /// manager turns the word, restarts the sections of one
    /// CPU, and from then on the other counter of
    /// that CPU is its own: it must not change. Returns how often it did.
    /// </summary>
    private static long ChangesAfterTheFlip(Disturbances storm, Action<int> barrier)
    {
        const int Other = 1,
            Looks = 200;
        var area = new PerCpuArea(16);
        long* active = (long*)NativeMemory.AlignedAlloc(128, 128);
        *active = 0;
        PerCpuSection[] add =
        [
            .. Enumerable
                .Range(0, 2)
                .Select(which =>
                {
                    SectionBuilder section = area.NewSection();
                    section.LeaveIfNotEqual(section.LoadFrom(section.Argument(0)), which, Other);
                    section.CommitAdd(which * 8, section.Constant(1));
                    return new PerCpuSection(section.ToProgram(), Variant(storm));
                }),
        ];

        bool over = false;
        long changes = 0;
        using var disturbance = new Storm(storm);
        Threads.Run(
            Threads.Cpus.Length + 1,
            number =>
            {
                if (number > 0)
                {
                    Threads.Place(0, Threads.Cpus[number % Threads.Cpus.Length]);
                    disturbance.Join();
                    for (long operation = 0; !Volatile.Read(ref over); operation++)
                    {
                        disturbance.Between(operation);
                        if (!add[0].Run(area, (nint)active).Committed)
                        {
                            _ = add[1].Run(area, (nint)active);
                        }
                    }

                    disturbance.Leave();
                    return;
                }

                var random = new Random(1);
                for (int flip = 0; flip < Sizes.Exchanges; flip++)
                {
                    int cpu = Threads.Cpus[random.Next(Threads.Cpus.Length)];
                    int inactive = (int)Volatile.Read(ref *active);
                    long before = area.Read(cpu, inactive * 8);
                    while (area.Read(cpu, inactive * 8) == before)
                    {
                        Thread.Yield(); // no thread is at it there, so nothing could be caught
                    }

                    Volatile.Write(ref *active, 1 - inactive);
                    barrier(cpu);
                    long taken = area.Read(cpu, inactive * 8);
                    for (int look = 0; look < Looks; look++)
                    {
                        changes += area.Read(cpu, inactive * 8) == taken ? 0 : 1;
                    }
                }

                Volatile.Write(ref over, true);
            }
        );
        NativeMemory.AlignedFree(active);
        return changes;
    }

    private static SectionVariant Variant(Disturbances storm) =>
        new(Armed: true, Delay: storm.HasFlag(Disturbances.Delays) ? 40 : 0);

    private static void Disturb(Disturbances what, int each, Action<long> operation, out long operations)
    {
        using var storm = new Storm(what);
        long all = 0;
        Threads.Run(
            Sizes.Threads,
            _ =>
            {
                storm.Join();
                for (int i = 0; i < each; i++)
                {
                    storm.Between(i);
                    operation(i);
                }

                storm.Leave();
                Interlocked.Add(ref all, each);
            }
        );
        operations = all;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Node
    {
        public nint Next;
        public int Owners;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Item(long First, long Second, int Third)
    {
        public static Item Numbered(int number) => new(number, number * 3L, -number);
    }
}
