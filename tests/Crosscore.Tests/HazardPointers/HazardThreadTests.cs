using System.Runtime.CompilerServices;
using Crosscore.HazardPointers;

namespace Crosscore.Tests.HazardPointers;

/// <summary>Threads that come and go, and threads that never say goodbye.</summary>
public sealed class HazardThreadTests
{
    [Fact]
    public void The_slots_of_dead_threads_are_used_again()
    {
        using var domain = new HazardDomain(executor: HazardExecutor.Caller);
        for (int thread = 0; thread < 200; thread++)
        {
            Workers.OnOtherThread(() =>
            {
                object? source = new();
                using HazardPointer hazard = domain.Acquire();
                hazard.Protect(ref source);
            });
        }

        Assert.True(domain.SlotCount <= 4 * 4, $"{domain.SlotCount} slots for one thread at a time");
    }

    [Fact]
    public void What_a_thread_protected_when_it_ended_is_reclaimed_and_its_slot_protects_for_the_next_one()
    {
        using var domain = new HazardDomain(executor: HazardExecutor.Caller);
        object? source = new();
        object forgotten = source;
        Workers.OnOtherThread(() => domain.Acquire().Protect(ref source)); // never disposed of
        int reclaimed = 0;
        domain.Retire(forgotten, _ => reclaimed++);
        Assert.Equal(0, domain.Reclaim());
        Assert.Equal(1, reclaimed);

        Workers.OnOtherThread(() =>
        {
            object? next = new();
            using HazardPointer hazard = domain.Acquire();
            hazard.Protect(ref next);
            domain.Retire(next!, _ => reclaimed++);
            Assert.Equal(1, domain.Reclaim());
        });
    }

    [Fact]
    public void More_handles_than_a_thread_had_slots_grow_its_slots()
    {
        using var domain = new HazardDomain(executor: HazardExecutor.Caller);
        object?[] sources = [.. Enumerable.Range(0, 24).Select(_ => new object())];
        using HazardPointerArray first = domain.Acquire(8);
        using HazardPointerArray second = domain.Acquire(8);
        using HazardPointerArray third = domain.Acquire(8);
        for (int index = 0; index < 8; index++)
        {
            first[index].Protect(ref sources[index]);
            second[index].Protect(ref sources[index + 8]);
            third[index].Protect(ref sources[index + 16]);
        }

        domain.RetireAll<object>([.. sources!], _ => { });
        Assert.Equal(24, domain.Reclaim());
        first.Dispose();
        second.Dispose();
        third.Dispose();
        Assert.Equal(0, domain.Reclaim());
        Assert.Equal(32, domain.SlotCount);
    }

    [Fact]
    public void A_thread_uses_many_domains_side_by_side()
    {
        HazardDomain[] domains =
        [
            .. Enumerable.Range(0, 20).Select(_ => new HazardDomain(executor: HazardExecutor.Caller)),
        ];
        for (int round = 0; round < 3; round++)
        {
            foreach (HazardDomain domain in domains)
            {
                object? source = new();
                using HazardPointer hazard = domain.Acquire();
                hazard.Protect(ref source);
                domain.Retire(source!, _ => { });
                Assert.Equal(1, domain.Reclaim());
            }
        }

        Assert.All(domains, domain => Assert.Equal(4, domain.SlotCount));
    }

    [Fact]
    public void A_domain_that_no_thread_uses_any_more_is_collected()
    {
        WeakReference domain = UseAndForget();
        using (new HazardDomain(executor: HazardExecutor.Caller).Acquire())
        {
            // the thread remembers the domain it used last
        }

        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.False(domain.IsAlive);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference UseAndForget()
    {
        var domain = new HazardDomain(executor: HazardExecutor.Caller);
        domain.Acquire().Dispose();
        return new WeakReference(domain);
    }
}
