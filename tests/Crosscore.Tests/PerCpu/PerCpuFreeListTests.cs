using System.Runtime.InteropServices;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;
using FsCheck;
using FsCheck.Fluent;

namespace Crosscore.Tests.PerCpu;

/// <summary>Free lists and the pool on them, with sections and striped.</summary>
public sealed unsafe class PerCpuFreeListTests
{
    public static TheoryData<bool> Ways => RestartableSequences.CanRestart ? [true, false] : [false];

    /// <summary>
    /// Any sequence of operations by one thread that goes from CPU to CPU does what stacks beside each other do.
    /// </summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public void Like_a_stack_for_each_CPU(bool useSections)
    {
        nint* memory = (nint*)NativeMemory.AlignedAlloc(64 * 8, 64);
        try
        {
            Check.One(
                Config.QuickThrowOnFailure.WithMaxTest(200).WithQuietOnSuccess(true),
                Prop.ForAll(
                    Arb.From(Gen.Choose(0, 99).ArrayOf(40)),
                    operations => SameAsStacks(List(useSections), operations, memory)
                )
            );
        }
        finally
        {
            Threads.Place(0, Threads.Cpus);
            NativeMemory.AlignedFree(memory);
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_block_is_owned_by_one_thread_at_a_time_while_others_steal(bool useSections)
    {
        const int Blocks = 64;
        PerCpuFreeList list = List(useSections);
        long* memory = (long*)NativeMemory.AlignedAlloc(Blocks * 64, 64);
        for (int i = 0; i < Blocks; i++)
        {
            memory[(i * 8) + 1] = 0;
            list.Push((nint)(memory + (i * 8)));
        }

        Threads.Run(
            Sizes.Threads,
            number =>
            {
                for (int i = 0; i < Sizes.Fast / 10; i++)
                {
                    if (!list.TryPop(out nint block) && (number != 0 || !list.TrySteal(out block, out _)))
                    {
                        continue;
                    }

                    Assert.Equal(1, Interlocked.Increment(ref ((long*)block)[1]));
                    Interlocked.Decrement(ref ((long*)block)[1]);
                    list.Push(block);
                }
            }
        );

        var found = new HashSet<nint>();
        while (list.TrySteal(out nint block, out _))
        {
            Assert.True(found.Add(block));
        }

        Assert.Equal(Blocks, found.Count);
        NativeMemory.AlignedFree(memory);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Pushes_to_a_stopped_list_go_elsewhere_and_no_thread_waits(bool useSections)
    {
        PerCpuFreeList list = List(useSections);
        nint block = (nint)NativeMemory.AlignedAlloc(64, 64);
        int cpu = Threads.Cpus[0];
        Threads.Place(0, cpu);
        try
        {
            using (list.Area.Stop(cpu))
            {
                if (useSections)
                {
                    list.Push(block);
                    Assert.Equal(block, list.Area.Read(list.ListCount - 1, 0));
                    Assert.True(list.TryPop(out nint popped));
                    Assert.Equal(block, popped);
                }
            }

            list.Push(block);
            Assert.Equal(block, list.Area.Read(cpu, 0));
            Assert.True(list.TryTakeAll(cpu, out nint first, out nint last, out int count));
            Assert.Equal((block, block, 1), (first, last, count));
            Assert.False(list.TryPop(out first));
            Assert.Equal(0, first);
        }
        finally
        {
            Threads.Place(0, Threads.Cpus);
            NativeMemory.AlignedFree((void*)block);
        }
    }

    [Fact]
    public void What_is_no_block_is_refused()
    {
        var list = new PerCpuFreeList();
        _ = Assert.Throws<ArgumentException>(() => list.Push(0));
        _ = Assert.Throws<ArgumentException>(() => list.Push(4097));
        _ = Assert.Throws<ArgumentException>(() => list.PushChain(4096, 0));
        _ = Assert.Throws<ArgumentOutOfRangeException>(
            "slot",
            () => list.TryTakeAll(list.ListCount, out _, out _, out _)
        );
        Assert.False(list.TryPop(out _));
        Assert.False(list.TrySteal(out _, out _));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_pool_gives_each_block_once_and_reuses_what_another_CPU_returned(bool useSections)
    {
        using var pool = new PerCpuBlockPool(64, 64, List(useSections));
        try
        {
            for (int round = 0; round < 20; round++)
            {
                Threads.Place(0, Threads.Cpus[0]);
                nint[] rented = [.. Enumerable.Range(0, 5000).Select(_ => pool.Rent())];
                Assert.Equal(5000, rented.Distinct().Count());
                Assert.All(rented, block => Assert.Equal(0, block % 64));
                Threads.Place(0, Threads.Cpus[^1]);
                Array.ForEach(rented, pool.Return);
            }
        }
        finally
        {
            Threads.Place(0, Threads.Cpus);
        }

        // Without stealing each round would need 5000 more.
        Assert.InRange(pool.BlockCount, 5000, 15_000);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_pool_under_threads_never_gives_a_block_twice(bool useSections)
    {
        using var pool = new PerCpuBlockPool(32, 16, List(useSections));
        Threads.Run(
            Sizes.Threads,
            number =>
            {
                var mine = new Queue<nint>();
                for (int i = 0; i < Sizes.Fast / 10; i++)
                {
                    nint block = pool.Rent();
                    ((long*)block)[0] = number;
                    ((long*)block)[2] = number;
                    mine.Enqueue(block);
                    if (mine.Count > number * 10)
                    {
                        nint oldest = mine.Dequeue();
                        Assert.Equal((number, number), (((long*)oldest)[0], ((long*)oldest)[2]));
                        pool.Return(oldest);
                    }
                }
            }
        );
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_pool_refuses_second_returns_strangers_and_use_after_disposal(bool useSections)
    {
        var pool = new PerCpuBlockPool(64, 32, List(useSections));
        nint block = pool.Rent();
        pool.Return(block);
        Assert.Contains(
            "already",
            Assert.Throws<InvalidOperationException>(() => pool.Return(block)).Message,
            StringComparison.Ordinal
        );
        _ = Assert.Throws<ArgumentException>("block", () => pool.Return(0));
        _ = Assert.Throws<ArgumentException>("block", () => pool.Return(block + 16));
        pool.Dispose();
        pool.Dispose();
        _ = Assert.Throws<ObjectDisposedException>(() => pool.Rent());
        _ = Assert.Throws<ObjectDisposedException>(() => pool.Return(block));
        Assert.Equal(0, pool.BlockCount);
        _ = Assert.Throws<ArgumentOutOfRangeException>("alignment", () => new PerCpuBlockPool(64, 8));
        _ = Assert.Throws<ArgumentOutOfRangeException>("blockSize", () => new PerCpuBlockPool(40, 16));
    }

    /// <summary>
    /// Each number is an operation: which CPU to go to, or which block to push, or a pop, or all of a list.
    /// </summary>
    private static void SameAsStacks(PerCpuFreeList list, int[] operations, nint* memory)
    {
        var stacks = Threads.Cpus.ToDictionary(cpu => cpu, _ => new Stack<nint>());
        var free = new Queue<nint>(Enumerable.Range(0, 64).Select(i => (nint)(memory + i)));
        int cpu = Threads.Cpus[0];
        Threads.Place(0, cpu);
        foreach (int operation in operations)
        {
            switch (operation % 5)
            {
                case 0:
                    cpu = Threads.Cpus[operation / 5 % Threads.Cpus.Length];
                    Threads.Place(0, cpu);
                    break;
                case 1 or 2:
                    nint block = free.Dequeue();
                    list.Push(block);
                    stacks[cpu].Push(block);
                    break;
                case 3:
                    Assert.Equal(stacks[cpu].TryPop(out nint expected), list.TryPop(out nint popped));
                    Assert.Equal(expected, popped);
                    break;
                default:
                    int other = Threads.Cpus[operation / 5 % Threads.Cpus.Length];
                    Assert.Equal(
                        stacks[other].Count > 0,
                        list.TryTakeAll(other, out nint first, out nint last, out int count)
                    );
                    Assert.Equal(stacks[other].Count, count);
                    Assert.Equal(stacks[other].LastOrDefault(), last);
                    for (; first != 0; first = *(nint*)first)
                    {
                        Assert.Equal(stacks[other].Pop(), first);
                    }

                    break;
            }
        }
    }

    private static PerCpuFreeList List(bool useSections) =>
        new(
            new PerCpuArea(8, PerCpuIndex.Cpu, useSections, Membarrier.Session, RestartableSequences.CpuSlots),
            SectionVariant.Shipped
        );
}
