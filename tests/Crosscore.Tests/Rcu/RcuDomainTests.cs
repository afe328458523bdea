using System.Runtime.CompilerServices;
using Crosscore.Rcu;

namespace Crosscore.Tests.Rcu;

/// <summary>Sections and grace periods.</summary>
public sealed class RcuDomainTests : IDisposable
{
    private readonly RcuDomain _domain = new(new RcuDomainOptions { Name = "under test" });

    public void Dispose() => _domain.Dispose();

    [Fact]
    public void Synchronize_waits_for_a_section_that_was_entered_before_it()
    {
        using var inside = new Inside(_domain);
        bool over = false;
        using var writer = new Background(() =>
        {
            _domain.Synchronize();
            Volatile.Write(ref over, true);
        });
        Background.Until(() => _domain.GetHolders().Count == 1);
        Assert.False(Volatile.Read(ref over));
        inside.Leave();
        writer.Join();
        Assert.True(over);
    }

    [Fact]
    public void Synchronize_does_not_wait_for_a_section_that_is_entered_after_it_began()
    {
        using var early = new Inside(_domain);
        using var writer = new Background(_domain.Synchronize);
        Background.Until(() => _domain.GetHolders().Count == 1);
        using var late = new Inside(_domain);
        early.Leave();
        writer.Join();
        Assert.True(late.IsInside);
    }

    [Fact]
    public void A_section_is_not_over_before_its_outermost_one_is_left()
    {
        using var inside = new Inside(_domain, depth: 3);
        using var writer = new Background(_domain.Synchronize);
        Background.Until(() => _domain.GetHolders().Count == 1);
        inside.LeaveOne();
        inside.LeaveOne();
        Assert.True(writer.Thread.IsAlive);
        Assert.Equal(inside.Thread, Assert.Single(_domain.GetHolders()).Thread);
        inside.Leave();
        writer.Join();
    }

    [Fact]
    public void Domains_do_not_hold_each_other_up()
    {
        using var other = new RcuDomain();
        using RcuReadSection section = _domain.EnterReadSection();
        other.Synchronize();
        Assert.True(_domain.IsInReadSection);
        Assert.False(other.IsInReadSection);
    }

    [Fact]
    public void Sections_nest_thousands_deep_and_the_one_too_deep_is_refused_and_not_entered()
    {
        Nest(8_192);
        Assert.False(_domain.IsInReadSection);
        var thread = new Thread(
            () =>
                Assert.Contains(
                    "65535",
                    Assert.Throws<InvalidOperationException>(() => Nest(70_000)).Message,
                    StringComparison.Ordinal
                ),
            256 << 20
        );
        thread.Start();
        thread.Join();
        _domain.Synchronize();

        void Nest(int levels)
        {
            using RcuReadSection section = _domain.EnterReadSection();
            if (levels > 1)
            {
                Nest(levels - 1);
            }
        }
    }

    [Fact]
    public void Waiting_inside_of_a_section_is_refused_at_once()
    {
        using (_domain.EnterReadSection())
        {
            Assert.Contains(
                "'under test'",
                Assert.Throws<InvalidOperationException>(_domain.Synchronize).Message,
                StringComparison.Ordinal
            );
            _ = Assert.Throws<InvalidOperationException>(() =>
            {
                _ = _domain.SynchronizeAsync(CancellationToken.None);
            });
            _ = Assert.Throws<InvalidOperationException>(_domain.Barrier);
            _ = Assert.Throws<InvalidOperationException>(() =>
            {
                _ = _domain.BarrierAsync(CancellationToken.None);
            });
            _ = Assert.Throws<InvalidOperationException>(_domain.Dispose);
            Assert.True(_domain.IsInReadSection);
        }

        _domain.Synchronize();
    }

    [Fact]
    public void Disposing_of_a_section_again_or_of_default_does_nothing()
    {
        RcuReadSection outer = _domain.EnterReadSection();
        RcuReadSection inner = _domain.EnterReadSection();
        inner.Dispose();
        inner.Dispose();
        Assert.True(_domain.IsInReadSection);
        outer.Dispose();
        outer.Dispose();
        Assert.False(_domain.IsInReadSection);
        default(RcuReadSection).Dispose();
        _domain.Synchronize();
    }

    [Fact]
    public void Leaving_a_copy_or_out_of_order_throws_and_leaves_nothing()
    {
        RcuReadSection outer = _domain.EnterReadSection();
        RcuReadSection inner = _domain.EnterReadSection();
        RcuReadSection copy = inner;
        string message = "";
        try
        {
            outer.Dispose();
        }
        catch (InvalidOperationException refusal)
        {
            message = refusal.Message;
        }

        Assert.Contains("2 deep", message, StringComparison.Ordinal);
        inner.Dispose();
        message = "";
        try
        {
            copy.Dispose();
        }
        catch (InvalidOperationException refusal)
        {
            message = refusal.Message;
        }

        Assert.Contains("depth 2", message, StringComparison.Ordinal);
        Assert.True(_domain.IsInReadSection);
        outer.Dispose();
        Assert.False(_domain.IsInReadSection);
    }

    [Fact]
    public void A_reader_enters_many_sections_and_a_default_one_is_refused()
    {
        RcuReader reader = _domain.GetReader();
        for (int i = 0; i < 1_000; i++)
        {
            using RcuReadSection outer = reader.EnterReadSection();
            using RcuReadSection inner = _domain.EnterReadSection();
            Assert.True(_domain.IsInReadSection);
        }

        Assert.False(_domain.IsInReadSection);
        _ = Assert.Throws<InvalidOperationException>(() => default(RcuReader).EnterReadSection());
    }

    [Fact]
    public async Task A_grace_period_can_be_awaited_and_the_waiting_canceled()
    {
        using var inside = new Inside(_domain);
        using var cancellation = new CancellationTokenSource();
        Task canceled = _domain.SynchronizeAsync(cancellation.Token);
        Task patient = _domain.SynchronizeAsync(TestContext.Current.CancellationToken);
        await cancellation.CancelAsync();
        _ = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => canceled);
        Assert.False(patient.IsCompleted);
        inside.Leave();
        await patient;
        _ = await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            _domain.SynchronizeAsync(new CancellationToken(canceled: true))
        );
    }

    [Fact]
    public void A_grace_period_can_be_polled()
    {
        using var inside = new Inside(_domain);
        RcuGracePeriod before = _domain.StartPoll();
        Background.Until(() => _domain.GetHolders().Count == 1);
        RcuGracePeriod during = _domain.StartPoll();
        Assert.False(_domain.Poll(before));
        Assert.True(during.Number > before.Number);
        inside.Leave();
        Background.Until(() => _domain.Poll(during));
        Assert.True(_domain.Poll(before));

        using var other = new RcuDomain();
        _ = Assert.Throws<ArgumentException>(() => other.Poll(before));
        _ = Assert.Throws<ArgumentException>(() => other.Poll(default));
    }

    [Fact]
    public void A_grace_period_that_was_asked_for_during_another_is_not_over_with_that_one()
    {
        using var first = new Inside(_domain);
        using var writer = new Background(_domain.Synchronize);
        Background.Until(() => _domain.GetHolders().Count == 1);
        using var second = new Inside(_domain); // the grace period that runs does not wait for this one
        RcuGracePeriod poll = _domain.StartPoll();
        first.Leave();
        writer.Join();
        Background.Until(() => _domain.GetHolders().Count == 1);
        Assert.False(_domain.Poll(poll));
        second.Leave();
        Background.Until(() => _domain.Poll(poll));
    }

    [Fact]
    public void Callers_at_the_same_time_share_grace_periods()
    {
        using var inside = new Inside(_domain);
        long before = _domain.Statistics.GracePeriods;
        Background[] writers = [.. Enumerable.Range(0, 20).Select(_ => new Background(_domain.Synchronize))];
        Background.Until(() => writers.All(writer => writer.Thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin)));
        inside.Leave();
        Array.ForEach(writers, writer => writer.Join());
        Assert.InRange(_domain.Statistics.GracePeriods - before, 1, 2);
    }

    [Fact]
    public void Who_holds_a_grace_period_up_and_for_how_long_can_be_asked()
    {
        Assert.Empty(_domain.GetHolders());
        using var inside = new Inside(_domain, name: "slow reader");
        Assert.Empty(_domain.GetHolders()); // no thread waits
        using var writer = new Background(_domain.Synchronize);
        Background.Until(() => _domain.GetHolders() is [{ Age.TotalMilliseconds: > 20 }]);
        RcuHolder holder = Assert.Single(_domain.GetHolders());
        Assert.Equal(inside.Thread, holder.Thread);
        Assert.Contains("slow reader", holder.ToString(), StringComparison.Ordinal);
        inside.Leave();
        writer.Join();
        Assert.Empty(_domain.GetHolders());
    }

    [Fact]
    public void A_thread_that_ends_inside_of_a_section_holds_nothing_up_and_is_counted()
    {
        var thread = new Thread(() => _domain.EnterReadSection());
        thread.Start();
        thread.Join();
        _domain.Synchronize();
        Assert.Equal(1, _domain.Statistics.AbandonedSections);
        Assert.Equal(0, _domain.Statistics.Readers);
    }

    [Fact]
    public void A_thread_that_ends_inside_of_a_section_while_a_grace_period_waits_for_it_lets_it_go()
    {
        using var end = new ManualResetEventSlim();
        var thread = new Thread(() =>
        {
            _ = _domain.EnterReadSection();
            end.Wait();
        });
        thread.Start();
        Background.Until(() => _domain.Statistics.Readers == 1);
        using var writer = new Background(_domain.Synchronize);
        Background.Until(() => _domain.GetHolders().Count == 1);
        end.Set();
        writer.Join();
        thread.Join();
        _domain.Synchronize();
        Assert.Equal(1, _domain.Statistics.AbandonedSections);
    }

    [Fact]
    public void Slots_of_dead_threads_are_dropped_without_a_grace_period_and_without_a_collection()
    {
        for (int i = 0; i < 500; i++)
        {
            var thread = new Thread(() =>
            {
                using RcuReadSection section = _domain.EnterReadSection();
            });
            thread.Start();
            thread.Join();
        }

        Assert.InRange(_domain.Statistics.Readers, 0, 64);
        Assert.Equal(0, _domain.Statistics.AbandonedSections);
    }

    [Fact]
    public void A_domain_that_has_been_disposed_of_refuses_everything_and_numbers_are_used_again()
    {
        var gone = new RcuDomain();
        RcuReader held = gone.GetReader();
        gone.Dispose();
        gone.Dispose();
        ObjectDisposedException? refusal = null;
        try
        {
            _ = held.EnterReadSection();
        }
        catch (ObjectDisposedException caught)
        {
            refusal = caught;
        }

        Assert.NotNull(refusal);
        _ = Assert.Throws<ObjectDisposedException>(() =>
        {
            using RcuReadSection section = gone.EnterReadSection();
        });
        _ = Assert.Throws<ObjectDisposedException>(() => gone.EnterAsyncReadSection());
        _ = Assert.Throws<ObjectDisposedException>(gone.Synchronize);
        _ = Assert.Throws<ObjectDisposedException>(() =>
        {
            _ = gone.SynchronizeAsync(CancellationToken.None);
        });
        _ = Assert.Throws<ObjectDisposedException>(() =>
        {
            _ = gone.StartPoll();
        });
        _ = Assert.Throws<ObjectDisposedException>(() => gone.Retire(gone));

        // The next domain gets its number; the thread's slot of the old one is not taken for its own.
        using var next = new RcuDomain();
        using RcuReadSection inside = next.EnterReadSection();
        Assert.True(next.IsInReadSection);
        Assert.Equal(1, next.Statistics.Readers);
    }

    [Fact]
    public void A_dropped_domain_is_collected_although_a_living_thread_has_read_it_and_its_number_is_reused()
    {
        const int Times = 50;
        var numbers = new HashSet<int>();
        for (int i = 0; i < Times; i++)
        {
            (WeakReference dropped, int number) = ReadOnce();
            _ = numbers.Add(number);
            Background.Until(() =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return !dropped.IsAlive;
            });
        }

        // Each thread's table is as long as the highest number: it must not grow for domains that are gone.
        Assert.InRange(numbers.Count, 1, Times - 1);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static (WeakReference Domain, int Number) ReadOnce()
        {
            var domain = new RcuDomain();
            using RcuReadSection section = domain.EnterReadSection();
            Assert.True(domain.IsInReadSection);
            return (new WeakReference(domain), domain.Number);
        }
    }

    [Fact]
    public void Many_domains_live_side_by_side()
    {
        RcuDomain[] domains = [.. Enumerable.Range(0, 300).Select(_ => new RcuDomain())];
        foreach (RcuDomain domain in domains)
        {
            using RcuReadSection section = domain.EnterReadSection();
            Assert.Single(domains, other => other.IsInReadSection);
        }

        Array.ForEach(domains, domain => domain.Synchronize());
        Array.ForEach(domains, domain => domain.Dispose());
    }

    [Fact]
    public void The_default_domain_cannot_be_disposed_of()
    {
        _ = Assert.Throws<InvalidOperationException>(RcuDomain.Default.Dispose);
        RcuDomain.Default.Synchronize();
    }

    [Fact]
    public void An_interrupted_thread_finishes_its_grace_period_first()
    {
        using var inside = new Inside(_domain);
        bool synchronized = false;
        bool interrupted = false;
        using var writer = new Background(() =>
        {
            _domain.Synchronize();
            synchronized = true;
            try
            {
                Thread.Sleep(Timeout.Infinite);
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        });
        Background.Until(() => _domain.GetHolders().Count == 1);
        writer.Thread.Interrupt();
        inside.Leave();
        writer.Join();
        Assert.True(synchronized && interrupted);
    }

    /// <summary>A thread that is inside of nested sections until it is told to leave.</summary>
    private sealed class Inside : IDisposable
    {
        private readonly SemaphoreSlim _leave = new(0);
        private readonly Background _thread;
        private readonly int _depth;
        private volatile int _inside;

        public Inside(RcuDomain domain, int depth = 1, string? name = null)
        {
            _depth = depth;
            _thread = new Background(() =>
            {
                if (name is not null)
                {
                    Thread.CurrentThread.Name = name;
                }

                Enter(domain, depth);
            });
            Background.Until(() => _inside == depth);
        }

        public Thread Thread => _thread.Thread;

        public bool IsInside => _inside > 0;

        public void LeaveOne()
        {
            int before = _inside;
            _ = _leave.Release();
            Background.Until(() => _inside == before - 1);
        }

        public void Leave()
        {
            _ = _leave.Release(_depth);
            _thread.Join();
        }

        public void Dispose()
        {
            Leave();
            _leave.Dispose();
        }

        private void Enter(RcuDomain domain, int depth)
        {
            using (domain.EnterReadSection())
            {
                _ = Interlocked.Increment(ref _inside);
                if (depth > 1)
                {
                    Enter(domain, depth - 1);
                }

                Assert.True(_leave.Wait(Background.Bound));
            }

            _ = Interlocked.Decrement(ref _inside);
        }
    }
}
