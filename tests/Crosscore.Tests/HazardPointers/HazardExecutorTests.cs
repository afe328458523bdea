using System.Runtime.CompilerServices;
using Crosscore.HazardPointers;
using Crosscore.Tests.Rcu;
using Crosscore.Threads;

namespace Crosscore.Tests.HazardPointers;

/// <summary>Where callbacks run, that what waits for them is bounded, and who is told what they throw.</summary>
public sealed class HazardExecutorTests
{
    [Fact]
    public void A_background_domain_reclaims_what_is_too_little_for_a_scan()
    {
        using var domain = new HazardDomain(InBackground(threshold: 1_000_000));
        Thread? caller = null;
        domain.Retire(new object(), _ => Volatile.Write(ref caller, Thread.CurrentThread));
        Background.Until(() => Volatile.Read(ref caller) is not null);
        Assert.NotSame(Thread.CurrentThread, caller);
        Assert.True(caller!.IsBackground);
        Assert.Equal("of a test reclaimer", caller.Name);
    }

    [Fact]
    public void A_background_domain_comes_back_for_what_was_protected()
    {
        using var domain = new HazardDomain(InBackground(threshold: 1));
        object? source = new();
        int reclaimed = 0;
        using (HazardPointer hazard = domain.Acquire())
        {
            _ = hazard.Protect(ref source);
            domain.Retire(source!, _ => Volatile.Write(ref reclaimed, 1));
            int other = 0;
            domain.Retire(new object(), _ => Volatile.Write(ref other, 1));
            Background.Until(() => Volatile.Read(ref other) == 1);
            Assert.Equal(0, reclaimed);
        }

        Background.Until(() => Volatile.Read(ref reclaimed) == 1); // without another retirement
    }

    [Fact]
    public void Cohorts_of_a_background_domain_are_reclaimed_by_it_too()
    {
        using var domain = new HazardDomain(InBackground(threshold: 1_000_000));
        using HazardCohort cohort = domain.CreateCohort();
        Thread? caller = null;
        domain.Retire(64, _ => Volatile.Write(ref caller, Thread.CurrentThread), cohort: cohort);
        Background.Until(() => Volatile.Read(ref caller) is not null);
        Assert.NotSame(Thread.CurrentThread, caller);
    }

    [Fact]
    public void The_thread_of_a_domain_that_was_disposed_of_ends()
    {
        Thread? worker = null;
        var domain = new HazardDomain(InBackground(threshold: 1));
        domain.Retire(new object(), _ => Volatile.Write(ref worker, Thread.CurrentThread));
        Background.Until(() => Volatile.Read(ref worker) is not null);
        domain.Dispose();
        Background.Until(() => !worker!.IsAlive);
    }

    [Fact]
    public void Retiring_faster_than_callbacks_run_waits_for_room()
    {
        const int Threshold = 2;
        using var domain = new HazardDomain(InBackground(Threshold) with { WaitForRoom = Background.Bound });
        long most = 0;
        int reclaimed = 0;
        for (int index = 0; index < 2000; index++)
        {
            domain.Retire(
                new object(),
                _ =>
                {
                    _ = Thread.Yield();
                    Interlocked.Increment(ref reclaimed);
                }
            );
            most = Math.Max(most, domain.RetiredCount);
        }

        Assert.InRange(most, 1, (64 * Threshold) + 1);
        domain.Dispose();
        Assert.Equal(2000, reclaimed);
    }

    [Fact]
    public void A_callback_that_is_stuck_does_not_stop_those_who_retire()
    {
        using var stuck = new ManualResetEventSlim();
        var domain = new HazardDomain(InBackground(threshold: 1));
        domain.Retire(new object(), _ => stuck.Wait());
        using (
            var writer = new Background(() =>
            {
                for (int index = 0; index < 70; index++)
                {
                    domain.Retire(new object(), _ => { });
                }
            })
        ) { }

        stuck.Set();
        domain.Dispose();
    }

    [Fact]
    public void What_is_protected_is_no_reason_to_wait_for_room()
    {
        // A large object that a sleeping reader protects must not make each retirement wait.
        var domain = new HazardDomain(
            new HazardDomainOptions
            {
                Executor = HazardExecutor.Background,
                ScanBytes = 1,
                ScanThreshold = 1,
            }
        );
        object? source = new();
        using (HazardPointer hazard = domain.Acquire())
        {
            _ = hazard.Protect(ref source);
            domain.Retire(source!, _ => { }, bytes: long.MaxValue);
            using var writer = new Background(() =>
            {
                for (int index = 0; index < 2000; index++)
                {
                    domain.Retire(new object(), _ => { }, bytes: 1);
                }
            });
        }

        domain.Dispose();
    }

    [Fact]
    public void RetireOnly_neither_scans_nor_runs_callbacks_and_the_next_retirement_makes_up_for_it()
    {
        int barriers = 0;
        using var domain = new HazardDomain(() => barriers++, 10);
        using HazardCohort cohort = domain.CreateCohort();
        int reclaimed = 0;
        for (int index = 0; index < 1000; index++)
        {
            domain.RetireOnly(new object(), _ => reclaimed++);
            domain.RetireOnly(index + 1, _ => reclaimed++, bytes: 10_000_000, cohort);
        }

        Assert.Equal(0, barriers);
        Assert.Equal(0, reclaimed);
        domain.Retire(new object(), _ => reclaimed++);
        domain.Retire(new object(), _ => reclaimed++, cohort: cohort);
        Assert.Equal(2002, reclaimed);
        _ = Assert.Throws<ArgumentNullException>(() => domain.RetireOnly<object>(null!, _ => { }));
        _ = Assert.Throws<ArgumentNullException>(() => domain.RetireOnly(new object(), null!));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => domain.RetireOnly(0, _ => { }));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => domain.RetireOnly(1, _ => { }, bytes: -1));
    }

    [Fact]
    public void An_executor_of_the_users_gets_one_piece_of_work_at_a_time()
    {
        List<Action> posted = [];
        using var domain = new HazardDomain(
            new HazardDomainOptions { ScanThreshold = 5, Executor = HazardExecutor.From(posted.Add) }
        );
        int reclaimed = 0;
        for (int index = 0; index < 50; index++)
        {
            domain.Retire(new object(), _ => reclaimed++);
        }

        Assert.Equal(0, reclaimed);
        Assert.Single(posted)();
        Assert.Equal(50, reclaimed);
        for (int index = 0; index < 5; index++)
        {
            domain.Retire(new object(), _ => reclaimed++);
        }

        Assert.Equal(2, posted.Count);
        posted[1]();
        Assert.Equal(55, reclaimed);
    }

    [Fact]
    public void An_executor_that_executes_at_once_makes_a_chain_no_recursion()
    {
        using var domain = new HazardDomain(
            new HazardDomainOptions { ScanThreshold = 1, Executor = HazardExecutor.From(work => work()) }
        );
        int left = 50_000;
        using (
            var work = new Background(() =>
            {
                RetireNext();
                while (domain.Reclaim() > 0) { }
            })
        ) { }

        Assert.Equal(0, left);

        void RetireNext() =>
            domain.Retire(
                new object(),
                _ =>
                {
                    if (--left > 0)
                    {
                        RetireNext();
                    }
                }
            );
    }

    [Fact]
    public void An_executor_that_throws_loses_nothing()
    {
        bool throws = true;
        using var domain = new HazardDomain(
            new HazardDomainOptions
            {
                ScanThreshold = 2,
                Executor = HazardExecutor.From(work =>
                {
                    if (throws)
                    {
                        throw new NotSupportedException();
                    }

                    work();
                }),
            }
        );
        int reclaimed = 0;
        domain.Retire(new object(), _ => reclaimed++);
        AggregateException refused = Assert.Throws<AggregateException>(() =>
            domain.Retire(new object(), _ => reclaimed++)
        );
        _ = Assert.IsType<NotSupportedException>(Assert.Single(refused.InnerExceptions));
        Assert.Equal(2, domain.RetiredCount);
        throws = false;
        domain.Retire(new object(), _ => reclaimed++);
        Assert.Equal(3, reclaimed);
    }

    [Fact]
    public void What_callbacks_throw_in_the_background_is_kept_for_who_reclaims_or_closes()
    {
        using var domain = new HazardDomain(InBackground(threshold: 1));
        using HazardCohort cohort = domain.CreateCohort();
        domain.Retire(new object(), _ => throw new NotSupportedException("domain"));
        for (int index = 0; index < 100; index++)
        {
            domain.Retire(new object(), _ => throw new NotSupportedException("cohort"), cohort: cohort);
        }

        Background.Until(() => domain.RetiredCount + cohort.RetiredCount == 0);
        Assert.Equal(101, domain.FailedCallbacks);

        // The count falls before the exceptions are put where the next call finds them.
        AggregateException? ofDomain = null;
        Background.Until(() => (ofDomain = (AggregateException?)Record.Exception(() => domain.Reclaim())) is not null);
        Assert.Equal("domain", Assert.Single(ofDomain!.InnerExceptions).Message);
        Background.Until(() =>
            Record.Exception(() => cohort.Reclaim()) is AggregateException { InnerExceptions.Count: <= 32 }
        );
    }

    [Fact]
    public void A_handler_is_told_what_callbacks_throw_and_no_caller_is()
    {
        using var domain = new HazardDomain(2, executor: HazardExecutor.Caller);
        List<Exception> told = [];
        domain.CallbackFailed += told.Add;
        for (int index = 0; index < 10; index++)
        {
            domain.Retire(new object(), _ => throw new NotSupportedException());
        }

        _ = domain.Reclaim();
        Assert.Equal(10, told.Count);
        Assert.Equal(10, domain.FailedCallbacks);
        domain.CallbackFailed += _ => throw new InvalidCastException();
        domain.Retire(new object(), _ => throw new NotSupportedException());
        AggregateException failed = Assert.Throws<AggregateException>(() => domain.Reclaim());
        Type[] kinds = [.. failed.InnerExceptions.Select(each => each.GetType())];
        Assert.Equal([typeof(InvalidCastException), typeof(NotSupportedException)], kinds);
    }

    [Fact]
    public void The_handler_of_the_default_domain_is_told()
    {
        var own = new NotSupportedException();
        int told = 0;
        Action<Exception> handler = failure => Interlocked.Add(ref told, ReferenceEquals(failure, own) ? 1 : 0);
        HazardDomain.Default.CallbackFailed += handler;
        long failed = HazardDomain.Default.FailedCallbacks;
        HazardDomain.Default.Retire(new object(), _ => throw own);
        Background.Until(() => Volatile.Read(ref told) == 1);
        Assert.InRange(HazardDomain.Default.FailedCallbacks, failed + 1, long.MaxValue);
        HazardDomain.Default.CallbackFailed -= handler;
    }

    [Fact]
    public void While_the_barrier_fails_a_background_domain_keeps_everything_and_tries_again()
    {
        bool refuses = true;
        int refused = 0;
        using var domain = new HazardDomain(
            new HazardDomainOptions { ScanThreshold = 4, Executor = HazardExecutor.Background },
            () =>
            {
                if (Volatile.Read(ref refuses))
                {
                    _ = Interlocked.Increment(ref refused);
                    throw new TimeoutException();
                }
            }
        );
        int reclaimed = 0;
        for (int index = 0; index < 20; index++)
        {
            domain.Retire(new object(), _ => Interlocked.Increment(ref reclaimed));
        }

        Background.Until(() => Volatile.Read(ref refused) > 1);
        Assert.Equal(0, reclaimed);
        Assert.Equal(20, domain.RetiredCount);
        Volatile.Write(ref refuses, false);
        Background.Until(() => Volatile.Read(ref reclaimed) == 20); // without another call
    }

    [Fact]
    public void Options_out_of_their_range_are_refused()
    {
        _ = Assert.Throws<ArgumentNullException>(() => new HazardDomain(null!));
        Refuses<ArgumentException>(new HazardDomainOptions { Name = "" });
        Refuses<ArgumentOutOfRangeException>(new HazardDomainOptions { ScanThreshold = int.MinValue });
        Refuses<ArgumentOutOfRangeException>(new HazardDomainOptions { ScanBytes = long.MinValue });
        Refuses<ArgumentNullException>(new HazardDomainOptions { Executor = null! });
        _ = Assert.Throws<ArgumentNullException>(() => HazardExecutor.From(null!));

        static void Refuses<T>(HazardDomainOptions options)
            where T : Exception => Assert.Throws<T>(() => new HazardDomain(options));
    }

    [Fact]
    public void A_thread_that_retires_starts_no_thread()
    {
        using var blocked = new BlockedSharedThread();
        using var domain = new HazardDomain(InBackground(threshold: 1));
        int reclaimed = 0;
        domain.Retire(new object(), _ => Volatile.Write(ref reclaimed, 1));
        Assert.False(ThreadOf((HazardWorker)ReclaimerOf(domain)!).IsThere);
        Assert.Equal(0, Volatile.Read(ref reclaimed));
        blocked.Dispose();
        Background.Until(() => Volatile.Read(ref reclaimed) == 1);
    }

    [Fact]
    public void Callbacks_run_in_the_background_unless_the_thread_that_retires_is_chosen()
    {
        Assert.Same(HazardExecutor.Background, new HazardDomainOptions().Executor);
        using var domain = new HazardDomain(scanThreshold: 1);
        Thread? caller = null;
        domain.Retire(new object(), _ => Volatile.Write(ref caller, Thread.CurrentThread));
        Background.Until(() => Volatile.Read(ref caller) is not null);
        Assert.NotSame(Thread.CurrentThread, caller);
    }

    private static HazardDomainOptions InBackground(int threshold) =>
        new()
        {
            Name = "of a test",
            ScanThreshold = threshold,
            Executor = HazardExecutor.Background,
        };

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_reclaimer")]
    private static extern ref HazardScheduler? ReclaimerOf(HazardDomain domain);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_thread")]
    private static extern ref OnDemandThread ThreadOf(HazardWorker worker);

    /// <summary>Work that keeps the shared thread until it is disposed of.</summary>
    private sealed class BlockedSharedThread : IStepped, IDisposable
    {
        private readonly ManualResetEventSlim _entered = new();
        private readonly ManualResetEventSlim _leave = new();

        public BlockedSharedThread()
        {
            SharedThread.Add(this);
            _entered.Wait();
        }

        public int Step()
        {
            _entered.Set();
            _leave.Wait();
            return SharedThread.Done;
        }

        public void Dispose() => _leave.Set();
    }
}
