using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Adds by many threads that are moved between CPUs all the time: none is lost, and many are as soon as the kernel is
/// not told of the section.
/// </summary>
public sealed class ExactnessTests
{
    /// <summary>Wide enough that a thread is often interrupted in the middle of load, add and store.</summary>
    private static readonly SectionVariant Delayed = new(Armed: true, Delay: 40);

    public ExactnessTests() => Threads.NeedSections();

    [Theory]
    [InlineData(PerCpuIndex.Cpu)]
    [InlineData(PerCpuIndex.ConcurrencyId)]
    public void The_sum_is_exact(PerCpuIndex index)
    {
        Assert.SkipUnless(
            index == PerCpuIndex.Cpu || RestartableSequences.ConcurrencyIdTrusted,
            "The kernel keeps no concurrency id here."
        );
        var counter = new PerCpuCounter(index, useSections: true, SectionVariant.Shipped);
        long added = Disturbed(Sizes.Fast, counter.Increment);
        Assert.Equal(added, counter.Sum());
    }

    [Fact]
    public void Load_add_and_store_with_a_delay_between_them_lose_nothing()
    {
        (PerCpuArea area, PerCpuSection add) = LoadAddStore(Delayed);
        long added = Disturbed(Sizes.Delayed, () => add.Run(area, 1));
        Assert.Equal(added, Sum(area));
    }

    /// <summary>
    /// The control of all tests here: the same instructions, without the store that tells the kernel of them.
    /// </summary>
    [Fact]
    public void The_same_section_loses_adds_when_it_is_not_armed()
    {
        (PerCpuArea area, PerCpuSection add) = LoadAddStore(Delayed with { Armed = false });
        long expected = 0;
        for (int round = 0; round < Sizes.ControlRounds && Sum(area) == expected; round++)
        {
            expected += Disturbed(Sizes.Delayed, () => add.Run(area, 1));
        }

        Assert.InRange(Sum(area), 1, expected - 1);
    }

    private static (PerCpuArea Area, PerCpuSection Section) LoadAddStore(SectionVariant variant)
    {
        var area = new PerCpuArea(sizeof(long));
        SectionBuilder section = area.NewSection();
        SectionValue sum = section.Add(section.Load(0), section.Argument(0));
        section.CommitStore(0, sum);
        return (area, new PerCpuSection(section.ToProgram(), variant));
    }

    private static long Sum(PerCpuArea area) => Enumerable.Range(0, area.SlotCount).Sum(slot => area.Read(slot, 0));

    /// <summary>
    /// Runs the operation on all threads while their affinities are flipped at random, and until that has happened
    /// often enough; returns how many were run.
    /// </summary>
    private static long Disturbed(int operations, Action operation)
    {
        using var storm = new Storm(Disturbances.Migrations);
        long all = 0;
        Threads.Run(
            Sizes.Threads,
            _ =>
            {
                storm.Join();
                long done = 0;
                for (; done < operations || storm.Count < Sizes.Moves; done++)
                {
                    operation();
                }

                storm.Leave();
                Interlocked.Add(ref all, done);
            }
        );
        return all;
    }
}
