using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Threads that rseq(2) does not know, in a process that has it otherwise: they use the last slot, beside others that
/// use sections, and nothing is lost.
/// </summary>
public sealed class UnknownThreadTests
{
    private const int Unknown = 2;

    public UnknownThreadTests() => Threads.NeedRestarts();

    [Theory]
    [InlineData(PerCpuIndex.Cpu)]
    [InlineData(PerCpuIndex.ConcurrencyId)] // which is 0 for all of them, as if that slot were theirs
    public void They_count_in_the_last_slot(PerCpuIndex index)
    {
        Assert.SkipUnless(
            index == PerCpuIndex.Cpu || RestartableSequences.ConcurrencyIdTrusted,
            "The kernel keeps no concurrency id here."
        );
        var counter = new PerCpuCounter(index, useSections: true, SectionVariant.Shipped);
        Together(_ =>
        {
            for (int i = 0; i < Sizes.Fast; i++)
            {
                counter.Increment();
            }
        });
        long[] slots = new long[RestartableSequences.CpuSlots + 1];
        Assert.Equal(2L * Unknown * Sizes.Fast, counter.Read(slots));
        Assert.Equal((long)Unknown * Sizes.Fast, slots[^1]);
    }

    [Fact]
    public void Their_sections_are_interpreted_under_a_lock_which_stopping_respects()
    {
        var area = new PerCpuArea(8);
        SectionBuilder section = area.NewSection();
        SectionValue slot = section.ThisSlot();
        section.CommitStore(0, section.Add(section.Load(0), section.Argument(0)));
        section.Return(slot);
        PerCpuSection add = section.Build();
        long taken = 0;
        int running = 2 * Unknown;
        Together(
            number =>
            {
                for (int i = 0; i < Sizes.Fast / 10; i++)
                {
                    SectionResult result = add.Run(area, 1);
                    Assert.True(result.Committed);
                    Assert.Equal(number < Unknown, result.Value == area.SlotCount - 1);
                }

                Interlocked.Decrement(ref running);
            },
            () =>
            {
                for (int i = 0; Volatile.Read(ref running) > 0; i++)
                {
                    using StoppedSlot stopped = area.Stop(i % area.SlotCount);
                    taken += stopped.Words[0];
                    stopped.Words[0] = 0;
                }
            }
        );
        long left = Enumerable.Range(0, area.SlotCount).Sum(index => area.Read(index, 0));
        Assert.Equal(2L * Unknown * (Sizes.Fast / 10), taken + left);
    }

    [Fact]
    public void They_share_blocks_and_records_with_the_others()
    {
        using var pool = new PerCpuBlockPool(64);
        var buffer = new PerCpuBuffer<long>(1000);
        Together(number =>
        {
            for (int i = 0; i < Sizes.Fast / 10; i++)
            {
                nint block = pool.Rent();
                _ = buffer.Append(i);
                pool.Return(block);
            }
        });
        long delivered = buffer.Drain((_, _) => { });
        Assert.Equal(2L * Unknown * (Sizes.Fast / 10), delivered + buffer.Lost);
        Assert.True(buffer.Lost > 0 && delivered > 0);
    }

    /// <summary>
    /// Runs the action on threads that are not registered (the first numbers) and on as many that are, and another
    /// action beside them.
    /// </summary>
    private static void Together(Action<int> action, Action? beside = null) =>
        Threads.Run(
            (2 * Unknown) + (beside is null ? 0 : 1),
            number =>
            {
                if (number == 2 * Unknown)
                {
                    beside!();
                    return;
                }

                if (number < Unknown)
                {
                    // glibc since 2.41 may register more than 32 bytes, and then the kernel refuses this length.
                    Assert.Equal(0, ThreadArea.Unregister());
                    Assert.True(RestartableSequences.CurrentCpu() >= 0);
                    Assert.False(RestartableSequences.TryGetConcurrencyId(out _));
                }

                action(number);
            }
        );
}
