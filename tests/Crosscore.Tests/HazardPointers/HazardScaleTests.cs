using Crosscore.HazardPointers;
using Crosscore.Structures;
using Crosscore.Tests.Rcu;

namespace Crosscore.Tests.HazardPointers;

/// <summary>What a burst of threads leaves behind when it is over.</summary>
public sealed class HazardScaleTests
{
    private const int Threads = 300;

    [Fact]
    public void Slots_fall_again_when_threads_have_gone()
    {
        using var domain = new HazardDomain(executor: HazardExecutor.Caller);
        Burst(domain);
        _ = domain.Reclaim();
        Assert.InRange(domain.SlotCount, 0, 4);
        domain.Acquire().Dispose();
        Assert.InRange(domain.SlotCount, 4, 8);
    }

    [Fact]
    public void An_empty_queue_keeps_few_dead_nodes_after_a_burst_of_threads()
    {
        const int Threshold = 10;
        using var domain = new HazardDomain(Threshold, executor: HazardExecutor.Caller);
        Burst(domain);
        long freed = 0;
        using var queue = new NativeQueue<int>(domain, Free);
        for (int value = 1; value <= 3000; value++)
        {
            queue.Enqueue(value);
            Assert.True(queue.TryDequeue(out _));
            Assert.InRange(value - freed, 0, Threads);
        }

        Assert.InRange(3000 - freed, 0, Threshold + 16);

        unsafe void Free(nint node)
        {
            freed++;
            System.Runtime.InteropServices.NativeMemory.Free((void*)node);
        }
    }

    [Fact]
    public void Threads_that_come_and_go_do_not_add_up()
    {
        using var domain = new HazardDomain(executor: HazardExecutor.Caller);
        for (int burst = 0; burst < 20; burst++)
        {
            Burst(domain, threads: 20);
            Assert.InRange(domain.SlotCount, 0, 4 * 2 * 20);
        }
    }

    [Fact]
    public void What_living_threads_protect_is_kept_while_others_come_and_go()
    {
        using var domain = new HazardDomain(1, executor: HazardExecutor.Caller);
        object?[] sources = [.. Enumerable.Range(0, 20).Select(_ => new object())];
        int reclaimed = 0;
        using var letGo = new ManualResetEventSlim();
        using var protecting = new CountdownEvent(sources.Length);
        List<Background> readers = [];
        for (int index = 0; index < sources.Length; index++)
        {
            int own = index;
            readers.Add(
                new Background(() =>
                {
                    using HazardPointer hazard = domain.Acquire();
                    _ = hazard.Protect(ref sources[own]);
                    _ = protecting.Signal();
                    letGo.Wait();
                })
            );
            Workers.OnOtherThread(() => domain.Acquire().Dispose()); // a dead one between each two living ones
        }

        protecting.Wait(TestContext.Current.CancellationToken);
        foreach (object? source in sources)
        {
            domain.Retire(source!, _ => reclaimed++);
            Workers.OnOtherThread(() => domain.Acquire().Dispose());
        }

        Assert.Equal(sources.Length, domain.Reclaim());
        Assert.Equal(0, reclaimed);
        letGo.Set();
        readers.ForEach(reader => reader.Join());
        Assert.Equal(0, domain.Reclaim());
        Assert.Equal(sources.Length, reclaimed);
    }

    private static void Burst(HazardDomain domain, int threads = Threads)
    {
        using var all = new Barrier(threads);
        List<Background> burst =
        [
            .. Enumerable
                .Range(0, threads)
                .Select(_ => new Background(() =>
                {
                    using HazardPointer hazard = domain.Acquire();
                    all.SignalAndWait();
                })),
        ];
        burst.ForEach(thread => thread.Join());
    }
}
