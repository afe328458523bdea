using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Crosscore.Rcu;
using Crosscore.Threads;

namespace Crosscore.Tests.Rcu;

/// <summary>What was retired is reclaimed once, in order, not too early, and none of it is lost.</summary>
public sealed class RcuRetireTests
{
    [Fact]
    public void Everything_retired_is_reclaimed_once_and_in_order()
    {
        using var domain = new RcuDomain();
        var order = new List<int>();
        for (int i = 0; i < 10_000; i++)
        {
            domain.Retire(i, order.Add);
        }

        domain.Barrier();
        Assert.Equal(Enumerable.Range(0, 10_000), order);
        Assert.Equal(
            (10_000, 10_000, 0),
            (domain.Statistics.Retired, domain.Statistics.Reclaimed, domain.Statistics.PendingCount)
        );
    }

    [Fact]
    public void Nothing_is_reclaimed_while_a_section_may_see_it()
    {
        using var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero });
        bool reclaimed = false;
        using (domain.EnterReadSection())
        {
            domain.Retire(0, _ => Volatile.Write(ref reclaimed, true));
            // the grace period for the item waits for this thread
            Background.Until(() => domain.GetHolders().Count == 1);
            Assert.False(Volatile.Read(ref reclaimed));
        }

        domain.Barrier();
        Assert.True(reclaimed);
    }

    [Fact]
    public void A_single_item_does_not_wait_for_others_forever()
    {
        using var domain = new RcuDomain();
        var item = new Disposable();
        domain.Retire(item);
        Background.Until(() => item.Disposals == 1);
    }

    [Fact]
    public void A_full_batch_does_not_wait_for_the_delay()
    {
        using var domain = new RcuDomain(
            new RcuDomainOptions
            {
                BatchCount = 8,
                BatchBytes = 1_000,
                MaxDelay = TimeSpan.FromDays(1),
            }
        );
        Disposable[] byCount = [.. Enumerable.Range(0, 8).Select(_ => new Disposable())];
        Array.ForEach(byCount, item => domain.Retire(item));
        Background.Until(() => byCount.All(item => item.Disposals == 1));
        var byBytes = new Disposable();
        domain.Retire(byBytes, 1_000);
        Background.Until(() => byBytes.Disposals == 1);
    }

    [Theory]
    [InlineData(4, 0)]
    [InlineData(1_000, 25)]
    public void Retiring_waits_for_room_at_the_limits_of_count_and_of_bytes(int limitCount, long bytes)
    {
        using var domain = new RcuDomain(
            new RcuDomainOptions
            {
                BatchCount = 1,
                BatchBytes = 1,
                MaxPendingCount = limitCount,
                MaxPendingBytes = 100,
                BackPressureTimeout = Timeout.InfiniteTimeSpan,
            }
        );
        using var leave = new ManualResetEventSlim();
        using var entered = new ManualResetEventSlim();
        using var reader = new Background(() =>
        {
            using RcuReadSection section = domain.EnterReadSection();
            entered.Set();
            leave.Wait();
        });
        entered.Wait(TestContext.Current.CancellationToken);
        using var writer = new Background(() =>
        {
            for (int i = 0; i < 10; i++)
            {
                domain.Retire(new Disposable(), bytes);
            }
        });
        Background.Until(() => writer.Thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin));
        Assert.Equal(4, domain.Statistics.PendingCount);
        leave.Set();
        writer.Join();
        reader.Join();
        domain.Barrier();
        Assert.Equal(
            (10, 0, 0L),
            (domain.Statistics.Reclaimed, domain.Statistics.Overruns, domain.Statistics.PendingBytes)
        );
    }

    [Fact]
    public void A_reader_that_never_leaves_slows_writers_down_and_does_not_stop_them()
    {
        using var domain = new RcuDomain(
            new RcuDomainOptions
            {
                BatchCount = 1,
                MaxPendingCount = 2,
                BackPressureTimeout = TimeSpan.FromMilliseconds(10),
            }
        );
        using (domain.EnterReadSection())
        {
            using var writer = new Background(() =>
            {
                for (int i = 0; i < 5; i++)
                {
                    domain.Retire(new Disposable());
                }
            });
            writer.Join();
            Assert.Equal((5, 4), (domain.Statistics.PendingCount, domain.Statistics.Overruns));
        }

        domain.Barrier();
        Assert.Equal(5, domain.Statistics.Reclaimed);
    }

    [Fact]
    public void Retiring_inside_of_a_section_and_inside_of_a_callback_never_waits()
    {
        // The deadlock of facebook/folly#2010: the thread that retires is inside of a section, and reclaiming would
        // wait for it.
        using var domain = new RcuDomain(
            new RcuDomainOptions
            {
                BatchCount = 1,
                MaxPendingCount = 1,
                BackPressureTimeout = Timeout.InfiniteTimeSpan,
            }
        );
        int reclaimed = 0;
        using (domain.EnterReadSection())
        {
            for (int i = 0; i < 100; i++)
            {
                domain.Retire(0, _ => domain.Retire(0, _ => Interlocked.Increment(ref reclaimed)));
            }
        }

        domain.Barrier();
        domain.Barrier(); // what the callbacks retired
        Assert.Equal(100, reclaimed);
        Assert.True(domain.Statistics.Overruns > 0);
    }

    [Fact]
    public void A_callback_may_synchronize_and_enter_sections_and_must_not_wait_for_itself()
    {
        using var domain = new RcuDomain();
        var results = new ConcurrentQueue<string>();
        domain.Retire(
            0,
            _ =>
            {
                domain.Synchronize();
                using (domain.EnterReadSection())
                {
                    results.Enqueue(domain.IsInReadSection ? "inside" : "outside");
                }

                results.Enqueue(Assert.Throws<InvalidOperationException>(domain.Barrier).Message);
            }
        );
        domain.Barrier();
        Assert.Equal("inside", results.First());
        Assert.Contains("callback", results.Last(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_callback_that_throws_loses_nothing_and_its_exception_is_thrown_by_the_next_barrier()
    {
        using var domain = new RcuDomain();
        int reclaimed = 0;
        domain.Retire(0, _ => throw new InvalidOperationException("first"));
        domain.Retire(0, _ => reclaimed++);
        domain.Retire(0, _ => throw new InvalidOperationException("second"));
        AggregateException failures = Assert.Throws<AggregateException>(domain.Barrier);
        Assert.Equal(["first", "second"], failures.InnerExceptions.Select(failure => failure.Message));
        Assert.Equal(1, reclaimed);
        Assert.Equal((3, 2), (domain.Statistics.Reclaimed, domain.Statistics.FailedCallbacks));
        domain.Barrier(); // told once
    }

    [Fact]
    public void A_handler_is_told_of_callbacks_that_throw_and_one_that_throws_itself_loses_nothing_either()
    {
        using var domain = new RcuDomain();
        var told = new List<string>();
        domain.CallbackFailed += failure =>
        {
            told.Add(failure.Message);
            if (told.Count == 2)
            {
                throw new InvalidOperationException("the handler");
            }
        };
        domain.Retire(0, _ => throw new InvalidOperationException("first"));
        domain.Retire(0, _ => throw new InvalidOperationException("second"));
        AggregateException failures = Assert.Throws<AggregateException>(domain.Barrier);
        Assert.Equal(["first", "second"], told);
        Assert.Equal(["the handler", "second"], failures.InnerExceptions.Select(failure => failure.Message));
    }

    [Fact]
    public void Disposing_of_the_domain_reclaims_what_is_left_and_throws_what_was_not_reported()
    {
        var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.FromDays(1) });
        var item = new Disposable();
        domain.Retire(item);
        domain.Retire(0, _ => throw new InvalidOperationException("last"));
        Assert.Equal("last", Assert.Throws<AggregateException>(domain.Dispose).InnerException!.Message);
        Assert.Equal(1, item.Disposals);
        _ = Assert.Throws<ObjectDisposedException>(() => domain.Retire(item));
        domain.Dispose();
    }

    [Fact]
    public void Many_threads_retire_at_once_and_each_item_is_reclaimed_once()
    {
        using var domain = new RcuDomain(new RcuDomainOptions { BatchCount = 64, MaxPendingCount = 500 });
        Disposable[][] items =
        [
            .. Enumerable.Range(0, 8).Select(_ => Enumerable.Range(0, 5_000).Select(_ => new Disposable()).ToArray()),
        ];
        Background[] threads =
        [
            .. items.Select(mine => new Background(() => Array.ForEach(mine, item => domain.Retire(item, 8)))),
        ];
        Array.ForEach(threads, thread => thread.Join());
        domain.Barrier();
        Assert.All(items.SelectMany(mine => mine), item => Assert.Equal(1, item.Disposals));
        Assert.Equal((0L, 0L), (domain.Statistics.PendingCount, domain.Statistics.PendingBytes));
    }

    [Fact]
    public void The_thread_that_reclaims_goes_when_it_has_nothing_to_do_and_another_one_comes()
    {
        using var domain = new RcuDomain();
        Thread? first = null;
        domain.Retire(0, _ => first = Thread.CurrentThread);
        domain.Barrier();
        Assert.True(first!.IsBackground);
        Assert.True(first.Join(Background.Bound));
        Thread? second = null;
        domain.Retire(0, _ => second = Thread.CurrentThread);
        domain.Barrier();
        Assert.NotEqual(first, second);
    }

    [Fact]
    public void Bad_arguments_and_options_are_refused()
    {
        using var domain = new RcuDomain();
        _ = Assert.Throws<ArgumentNullException>(() => domain.Retire(null!));
        _ = Assert.Throws<ArgumentNullException>(() => domain.Retire(0, null!));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => domain.Retire(domain, -1));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => new RcuDomain(new RcuDomainOptions { BatchCount = 0 }));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() =>
            new RcuDomain(new RcuDomainOptions { BatchCount = 10, MaxPendingCount = 9 })
        );
        _ = Assert.Throws<ArgumentOutOfRangeException>(() =>
            new RcuDomain(new RcuDomainOptions { MaxPendingBytes = 1 })
        );
        _ = Assert.Throws<ArgumentOutOfRangeException>(() =>
            new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.FromDays(2) })
        );
        _ = Assert.Throws<ArgumentOutOfRangeException>(() =>
            new RcuDomain(new RcuDomainOptions { BackPressureTimeout = TimeSpan.FromTicks(-2) })
        );
    }

    [Fact]
    public async Task A_barrier_can_be_awaited_and_the_waiting_canceled()
    {
        using var domain = new RcuDomain();
        using var cancellation = new CancellationTokenSource();
        using RcuAsyncReadSection section = domain.EnterAsyncReadSection();
        Task canceled = domain.BarrierAsync(cancellation.Token);
        Task patient = domain.BarrierAsync(TestContext.Current.CancellationToken);
        await cancellation.CancelAsync();
        _ = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled);
        section.Dispose();
        await patient;
    }

    [Fact]
    public void What_callbacks_threw_is_not_lost_with_a_barrier_that_was_interrupted()
    {
        var domain = new RcuDomain();
        using var mayThrow = new ManualResetEventSlim();
        domain.Retire(
            0,
            _ =>
            {
                mayThrow.Wait();
                throw new NotSupportedException();
            }
        );
        bool interrupted = false;
        using (
            var waiting = new Background(() =>
            {
                try
                {
                    domain.Barrier();
                }
                catch (ThreadInterruptedException)
                {
                    interrupted = true;
                }
            })
        )
        {
            Background.Until(() => waiting.Thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin));
            waiting.Thread.Interrupt();
        }

        Assert.True(interrupted);
        mayThrow.Set();
        AggregateException failures = Assert.Throws<AggregateException>(domain.Barrier);
        _ = Assert.IsType<NotSupportedException>(Assert.Single(failures.InnerExceptions));
        domain.Dispose();
    }

    [Fact]
    public void A_thread_that_runs_is_not_asked_for_any_more()
    {
        // While both hold, a retirement finds the thread gone and asked for already, if the thread that starts others
        // is held up for as long as the one of the domain waits for more.
        int violations = 0;
        for (int round = 0; round < 300 && violations == 0; round++)
        {
            using var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.FromSeconds(10) });
            Reclaimer reclaimer = ReclaimerOf(domain);
            domain.Retire(0, _ => { });
            bool isRunning = false;
            while (!isRunning)
            {
                lock (Signal(reclaimer))
                {
                    isRunning = Worker(reclaimer).IsThere;
                    violations += isRunning && IsStartAsked(Worker(reclaimer)) ? 1 : 0;
                }
            }
        }

        Assert.Equal(0, violations);
    }

    private sealed class Disposable : IDisposable
    {
        private int _disposals;

        public int Disposals => Volatile.Read(ref _disposals);

        public void Dispose() => Interlocked.Increment(ref _disposals);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_reclaimer")]
    private static extern ref Reclaimer ReclaimerOf(RcuDomain domain);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_signal")]
    private static extern ref object Signal(Reclaimer reclaimer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_worker")]
    private static extern ref OnDemandThread Worker(Reclaimer reclaimer);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_isStartAsked")]
    private static extern ref bool IsStartAsked(OnDemandThread thread);
}
