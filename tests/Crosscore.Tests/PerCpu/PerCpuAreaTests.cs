using Crosscore.Linux;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;
using Crosscore.Tests.Fences;

namespace Crosscore.Tests.PerCpu;

/// <summary>Slots that are stopped, worked on from outside and let go.</summary>
public sealed class PerCpuAreaTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_taken_from_outside_and_what_stays_is_all_that_was_added(bool useSections)
    {
        Assert.Equal(0, Missing(Area(useSections), SectionVariant.Shipped with { Delay = 20 }));
    }

    /// <summary>
    /// The control: a kernel that answers success and restarts nothing. A section that had loaded the sum before it was
    /// taken stores it once more.
    /// </summary>
    [Fact]
    public void A_barrier_that_does_nothing_lets_sections_undo_what_was_taken()
    {
        Threads.NeedRestarts();
        Threads.NeedTwoCpus();
        long missing = 0;
        for (int round = 0; round < Sizes.ControlRounds && missing == 0; round++)
        {
            var nothing = new MembarrierSession(Registered(new FakeKernel(FakeKernel.Linux63)));
            missing = Missing(
                new PerCpuArea(8, PerCpuIndex.Cpu, useSections: true, nothing, RestartableSequences.CpuSlots),
                SectionVariant.Shipped with
                {
                    Delay = 200,
                }
            );
        }

        Assert.NotEqual(0, missing);
    }

    [Fact]
    public void A_slot_is_stopped_by_a_thread_that_may_not_run_on_its_CPU()
    {
        Threads.NeedRestarts();
        Threads.NeedTwoCpus();
        var area = new PerCpuArea(8);
        PerCpuSection add = Add(area, SectionVariant.Shipped);
        bool over = false;
        int there = Threads.Cpus[1];
        Threads.Run(
            2,
            number =>
            {
                Threads.Place(0, Threads.Cpus[number]);
                if (number == 1)
                {
                    while (!Volatile.Read(ref over))
                    {
                        _ = add.Run(area, 1);
                    }

                    return;
                }

                while (area.Read(there, 0) == 0)
                {
                    Thread.Yield();
                }

                for (int i = 0; i < Sizes.Barriers; i++)
                {
                    using StoppedSlot slot = area.Stop(there);
                    long seen = slot.Words[0];
                    Thread.SpinWait(100);
                    Assert.Equal(seen, slot.Words[0]);
                }

                Volatile.Write(ref over, true);
            }
        );
    }

    [Fact]
    public void A_slot_whose_CPU_is_offline_is_stopped_like_any_other()
    {
        Threads.NeedRestarts();
        FakeKernel kernel = Registered(
            new FakeKernel(FakeKernel.Linux63) { PossibleCpus = "0-3", OnlineCpus = "0-1,3" }
        );
        var area = new PerCpuArea(8, PerCpuIndex.Cpu, useSections: true, new MembarrierSession(kernel), cpuSlots: 4);
        kernel.Calls.Clear();
        using (StoppedSlot slot = area.Stop(2))
        {
            slot.Words[0] = 7;
        }

        Assert.Equal(7, area.Read(2, 0));
        Assert.Equal(
            [(MembarrierCall.MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MembarrierCall.MEMBARRIER_CMD_FLAG_CPU, 2)],
            kernel.Calls
        );
    }

    [Fact]
    public void A_CPU_that_is_gone_for_the_kernel_runs_no_section()
    {
        Threads.NeedRestarts();
        FakeKernel kernel = Registered(new FakeKernel(FakeKernel.Linux63));
        kernel.Sandbox = _ => Errno.ENXIO;
        var area = new PerCpuArea(8, PerCpuIndex.Cpu, useSections: true, new MembarrierSession(kernel), cpuSlots: 4);
        using StoppedSlot slot = area.Stop(2);
        Assert.Equal(0, slot.Words[0]);
    }

    [Fact]
    public void A_barrier_that_fails_leaves_the_slot_as_it_was()
    {
        Threads.NeedRestarts();
        FakeKernel kernel = Registered(new FakeKernel(FakeKernel.Linux63));
        kernel.Sandbox = command => command == MembarrierCall.MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ ? Errno.ENOMEM : 0;
        var area = new PerCpuArea(
            8,
            PerCpuIndex.Cpu,
            useSections: true,
            new MembarrierSession(kernel),
            RestartableSequences.CpuSlots
        );
        PerCpuSection add = Add(area, SectionVariant.Shipped);
        Assert.Equal(
            MembarrierFailure.OutOfMemory,
            Assert.Throws<MembarrierException>(() => area.Stop(0).Dispose()).Failure
        );
        Assert.True(add.Run(area, 5).Committed);
        Assert.Equal(5, Enumerable.Range(0, area.SlotCount).Sum(slot => area.Read(slot, 0)));
        kernel.Sandbox = _ => 0;
        area.Stop(0).Dispose();
    }

    [Fact]
    public void Where_slots_are_selected_by_concurrency_id_all_CPUs_are_restarted()
    {
        Threads.NeedRestarts();
        Assert.SkipUnless(RestartableSequences.ConcurrencyIdTrusted, "The kernel keeps no concurrency id here.");
        FakeKernel kernel = Registered(new FakeKernel(FakeKernel.Linux63));
        var area = new PerCpuArea(
            8,
            PerCpuIndex.ConcurrencyId,
            useSections: true,
            new MembarrierSession(kernel),
            cpuSlots: 4
        );
        kernel.Calls.Clear();
        area.Stop(1).Dispose();
        Assert.Equal(
            (MembarrierCall.MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0u),
            kernel.Calls.Select(call => (call.Command, call.Flags)).Single()
        );
    }

    [Fact]
    public void Misuse_is_refused_and_says_why()
    {
        _ = Assert.Throws<ArgumentOutOfRangeException>("bytesPerCpu", () => new PerCpuArea(0));
        _ = Assert.Throws<ArgumentOutOfRangeException>("bytesPerCpu", () => new PerCpuArea(12));
        _ = Assert.Throws<ArgumentOutOfRangeException>("bytes", () => new PerCpuArea(int.MaxValue - 7));
        var area = new PerCpuArea(16);
        _ = Assert.Throws<ArgumentOutOfRangeException>("slot", () => area.Read(-1, 0));
        _ = Assert.Throws<ArgumentOutOfRangeException>("slot", () => area.Stop(area.SlotCount).Dispose());
        _ = Assert.Throws<ArgumentOutOfRangeException>("offset", () => area.Read(0, 16));
        _ = Assert.Throws<ArgumentOutOfRangeException>("offset", () => area.Read(0, 4));
        PerCpuSection add = Add(area, SectionVariant.Shipped);
        ArgumentException wrongArea = Assert.Throws<ArgumentException>("area", () => add.Run(new PerCpuArea(24), 1));
        Assert.Contains("16 bytes", wrongArea.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_thread_that_would_wait_for_itself_is_told(bool useSections)
    {
        PerCpuArea area = Area(useSections);
        PerCpuSection add = Add(area, SectionVariant.Shipped);
        int cpu = Threads.Cpus[0];
        Threads.Place(0, cpu);
        try
        {
            StoppedSlot slot = area.Stop(cpu);
            _ = Assert.Throws<InvalidOperationException>(() => add.Run(area, 1));
            _ = Assert.Throws<LockRecursionException>(() => area.Stop(0).Dispose());
            slot.Dispose();
            slot.Dispose();
            Assert.True(add.Run(area, 1).Committed);
            bool gone = false;
            try
            {
                _ = slot.Words[0];
            }
            catch (ObjectDisposedException)
            {
                gone = true;
            }

            Assert.True(gone);
        }
        finally
        {
            Threads.Place(0, Threads.Cpus);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_offset_that_is_computed_outside_of_the_slot_commits_nothing(bool useSections)
    {
        PerCpuArea area = Area(useSections);
        SectionBuilder section = area.NewSection();
        SectionValue there = section.LoadAt(section.Argument(0));
        section.CommitStore(0, there);
        PerCpuSection built = section.Build();
        _ = Assert.Throws<InvalidOperationException>(() => built.Run(area, 8));
        _ = Assert.Throws<InvalidOperationException>(() => built.Run(area, -8));
        Assert.True(built.Run(area, 0).Committed);
    }

    /// <summary>
    /// How much of what threads added is neither in the slots nor was taken from them by another thread, again and
    /// again.
    /// </summary>
    private static long Missing(PerCpuArea area, SectionVariant variant)
    {
        SectionBuilder section = area.NewSection();
        SectionValue sum = section.Add(section.Load(0), section.Argument(0));
        section.CommitStore(0, sum);
        var add = new PerCpuSection(section.ToProgram(), variant);
        long added = 0,
            taken = 0;
        bool over = false;
        Threads.Run(
            Threads.Cpus.Length + 1,
            number =>
            {
                if (number > 0)
                {
                    Threads.Place(0, Threads.Cpus[number - 1]);
                    long mine = 0;
                    for (; !Volatile.Read(ref over); mine++)
                    {
                        _ = add.Run(area, 1);
                    }

                    Interlocked.Add(ref added, mine);
                    return;
                }

                for (int i = 0; i < Sizes.Exchanges; i++)
                {
                    int cpu = Threads.Cpus[i % Threads.Cpus.Length];
                    while (area.Read(cpu, 0) == 0)
                    {
                        Thread.Yield(); // no thread has been there since
                    }

                    using StoppedSlot slot = area.Stop(cpu);
                    taken += slot.Words[0];
                    slot.Words[0] = 0;
                }

                Volatile.Write(ref over, true);
            }
        );
        return added - taken - Enumerable.Range(0, area.SlotCount).Sum(slot => area.Read(slot, 0));
    }

    private static PerCpuArea Area(bool useSections)
    {
        Assert.SkipUnless(!useSections || RestartableSequences.CanRestart, RestartableSequences.Explanation);
        return new PerCpuArea(8, PerCpuIndex.Cpu, useSections, Membarrier.Session, RestartableSequences.CpuSlots);
    }

    private static PerCpuSection Add(PerCpuArea area, SectionVariant variant) =>
        new(StandardSections.Add(area.Slots.Shape), variant);

    private static FakeKernel Registered(FakeKernel kernel)
    {
        kernel.FinishRegistration(MembarrierCall.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ);
        return kernel;
    }
}
