using System.Runtime.InteropServices;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;
using Crosscore.Tests.Rcu;
using Crosscore.Threads;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Thread.Interrupt against every member that may wait or spin: none is broken off half way, none throws, and the
/// interruption is still there for the thread's next wait.
/// </summary>
public sealed unsafe class InterruptTests
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    public static TheoryData<bool> Ways => RestartableSequences.CanRestart ? [true, false] : [false];

    /// <summary>
    /// Each waits for what the test holds; the names of the members that may wait are complete as of the last test of
    /// this class.
    /// </summary>
    [Fact]
    public void No_wait_of_a_free_list_or_a_pool_is_broken_off()
    {
        PerCpuFreeList list = StripedList();
        PerCpuFreeList blocks = StripedList();
        var pool = new PerCpuBlockPool(64, 16, blocks);
        nint memory = (nint)NativeMemory.AlignedAlloc(256, 64);
        nint rented = pool.Rent();
        nint popped = 0;
        int taken = 0;
        int cpu = Threads.Cpus[0]; // a list is chosen by processor, and the pop is to find what was pushed
        Threads.Run(1, _ => OnCpu(cpu, () => list.Push(memory)));
        AssertUnbroken(() => OnCpu(cpu, () => list.Push(memory + 64)), Hold(list.Area));
        AssertUnbroken(() => OnCpu(cpu, () => Assert.True(list.TryPop(out popped))), Hold(list.Area));
        list.Push(popped);
        AssertUnbroken(() => Assert.True(list.TrySteal(out popped, out taken)), Hold(list.Area));
        AssertUnbroken(() => pool.Return(rented), Hold(blocks.Area));
        Assert.Contains(
            "already",
            Assert.Throws<InvalidOperationException>(() => pool.Return(rented)).Message,
            StringComparison.Ordinal
        );
        AssertUnbroken(() => rented = pool.Rent(), Hold(blocks.Area));
        AssertUnbroken(pool.Dispose, Hold(blocks.Area));
        NativeMemory.AlignedFree((void*)memory);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void No_wait_for_a_stopped_slot_is_broken_off(bool useSections)
    {
        PerCpuArea area = Area(useSections);
        SectionBuilder writing = area.NewSection();
        writing.CommitAdd(0, writing.Argument(0));
        PerCpuSection add = writing.Build();
        int cpu = Threads.Cpus[0];
        foreach (
            Action member in (Action[])
                [() => area.Stop(cpu).Dispose(), () => Assert.True(add.Run(area, 1).Committed), area.StopForGood]
        )
        {
            StoppedSlot stopped = area.Stop(cpu);
            var running = new InterruptedThread(() => OnCpu(cpu, member));
            running.InterruptWhileItWaits();
            stopped.Dispose();
            running.AssertUnbroken(Bound);
        }

        Assert.Equal(1, Enumerable.Range(0, area.SlotCount).Sum(slot => area.Read(slot, 0)));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void No_wait_for_another_drain_is_broken_off(bool useSections)
    {
        foreach (
            Action<PerCpuBuffer<long>> member in (Action<PerCpuBuffer<long>>[])
                [buffer => buffer.Drain((_, _) => { }), buffer => buffer.Resize(20)]
        )
        {
            var buffer = new PerCpuBuffer<long>(10, useSections, Membarrier.Session, SectionVariant.Shipped);
            Assert.True(buffer.Append(1));
            using var inside = new ManualResetEventSlim();
            using var leave = new ManualResetEventSlim();
            var draining = new Thread(() =>
                buffer.Drain(
                    (_, _) =>
                    {
                        inside.Set();
                        leave.Wait();
                    }
                )
            );
            draining.Start();
            Assert.True(inside.Wait(Bound, TestContext.Current.CancellationToken));
            var running = new InterruptedThread(() => member(buffer));
            running.InterruptWhileItWaits();
            leave.Set();
            running.AssertUnbroken(Bound);
            Assert.True(draining.Join(Bound));
        }
    }

    /// <summary>What is done under a lock may wait itself, a receiver of records for example.</summary>
    [Fact]
    public void An_interruption_of_the_wait_for_a_lock_meets_nothing_that_is_done_under_it()
    {
        var gate = new Lock();
        InterruptedThread waiting;
        long thrown = 0;
        using (new HeldLock(gate))
        {
            waiting = new InterruptedThread(() =>
            {
                using var held = new HeldLock(gate);
                Thread.Sleep(1);
            });
            AppDomain.CurrentDomain.FirstChanceException += Count;
            waiting.InterruptOnceItWaits();
            Background.Until(() => Volatile.Read(ref thrown) > 0);
            AppDomain.CurrentDomain.FirstChanceException -= Count;
        }

        waiting.AssertUnbroken(Bound);

        void Count(object? sender, System.Runtime.ExceptionServices.FirstChanceExceptionEventArgs what)
        {
            if (what.Exception is ThreadInterruptedException && Environment.CurrentManagedThreadId == waiting.Id)
            {
                _ = Interlocked.Increment(ref thrown);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void No_writer_that_waits_for_readers_or_for_another_writer_is_broken_off(bool useSections)
    {
        var sections = new PerCpuReadDomain(useSections);
        PerCpuReadSection reader = sections.EnterReadSection();
        var first = new InterruptedThread(() => sections.Synchronize(CancellationToken.None)); // waits for readers
        first.InterruptWhileItWaits();
        var second = new InterruptedThread(() => sections.Synchronize(CancellationToken.None)); // for the first
        second.InterruptWhileItWaits();
        Task third = sections.SynchronizeAsync(TestContext.Current.CancellationToken);
        using var cancellation = new CancellationTokenSource();
        var fourth = new InterruptedThread(() => sections.Synchronize(cancellation.Token)); // for a task
        fourth.InterruptWhileItWaits();
        Assert.False(first.HasEnded || second.HasEnded || third.IsCompleted || fourth.HasEnded);
        reader.Dispose();
        first.AssertUnbroken(Bound);
        second.AssertUnbroken(Bound);
        fourth.AssertUnbroken(Bound);
        Background.AssertEnds(third);
    }

    /// <summary>One interruption is one exception at most, not one with every look.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_writer_that_was_interrupted_does_not_throw_with_every_look(bool canBeCanceled)
    {
        var sections = new PerCpuReadDomain();
        PerCpuReadSection reader = sections.EnterReadSection();
        long thrown = 0;
        using var cancellation = new CancellationTokenSource();
        CancellationToken token = canBeCanceled ? cancellation.Token : CancellationToken.None;
        var waiting = new InterruptedThread(() => sections.Synchronize(token));
        AppDomain.CurrentDomain.FirstChanceException += Count;
        try
        {
            waiting.InterruptOnceItWaits();
            for (int look = 0; look < 500; look++)
            {
                sections.EnterReadSection().Dispose();
                _ = Thread.Yield();
            }
        }
        finally
        {
            AppDomain.CurrentDomain.FirstChanceException -= Count;
        }

        reader.Dispose();
        waiting.AssertUnbroken(Bound);
        Assert.InRange(thrown, 0, 1);

        void Count(object? sender, System.Runtime.ExceptionServices.FirstChanceExceptionEventArgs what)
        {
            if (what.Exception is ThreadInterruptedException && Environment.CurrentManagedThreadId == waiting.Id)
            {
                _ = Interlocked.Increment(ref thrown);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void In_a_storm_every_record_is_delivered_once_or_counted_as_lost(bool useSections)
    {
        var buffer = new PerCpuBuffer<long>(300, useSections, Membarrier.Session, SectionVariant.Shipped);
        long delivered = 0,
            appended = 0;
        long escaped = Storm(
            Sizes.Threads,
            Sizes.Fast / 4,
            (number, i) =>
            {
                if (number == 0)
                {
                    if (i % 64 == 0)
                    {
                        delivered += buffer.Drain((_, _) => { });
                    }
                    else if (i % 5000 == 1)
                    {
                        buffer.Resize(100 + (i % 7 * 50));
                    }

                    return;
                }

                _ = Interlocked.Increment(ref appended);
                _ = buffer.Append(i);
            }
        );
        delivered += buffer.Drain((_, _) => { });
        Assert.Equal(0, escaped);
        Assert.Equal(appended, delivered + buffer.Lost);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void In_a_storm_no_block_is_lost_and_none_is_given_twice(bool useSections)
    {
        PerCpuFreeList list = List(useSections);
        using var pool = new PerCpuBlockPool(64, 16, list);
        long owners = Random.Shared.NextInt64(1L << 40, 1L << 60); // what no memory holds by chance
        long escaped = Storm(
            Sizes.Threads,
            Sizes.Fast / 8,
            (number, _) =>
            {
                nint block = pool.Rent();
                Assert.NotInRange(
                    Interlocked.Exchange(ref ((long*)block)[2], owners + number),
                    owners,
                    owners + Sizes.Threads
                );
                Assert.Equal(owners + number, Interlocked.Exchange(ref ((long*)block)[2], 0));
                pool.Return(block);
            }
        );
        Assert.Equal(0, escaped);
        long there = 0;
        for (int slot = 0; slot < list.ListCount; slot++)
        {
            _ = list.TryTakeAll(slot, out _, out _, out int count);
            there += count;
        }

        Assert.Equal(pool.BlockCount, there);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void In_a_storm_sums_and_sections_stay_exact_and_writers_end(bool useSections)
    {
        var counter = new PerCpuCounter(
            PerCpuIndex.Cpu,
            useSections && RestartableSequences.IsAvailable,
            SectionVariant.Shipped
        );
        var sections = new PerCpuReadDomain(useSections);
        PerCpuArea area = Area(useSections);
        SectionBuilder writing = area.NewSection();
        writing.CommitAdd(0, writing.Argument(0));
        PerCpuSection add = writing.Build();
        long taken = 0;
        int rounds = Sizes.Fast / 40;
        long escaped = Storm(
            Sizes.Threads,
            rounds,
            (number, i) =>
            {
                using (PerCpuReadSection reader = sections.EnterReadSection())
                {
                    counter.Increment();
                    Assert.True(add.Run(area, 1).Committed);
                }

                if (i % 100 == number)
                {
                    if (number % 2 == 0)
                    {
                        sections.Synchronize(TestContext.Current.CancellationToken);
                    }
                    else
                    {
                        _ = sections.SynchronizeAsync(TestContext.Current.CancellationToken);
                    }

                    using StoppedSlot stopped = area.Stop(i / 100 % area.SlotCount);
                    _ = Interlocked.Add(ref taken, stopped.Words[0]);
                    stopped.Words[0] = 0;
                }
            }
        );
        Assert.Equal(0, escaped);
        Assert.Equal((long)Sizes.Threads * rounds, counter.Sum());
        Assert.Equal(
            (long)Sizes.Threads * rounds,
            taken + Enumerable.Range(0, area.SlotCount).Sum(slot => area.Read(slot, 0))
        );
        Task last = sections.SynchronizeAsync(TestContext.Current.CancellationToken);
        Background.AssertEnds(last);
        Assert.Equal(0, sections.Readers);
    }

    /// <summary>
    /// What is made for the first time is made under interruptions too: no constructor throws, and none remembers that
    /// it was interrupted.
    /// </summary>
    [Fact]
    public void In_a_storm_everything_can_be_made()
    {
        long escaped = Storm(
            Sizes.Threads,
            40,
            (number, i) =>
            {
                var area = new PerCpuArea(8 * (1 + (((i * Sizes.Threads) + number) % 50)));
                SectionBuilder writing = area.NewSection();
                // a section that was never installed before
                writing.CommitAdd(0, writing.Constant((i * Sizes.Threads) + number));
                Assert.True(writing.Build().Run(area).Committed);
                Assert.Equal(RestartableSequences.CanRestart, area.UsesSections);
                Assert.Equal(RestartableSequences.CanRestart, new PerCpuBuffer<long>(4 + i).UsesSections);
                Assert.Equal(RestartableSequences.IsAvailable, new PerCpuHistogram(1, 2, 3).UsesSections);
                Assert.True(RestartableSequences.CurrentCpu() >= 0);
            }
        );
        Assert.Equal(0, escaped);
    }

    private static void AssertUnbroken(Action member, IDisposable held)
    {
        var running = new InterruptedThread(member);
        running.InterruptWhileItWaits();
        Assert.False(running.HasEnded, "The member did not wait for what the test holds, so the test shows nothing.");
        held.Dispose();
        running.AssertUnbroken(Bound);
    }

    private static void OnCpu(int cpu, Action action)
    {
        Threads.Place(0, cpu);
        action();
    }

    /// <summary>Holds the locks of all slots until it is disposed of.</summary>
    private static Held Hold(PerCpuArea area)
    {
        for (int slot = 0; slot < area.SlotCount; slot++)
        {
            area.Slots.Lock(slot);
        }

        return new Held(area);
    }

    /// <summary>
    /// Runs a member on threads that are interrupted all the time; counts the interruptions that got out of it.
    /// </summary>
    private static long Storm(int threads, int rounds, Action<int, int> member)
    {
        long escaped = 0;
        Exception? failure = null;
        Thread[] workers =
        [
            .. Enumerable
                .Range(0, threads)
                .Select(number => new Thread(() =>
                {
                    for (int i = 0; i < rounds && failure is null; i++)
                    {
                        try
                        {
                            member(number, i);
                        }
                        catch (ThreadInterruptedException)
                        {
                            _ = Interlocked.Increment(ref escaped);
                        }
                        catch (Exception other)
                        {
                            failure = other;
                        }
                    }
                })),
        ];
        Array.ForEach(workers, worker => worker.Start());
        while (Array.Exists(workers, worker => worker.IsAlive))
        {
            Array.ForEach(workers, worker => worker.Interrupt());
            _ = Thread.Yield();
        }

        Assert.Null(failure);
        return escaped;
    }

    private static PerCpuArea Area(bool useSections) =>
        new(8, PerCpuIndex.Cpu, useSections, Membarrier.Session, RestartableSequences.CpuSlots);

    private static PerCpuFreeList List(bool useSections) => new(Area(useSections), SectionVariant.Shipped);

    private static PerCpuFreeList StripedList() => List(useSections: false);

    private sealed class Held(PerCpuArea area) : IDisposable
    {
        public void Dispose()
        {
            for (int slot = 0; slot < area.SlotCount; slot++)
            {
                area.Slots.Unlock(slot);
            }
        }
    }

    /// <summary>A thread that runs one member and is interrupted while the member waits.</summary>
    private sealed class InterruptedThread
    {
        private readonly Thread _thread;
        private Exception? _thrown;
        private bool _stillInterrupted;
        private bool _expectsInterruption;

        public InterruptedThread(Action member)
        {
            _thread = new Thread(() =>
            {
                try
                {
                    member();
                }
                catch (Exception thrown)
                {
                    _thrown = thrown;
                    return;
                }

                try
                {
                    Thread.Sleep(0);
                    Thread.Sleep(1); // the next wait of the thread's own
                }
                catch (ThreadInterruptedException)
                {
                    _stillInterrupted = true;
                }
            });
            _thread.Start();
        }

        public int Id => _thread.ManagedThreadId;

        public bool HasEnded => _thread.Join(0);

        public void InterruptWhileItWaits()
        {
            WaitUntilItWaits();
            for (int i = 0; i < 100 && _thread.IsAlive; i++)
            {
                _thread.Interrupt();
                _ = Thread.Yield();
            }

            _expectsInterruption = true;
        }

        public void InterruptOnceItWaits()
        {
            WaitUntilItWaits();
            _thread.Interrupt();
            _expectsInterruption = true;
        }

        public void AssertUnbroken(TimeSpan bound)
        {
            Assert.True(_thread.Join(bound), "The member never returned.");
            Assert.Null(_thrown);
            Assert.Equal(_expectsInterruption, _stillInterrupted);
        }

        private void WaitUntilItWaits()
        {
            while (_thread.IsAlive && (_thread.ThreadState & ThreadState.WaitSleepJoin) == 0)
            {
                _ = Thread.Yield();
            }
        }
    }
}
