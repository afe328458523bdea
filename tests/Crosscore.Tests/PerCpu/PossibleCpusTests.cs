using System.Runtime.CompilerServices;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Machines on which many CPUs may come online, and few do: memory is taken for those that were used. All figures are
/// of 4 KiB pages that belong to the process.
/// </summary>
public sealed unsafe class PossibleCpusTests(ITestOutputHelper output)
{
    private const int RecordsPerCpu = 4096;

    public static TheoryData<int, bool> Machines
    {
        get
        {
            var machines = new TheoryData<int, bool>();
            foreach (int cpus in (int[])[1024, 8192])
            {
                foreach (bool useSections in RestartableSequences.CanRestart ? [true, false] : (bool[])[false])
                {
                    machines.Add(cpus, useSections);
                }
            }

            return machines;
        }
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void A_buffer_takes_memory_for_the_CPUs_that_append(int cpus, bool useSections)
    {
        NeedsLinux();
        long managed = GC.GetAllocatedBytesForCurrentThread();
        var buffer = new PerCpuBuffer<long>(
            RecordsPerCpu,
            useSections,
            Membarrier.Session,
            SectionVariant.Shipped,
            cpus
        );
        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        OnEveryCpu(() =>
        {
            for (int i = 0; i < RecordsPerCpu + 10; i++)
            {
                Assert.Equal(i < RecordsPerCpu, buffer.Append(i));
            }
        });
        Assert.Equal((long)RecordsPerCpu * Threads.Cpus.Length, buffer.Drain((_, _) => { }));
        Assert.Equal(10L * Threads.Cpus.Length, buffer.Lost);
        AssertInProportion("PerCpuBuffer<long>(4096)", buffer.Slots, cpus, managed);

        // A resize stops all slots of the old memory, one page of each for the time until it is drained; the new memory
        // is as empty as the old one was.
        buffer.Resize(RecordsPerCpu / 2);
        Assert.True(buffer.Append(1));
        Assert.Equal(1, buffer.Drain((_, _) => { }));
        AssertInProportion("after a resize", buffer.Slots, cpus, 0);
    }

    [Theory]
    [MemberData(nameof(Machines))]
    public void Every_other_structure_takes_memory_for_the_CPUs_that_use_it(int cpus, bool useSections)
    {
        NeedsLinux();
        long before = GC.GetAllocatedBytesForCurrentThread();
        var counter = new PerCpuCounter(PerCpuIndex.Cpu, useSections, SectionVariant.Shipped, cpus);
        var histogram = new PerCpuHistogram(
            [.. Enumerable.Range(0, 1000).Select(bound => (long)bound)],
            useSections,
            cpus
        );
        var sections = new PerCpuReadDomain(useSections, cpus);
        var area = new PerCpuArea(4096, PerCpuIndex.Cpu, useSections, Membarrier.Session, cpus);
        var list = new PerCpuFreeList(
            new PerCpuArea(8, PerCpuIndex.Cpu, useSections, Membarrier.Session, cpus),
            SectionVariant.Shipped
        );
        long managed = GC.GetAllocatedBytesForCurrentThread() - before;
        using var pool = new PerCpuBlockPool(64, 16, list);
        SectionBuilder writing = area.NewSection();
        writing.CommitAdd(4088, writing.Argument(0));
        PerCpuSection add = writing.Build();
        OnEveryCpu(() =>
        {
            counter.Increment();
            histogram.Record(500);
            sections.EnterReadSection().Dispose();
            pool.Return(pool.Rent());
            Assert.True(add.Run(area, 1).Committed);
        });
        sections.Synchronize(TestContext.Current.CancellationToken);
        using (StoppedSlot stopped = area.Stop(Threads.Cpus[0]))
        {
            Assert.Equal(1, stopped.Words[511]);
        }

        int used = Threads.Cpus.Length;
        Assert.Equal((used, used, 0L), (counter.Sum(), histogram.Counts().Sum(), sections.Readers));
        Assert.Equal(used, Enumerable.Range(0, area.SlotCount).Sum(slot => area.Read(slot, 4088)));
        AssertInProportion("PerCpuCounter", counter.Slots, cpus, managed);
        AssertInProportion("PerCpuHistogram of 1,000 bounds", histogram.Slots, cpus, 0);
        AssertInProportion("PerCpuReadDomain", sections.Slots, cpus, 0);
        AssertInProportion("PerCpuArea(4096)", area.Slots, cpus, 0);
        AssertInProportion("PerCpuFreeList, PerCpuBlockPool", list.Area.Slots, cpus, 0);
    }

    /// <summary>The control: what is counted is what is touched.</summary>
    [Fact]
    public void Slots_that_are_all_used_are_all_resident()
    {
        NeedsLinux();
        var slots = new PerCpuSlots(32 << 10, canStop: true, PerCpuIndex.Cpu, 1024);
        Assert.True(slots.IsMapped);
        for (int slot = 0; slot < slots.Count; slot++)
        {
            new Span<byte>((void*)slots.Slot(slot), slots.Shape.Stride).Fill(1);
        }

        Assert.True(Resident(slots) >= (long)slots.Count * slots.Shape.Bytes);
        GC.KeepAlive(slots);
    }

    /// <summary>
    /// Memory that is mapped goes when its user is gone for good, and no sooner: a finalizer may still count.
    /// </summary>
    [Fact]
    public void Memory_lives_as_long_as_a_finalizer_may_use_it_and_no_longer()
    {
        NeedsLinux();
        nint address = MakeGarbage(out WeakReference last);
        for (int i = 0; i < 100 && (FinalizedLater.Sum == 0 || last.IsAlive || IsMapped(address)); i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal(2, FinalizedLater.Sum);
        Assert.False(last.IsAlive);
        Assert.False(IsMapped(address), "The mapping stayed behind.");

        [MethodImpl(MethodImplOptions.NoInlining)]
        static nint MakeGarbage(out WeakReference last)
        {
            var counter = new PerCpuCounter(
                PerCpuIndex.Cpu,
                RestartableSequences.IsAvailable,
                SectionVariant.Shipped,
                8192
            );
            counter.Increment();
            last = new WeakReference(new FinalizedLater(counter), trackResurrection: true);
            return counter.Slots.Base;
        }
    }

    private static void NeedsLinux() =>
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Memory is mapped on demand on Linux only.");

    private static void OnEveryCpu(Action action)
    {
        foreach (int cpu in Threads.Cpus)
        {
            Threads.Run(
                1,
                _ =>
                {
                    Threads.Place(0, cpu);
                    action();
                }
            );
        }
    }

    /// <summary>
    /// A slot of each CPU that was used and the shared one, each with a page at either end that it has in part, and as
    /// many for locks.
    /// </summary>
    private void AssertInProportion(string what, PerCpuSlots slots, int cpus, long managed)
    {
        int page = Environment.SystemPageSize;
        Assert.Equal(cpus + 1, slots.Count);
        long resident = Resident(slots);
        long most = (Threads.Cpus.Length + 1L) * (slots.Shape.Stride + (3 * page));
        output.WriteLine(
            $"{what}, {cpus:N0} possible CPUs, {Threads.Cpus.Length} used: {Length(slots):N0} bytes of addresses, "
                + $"{resident:N0} resident, {managed:N0} allocated from the collector"
        );
        Assert.InRange(resident, 1, most);
        Assert.InRange(managed, 0, 256 << 10);
        GC.KeepAlive(slots);
    }

    private static long Length(PerCpuSlots slots) =>
        (long)slots.Count * (slots.Shape.Stride + (slots.Shape.CanStop ? PerCpuSlots.Alignment : 0));

    /// <summary>
    /// Pages that are this process's own: present and mapped once, or swapped. The kernel's page of zeros, which every
    /// reader of an untouched page gets, is none.
    /// </summary>
    private static long Resident(PerCpuSlots slots)
    {
        // Documentation/admin-guide/mm/pagemap.rst
        const ulong Present = 1UL << 63,
            Swapped = 1UL << 62,
            Exclusive = 1UL << 56;
        int page = Environment.SystemPageSize;
        ulong[] entries = new ulong[(Length(slots) + page - 1) / page];
        using Microsoft.Win32.SafeHandles.SafeFileHandle map = File.OpenHandle("/proc/self/pagemap");
        Span<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(entries.AsSpan());
        long at = slots.Base / page * sizeof(ulong);
        while (!bytes.IsEmpty)
        {
            int read = RandomAccess.Read(map, bytes, at);
            Assert.True(read > 0);
            bytes = bytes[read..];
            at += read;
        }

        return entries.Count(entry =>
                (entry & Swapped) != 0 || (entry & (Present | Exclusive)) == (Present | Exclusive)
            ) * (long)page;
    }

    private static bool IsMapped(nint address) =>
        Crosscore
            .Linux.MemoryMap.Read()
            .Any(line => line.Start <= address && address < line.End && line.Permissions == "rw-p");

    private sealed class FinalizedLater(PerCpuCounter counter)
    {
        public static long Sum { get; private set; }

        ~FinalizedLater()
        {
            counter.Increment();
            Sum = counter.Sum();
        }
    }
}
