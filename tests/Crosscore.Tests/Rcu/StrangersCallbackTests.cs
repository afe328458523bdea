using Crosscore.HazardPointers;
using Crosscore.Rcu;

namespace Crosscore.Tests.Rcu;

/// <summary>Callbacks of owners who do not know each other run on one thread. What one of them throws, leaves open or
/// changes there meets no other.</summary>
public sealed class StrangersCallbackTests
{
    public static TheoryData<string> Runners => ["the default domain", "a background domain", "an executor", "RCU"];

    [Fact]
    public void What_a_callback_of_another_domain_throws_is_told_to_the_owner_of_that_domain()
    {
        using var other = new HazardDomain(1, executor: HazardExecutor.Caller);
        HazardDomain.Default.Retire(new object(), _ => RetireThatThrows(other));
        _ = HazardDomain.Default.Reclaim(); // never throws what belongs to others
        Background.Until(() => other.FailedCallbacks == 1);
        AssertTold(other, 1);

        using var domain = new HazardDomain(InBackground);
        domain.Retire(new object(), _ => RetireThatThrows(other));
        Background.Until(() => other.FailedCallbacks == 2 && domain.RetiredCount == 0);
        AssertTold(other, 1);
        _ = domain.Reclaim();
        Assert.Equal(0, domain.FailedCallbacks);

        using var caller = new HazardDomain(1, executor: HazardExecutor.Caller);
        using HazardCohort cohort = caller.CreateCohort();
        caller.Retire(
            new object(),
            _ =>
            {
                RetireThatThrows(other);
                for (int index = 0; index < 20; index++)
                {
                    caller.Retire(new object(), _ => throw new NotSupportedException(), cohort: cohort);
                }
            }
        );
        _ = caller.Reclaim();
        AssertTold(other, 1);
        _ = Assert.Throws<AggregateException>(() => cohort.Reclaim());

        static void RetireThatThrows(HazardDomain into)
        {
            into.Retire(new object(), _ => throw new NotSupportedException("its own"));
            for (int index = 0; index < 20; index++)
            {
                into.Retire(new object(), _ => { });
            }
        }

        static void AssertTold(HazardDomain owner, int count)
        {
            List<Exception> told = [];
            Background.Until(() =>
            {
                if (Record.Exception(() => owner.Reclaim()) is AggregateException failures)
                {
                    told.AddRange(failures.InnerExceptions);
                }

                return told.Count >= count;
            });
            Assert.All(told, failure => Assert.Equal("its own", failure.Message));
            Assert.Equal(count, told.Count);
        }
    }

    [Fact]
    public void What_the_last_callback_throws_in_the_background_is_kept_before_its_object_counts_as_reclaimed()
    {
        for (int round = 0; round < 300; round++)
        {
            var domain = new HazardDomain(InBackground);
            domain.Retire(new object(), _ => throw new NotSupportedException());
            _ = Assert.Throws<AggregateException>(domain.Dispose);
        }
    }

    [Theory]
    [MemberData(nameof(Runners))]
    public void A_section_that_a_callback_leaves_open_is_left_for_it_and_reported(string runner)
    {
        using var read = new RcuDomain();
        using var another = new RcuDomain();
        bool told = false;
        using (
            Runner run = new(
                runner,
                failure => Volatile.Write(ref told, told || failure.Message.Contains("left", StringComparison.Ordinal))
            )
        )
        {
            run.Call(() =>
            {
                _ = read.EnterReadSection();
                using (another.EnterReadSection()) { }
            });
            Background.Until(() => Volatile.Read(ref told));
            Background.AssertEnds(read.SynchronizeAsync(TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public void A_section_that_a_callback_leaves_open_on_the_callers_thread_is_left_and_the_callers_own_is_not()
    {
        using var read = new RcuDomain();
        using var another = new RcuDomain();
        var domain = new HazardDomain(1, executor: HazardExecutor.Caller);
        using (read.EnterReadSection())
        {
            domain.RetireOnly(
                new object(),
                value =>
                {
                    _ = read.EnterReadSection();
                    _ = another.EnterReadSection();
                }
            );
            AggregateException failures = Assert.Throws<AggregateException>(() => domain.Reclaim());
            Assert.All(failures.InnerExceptions, failure => Assert.IsType<InvalidOperationException>(failure));
            Assert.True(read.IsInReadSection);
            Assert.False(another.IsInReadSection);
        }

        Assert.False(read.IsInReadSection);
        domain.Dispose();
    }

    [Theory]
    [MemberData(nameof(Runners))]
    public void An_interruption_by_a_callback_does_not_meet_the_next_one(string runner)
    {
        Exception? told = null;
        using var run = new Runner(runner, failure => Volatile.Write(ref told, failure));
        int ran = 0;
        run.Call(
            () => Thread.CurrentThread.Interrupt(),
            () =>
            {
                Thread.Sleep(1);
                Volatile.Write(ref ran, 1);
            }
        );
        Background.Until(() => Volatile.Read(ref ran) == 1 || Volatile.Read(ref told) is not null);
        Assert.Null(told);
        Assert.Equal(1, ran);
    }

    [Fact]
    public void An_interruption_by_a_callback_on_the_callers_thread_meets_the_next_wait_of_the_caller_only()
    {
        using var domain = new HazardDomain(100, executor: HazardExecutor.Caller);
        bool ran = false;
        bool interrupted = false;
        using var work = new Background(() =>
        {
            domain.Retire(new object(), _ => Thread.CurrentThread.Interrupt());
            domain.Retire(
                new object(),
                _ =>
                {
                    Thread.Sleep(1);
                    ran = true;
                }
            );
            _ = domain.Reclaim();
            try
            {
                Thread.Sleep(1);
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        });
        work.Join();
        Assert.True(ran);
        Assert.True(interrupted);
    }

    [Theory]
    [MemberData(nameof(Runners))]
    public void What_a_callback_puts_into_the_execution_context_does_not_meet_the_next_one(string runner)
    {
        var local = new AsyncLocal<int>();
        int seen = -1;
        bool seenContext = true;
        using var run = new Runner(runner, _ => { });
        run.Call(
            () =>
            {
                local.Value = 7;
                SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());
            },
            () =>
            {
                seenContext = SynchronizationContext.Current is not null;
                Volatile.Write(ref seen, local.Value);
            }
        );
        Background.Until(() => Volatile.Read(ref seen) >= 0);
        Assert.Equal(0, seen);
        Assert.False(seenContext);
    }

    [Fact]
    public void Callbacks_run_also_where_the_flow_of_the_execution_context_is_suppressed()
    {
        using var domain = new HazardDomain(1, executor: HazardExecutor.Caller);
        bool ran = false;
        using (ExecutionContext.SuppressFlow())
        {
            domain.RetireOnly(new object(), _ => ran = true);
            _ = domain.Reclaim();
            Assert.True(ExecutionContext.IsFlowSuppressed());
        }

        Assert.True(ran);
    }

    [Fact]
    public void A_thread_that_waits_for_room_is_woken_when_a_scan_finds_the_garbage_protected()
    {
        var domain = new HazardDomain(InBackground with { WaitForRoom = Timeout.InfiniteTimeSpan });
        object? source = new();
        using (HazardPointer hazard = domain.Acquire())
        {
            _ = hazard.Protect(ref source);
            object held = source!;
            using var writer = new Background(() => domain.Retire(held, _ => { }, bytes: 100L << 20));
        }

        domain.Dispose();
    }

    [Fact]
    public void An_object_counts_as_reclaimed_when_its_own_callback_has_returned()
    {
        using var stuck = new ManualResetEventSlim();
        var domain = new HazardDomain(InBackground with { ScanThreshold = 10, WaitForRoom = Background.Bound });
        try
        {
            using var ready = new ManualResetEventSlim();
            using var mayRetire = new ManualResetEventSlim();
            domain.Retire(
                new object(),
                _ =>
                {
                    ready.Set();
                    mayRetire.Wait();
                }
            );
            ready.Wait(TestContext.Current.CancellationToken);
            for (int index = 0; index < 500; index++)
            {
                domain.Retire(new object(), _ => { }, bytes: 1); // one batch
            }

            domain.Retire(new object(), _ => stuck.Wait());
            mayRetire.Set();
            Background.Until(() => domain is { RetiredCount: 1, RetiredBytes: 0 });
        }
        finally
        {
            stuck.Set();
        }

        domain.Dispose();
    }

    private static HazardDomainOptions InBackground =>
        new() { ScanThreshold = 1, Executor = HazardExecutor.Background };

    /// <summary>Runs callbacks, one after another on one thread that is not the test's.</summary>
    private sealed class Runner : IDisposable
    {
        private readonly HazardDomain? _hazards;
        private readonly RcuDomain? _domain;
        private readonly Action<Exception> _told;
        private Background? _executing;

        public Runner(string runner, Action<Exception> told)
        {
            _told = told;
            switch (runner)
            {
                case "RCU":
                    _domain = new RcuDomain();
                    _domain.CallbackFailed += told;
                    return;
                case "the default domain":
                    _hazards = HazardDomain.Default;
                    break;
                case "a background domain":
                    _hazards = new HazardDomain(InBackground);
                    break;
                default:
                    _hazards = new HazardDomain(
                        new HazardDomainOptions
                        {
                            ScanThreshold = 2,
                            Executor = HazardExecutor.From(work => _executing = new Background(work)),
                        }
                    );
                    break;
            }

            _hazards.CallbackFailed += told;
        }

        public void Call(params Action[] callbacks)
        {
            // One batch: a stack of what was retired is turned round by the scan, so the first retired is called first.
            if (_domain is not null)
            {
                foreach (Action callback in callbacks)
                {
                    _domain.Retire(callback, run => run());
                }

                return;
            }

            _hazards!.RetireAll<Action>(callbacks.Length == 1 ? [callbacks[0], () => { }] : callbacks, run => run());
        }

        public void Dispose()
        {
            _executing?.Join();
            _domain?.Dispose();
            if (_hazards is not null)
            {
                _hazards.CallbackFailed -= _told;
                if (_hazards != HazardDomain.Default)
                {
                    _hazards.Dispose();
                }
            }
        }
    }
}
