using Crosscore.HazardPointers;
using Crosscore.Structures;
using Crosscore.Tests.Rcu;

namespace Crosscore.Tests.HazardPointers;

/// <summary>When a scan comes, that it ends, and how much waits: at extreme thresholds, with everything protected, and
/// from inside of callbacks.</summary>
public sealed class HazardScanTests
{
    private const int Many = 200_000;

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(int.MaxValue - 1)]
    [InlineData(int.MaxValue - 3)]
    public void A_domain_with_the_largest_thresholds_scans_when_it_is_asked_only(int threshold)
    {
        int barriers = 0;
        var domain = new HazardDomain(() => barriers++, threshold);
        domain.Acquire().Dispose();
        int reclaimed = 0;
        InTime(() =>
        {
            domain.Retire(new object(), _ => reclaimed++);
            domain.Retire(64, _ => reclaimed++);
            domain.RetireAll<object>([new(), new()], _ => reclaimed++);
            domain.RetireAll([1, 2], _ => reclaimed++);
        });
        Assert.Equal(0, barriers);
        Assert.Equal(0, reclaimed);
        Assert.Equal(6, domain.RetiredCount);
        Assert.Equal(0, domain.Reclaim());
        Assert.Equal(6, reclaimed);
    }

    [Fact]
    public void A_queue_over_a_domain_with_the_largest_threshold_is_not_held_up()
    {
        using var domain = new HazardDomain(int.MaxValue, long.MaxValue, executor: HazardExecutor.Caller);
        InTime(() =>
        {
            using var queue = new NativeQueue<int>(domain);
            for (int value = 0; value < 100; value++)
            {
                queue.Enqueue(value);
                Assert.True(queue.TryDequeue(out int taken));
                Assert.Equal(value, taken);
            }
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Retire_returns_while_its_own_thread_protects_an_object_and_a_pointer_by_every_handle(int threshold)
    {
        const int Handles = 4;
        int barriers = 0;
        var domain = new HazardDomain(() => barriers++, threshold);
        int reclaimed = 0;
        InTime(() =>
        {
            using HazardPointerArray hazards = domain.Acquire(Handles);
            object?[] objects = [new(), new(), new(), new()];
            nint[] pointers = [64, 128, 192, 256];
            for (int index = 0; index < Handles; index++)
            {
                _ = hazards[index].Protect(ref objects[index]);
                _ = hazards[index].Protect(ref pointers[index]);
            }

            for (int index = 0; index < Handles; index++)
            {
                domain.Retire(objects[index]!, _ => reclaimed++);
                domain.Retire(pointers[index], _ => reclaimed++);
            }

            Assert.InRange(barriers, 0, 2 * Handles); // at most one scan for each retirement
            for (int index = 0; index < 1000; index++)
            {
                domain.Retire(new object(), _ => { });
                Assert.InRange(domain.RetiredCount, 2 * Handles, threshold + (2 * Handles));
            }
        });
        Assert.Equal(0, reclaimed);
        Assert.Equal(0, domain.Reclaim());
        Assert.Equal(2 * Handles, reclaimed);
    }

    [Fact]
    public void A_writer_is_not_held_up_while_another_thread_protects_all_that_was_retired()
    {
        const int Handles = 8;
        int barriers = 0;
        var domain = new HazardDomain(() => Interlocked.Increment(ref barriers), 1);
        using var protecting = new ManualResetEventSlim();
        using var letGo = new ManualResetEventSlim();
        object?[] objects = [.. Enumerable.Range(0, Handles).Select(_ => new object())];
        nint[] pointers = [.. Enumerable.Range(1, Handles).Select(number => (nint)(64 * number))];
        using var reader = new Background(() =>
        {
            using HazardPointerArray hazards = domain.Acquire(Handles);
            for (int index = 0; index < Handles; index++)
            {
                _ = hazards[index].Protect(ref objects[index]);
                _ = hazards[index].Protect(ref pointers[index]);
            }

            protecting.Set();
            letGo.Wait();
        });
        protecting.Wait(TestContext.Current.CancellationToken);
        try
        {
            InTime(() =>
            {
                domain.RetireAll<object>(objects!, _ => { });
                domain.RetireAll(pointers, _ => { });
            });
            Assert.InRange(barriers, 0, 2);
            Assert.Equal(2 * Handles, domain.Reclaim());
        }
        finally
        {
            letGo.Set();
        }
    }

    [Fact]
    public void What_callbacks_retire_into_another_domain_is_reclaimed()
    {
        using var first = new HazardDomain(10, executor: HazardExecutor.Caller);
        using var second = new HazardDomain(10, executor: HazardExecutor.Caller);
        int reclaimed = 0;
        InTime(() =>
        {
            for (int index = 0; index < Many; index++)
            {
                first.Retire(new object(), _ => second.Retire(new object(), _ => reclaimed++));
            }
        });
        Assert.InRange(second.RetiredCount, 0, 20);
        Assert.Equal(Many, reclaimed + second.RetiredCount + first.RetiredCount);
    }

    [Fact]
    public void What_callbacks_retire_into_a_cohort_is_reclaimed()
    {
        using var domain = new HazardDomain(10, executor: HazardExecutor.Caller);
        using HazardCohort cohort = domain.CreateCohort();
        InTime(() =>
        {
            for (int index = 0; index < Many; index++)
            {
                domain.Retire(new object(), _ => domain.Retire(new object(), _ => { }, cohort: cohort));
            }
        });
        Assert.InRange(cohort.RetiredCount, 0, 20);
    }

    [Fact]
    public void Nodes_of_structures_that_callbacks_use_are_freed()
    {
        using var domain = new HazardDomain(10, executor: HazardExecutor.Caller);
        long freed = 0;
        using var queue = new NativeQueue<int>(domain, Free);
        using var stack = new NativeStack<int>(domain, Free);
        InTime(() =>
        {
            for (int index = 0; index < Many; index++)
            {
                domain.Retire(
                    new object(),
                    _ =>
                    {
                        queue.Enqueue(1);
                        Assert.True(queue.TryDequeue(out int _));
                        stack.Push(1);
                        Assert.True(stack.TryPop(out int _));
                    }
                );
            }
        });
        Assert.InRange(freed, (2 * Many) - 100, 2 * Many);

        unsafe void Free(nint node)
        {
            freed++;
            System.Runtime.InteropServices.NativeMemory.Free((void*)node);
        }
    }

    [Fact]
    public void A_chain_through_many_domains_is_reclaimed_by_the_outermost_call()
    {
        HazardDomain[] domains =
        [
            .. Enumerable.Range(0, 50).Select(_ => new HazardDomain(1, executor: HazardExecutor.Caller)),
        ];
        int reclaimed = 0;
        InTime(() => RetireInto(0));
        Assert.Equal(domains.Length, reclaimed);
        Assert.All(domains, domain => Assert.Equal(0, domain.RetiredCount));

        void RetireInto(int index) =>
            domains[index]
                .Retire(
                    new object(),
                    _ =>
                    {
                        reclaimed++;
                        if (index + 1 < domains.Length)
                        {
                            RetireInto(index + 1);
                        }
                    }
                );
    }

    [Fact]
    public void A_callback_that_retires_its_object_again_forever_holds_nothing_up()
    {
        var domain = new HazardDomain(1, executor: HazardExecutor.Caller);
        int calls = 0;
        bool again = true;
        InTime(() =>
        {
            Again(new object());
            _ = domain.Reclaim();
        });
        Assert.Equal(1, domain.RetiredCount);
        Assert.True(calls > 1);
        again = false;
        Assert.Equal(0, domain.Reclaim());

        void Again(object value) =>
            domain.Retire(
                value,
                retired =>
                {
                    calls++;
                    if (again)
                    {
                        Again(retired);
                    }
                }
            );
    }

    [Fact]
    public void An_object_that_was_retired_too_often_costs_one_scan_for_each_threshold_at_most()
    {
        // A mistake of the caller's, which must not become a loop of barriers.
        int barriers = 0;
        var domain = new HazardDomain(() => barriers++, 1);
        InTime(() =>
        {
            object? source = new();
            using HazardPointer hazard = domain.Acquire();
            _ = hazard.Protect(ref source);
            for (int index = 0; index < 1000; index++)
            {
                domain.Retire(source!, _ => { });
            }
        });
        Assert.InRange(barriers, 1, 1000);
    }

    [Fact]
    public void Bytes_near_the_largest_number_are_summed_up_without_wrapping()
    {
        var domain = new HazardDomain(1000, long.MaxValue, executor: HazardExecutor.Caller);
        nint kept = 64;
        HazardPointer hazard = domain.Acquire();
        _ = hazard.Protect(ref kept);
        domain.Retire(64, _ => { }, bytes: long.MaxValue);
        Assert.Equal(long.MaxValue, domain.RetiredBytes);
        domain.Retire(new object(), _ => { }, bytes: long.MaxValue);
        Assert.InRange(domain.RetiredBytes, long.MaxValue - 1, long.MaxValue);
        domain.RetireAll<object>([new(), new(), new()], _ => { }, bytesEach: long.MaxValue);
        domain.RetireAll([1, 2, 3], _ => { }, bytesEach: long.MaxValue);
        _ = domain.Reclaim();
        Assert.Equal(1, domain.RetiredCount);
        Assert.Equal(long.MaxValue, domain.RetiredBytes);
        hazard.Dispose();
        Assert.Equal(0, domain.Reclaim());
        Assert.Equal(0, domain.RetiredBytes);
    }

    [Fact]
    public void The_smallest_thresholds_scan_at_once()
    {
        using var domain = new HazardDomain(1, 1, executor: HazardExecutor.Caller);
        int reclaimed = 0;
        domain.Retire(new object(), _ => reclaimed++);
        domain.Retire(64, _ => reclaimed++, bytes: 1);
        Assert.Equal(2, reclaimed);
    }

    [Theory]
    [InlineData(int.MinValue)]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    public void No_number_of_handles_and_no_index_outside_of_the_range_is_accepted(int number)
    {
        using var domain = new HazardDomain(executor: HazardExecutor.Caller);
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => domain.Acquire(number));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            using HazardPointerArray hazards = domain.Acquire(1);
            hazards[number].Clear();
        });
        _ = Assert.Throws<ArgumentOutOfRangeException>(() =>
        {
            using HazardPointerArray hazards = domain.Acquire(1);
            hazards.Swap(0, number);
        });
        Assert.True(
            number > 0 || Throws(() => _ = new HazardDomain(scanThreshold: number, executor: HazardExecutor.Caller))
        );
        Assert.True(
            number > 0 || Throws(() => _ = new HazardDomain(scanBytes: number, executor: HazardExecutor.Caller))
        );
        Assert.True(number > 0 || Throws(() => domain.Retire(new object(), _ => { }, bytes: number)));

        static bool Throws(Action action) => Record.Exception(action) is ArgumentOutOfRangeException;
    }

    // On a thread that may be left behind: what this guards against are loops without end.
    private static void InTime(Action action)
    {
        using var done = new Background(action);
        done.Join();
    }
}
