using Crosscore.HazardPointers;
using Crosscore.Tests.Rcu;

namespace Crosscore.Tests.HazardPointers;

/// <summary>Closing a domain or a cohort while a reader does not let go: who it is, and how long to wait.</summary>
public sealed class HazardDisposalTests : IDisposable
{
    private readonly HazardDomain _domain = new();
    private readonly ManualResetEventSlim _letGo = new();
    private readonly Background _reader;
    private object? _source = new();
    private nint _pointer = 64;
    private int _reclaimed;

    public HazardDisposalTests()
    {
        using var protecting = new ManualResetEventSlim();
        _reader = new Background(() =>
        {
            using HazardPointer hazard = _domain.Acquire();
            _ = hazard.Protect(ref _source);
            _ = hazard.Protect(ref _pointer);
            protecting.Set();
            _letGo.Wait();
        });
        protecting.Wait();
    }

    public void Dispose()
    {
        _letGo.Set();
        _reader.Join();
        _domain.Dispose();
    }

    [Fact]
    public void The_holders_are_those_that_protect_what_was_retired()
    {
        using HazardCohort cohort = _domain.CreateCohort();
        Assert.Empty(_domain.GetHolders());
        _domain.Retire(_source!, _ => { });
        _domain.Retire(_pointer, _ => { });
        _domain.Retire(new object(), _ => { });
        HazardHolder holder = Assert.Single(_domain.GetHolders());
        Assert.Same(_reader.Thread, holder.Thread);
        Assert.Equal(2, holder.Count);
        Assert.Contains($"thread {_reader.Thread.ManagedThreadId}", holder.ToString(), StringComparison.Ordinal);
        Assert.Empty(cohort.GetHolders());
        _letGo.Set();
        _reader.Join();
        Assert.Empty(_domain.GetHolders());
    }

    [Fact]
    public void A_domain_whose_reader_does_not_let_go_is_closed_and_says_so_when_the_time_is_over()
    {
        _domain.Retire(_source!, _ => _reclaimed++);
        Assert.False(_domain.TryDispose(TimeSpan.Zero));
        Assert.False(_domain.TryDispose(TimeSpan.FromMilliseconds(20)));
        _ = Assert.Throws<ObjectDisposedException>(() => _domain.Acquire());
        Assert.Equal(1, _domain.RetiredCount);
        Assert.Same(_reader.Thread, Assert.Single(_domain.GetHolders()).Thread);
        _letGo.Set();
        Assert.True(_domain.TryDispose(TimeSpan.FromMilliseconds(int.MaxValue)));
        Assert.Equal(1, _reclaimed);
        Assert.True(_domain.TryDispose(TimeSpan.Zero));
    }

    [Fact]
    public void A_cohort_whose_reader_does_not_let_go_is_closed_and_says_so_when_the_time_is_over()
    {
        HazardCohort cohort = _domain.CreateCohort();
        _domain.Retire(_source!, _ => _reclaimed++, cohort: cohort);
        Assert.Same(_reader.Thread, Assert.Single(cohort.GetHolders()).Thread);
        Assert.False(cohort.TryDispose(TimeSpan.FromMilliseconds(20)));
        _ = Assert.Throws<ObjectDisposedException>(() => _domain.Retire(new object(), _ => { }, cohort: cohort));
        _letGo.Set();
        Assert.True(cohort.TryDispose(Timeout.InfiniteTimeSpan));
        Assert.Equal(1, _reclaimed);
    }

    [Fact]
    public void The_waiting_can_be_canceled_and_what_callbacks_threw_is_told_by_the_next_call()
    {
        using var canceling = new CancellationTokenSource();
        _domain.Retire(_source!, _ => _reclaimed++);
        _domain.Retire(
            new object(),
            _ =>
            {
                canceling.Cancel();
                throw new NotSupportedException();
            }
        );
        _ = Assert.Throws<OperationCanceledException>(() =>
            _domain.TryDispose(Timeout.InfiniteTimeSpan, canceling.Token)
        );
        _letGo.Set();
        AggregateException failed = Assert.Throws<AggregateException>(() =>
            _domain.TryDispose(Timeout.InfiniteTimeSpan, TestContext.Current.CancellationToken)
        );
        _ = Assert.IsType<NotSupportedException>(Assert.Single(failed.InnerExceptions));
        Assert.Equal(1, _reclaimed);
    }

    [Fact]
    public void A_call_that_was_canceled_before_it_began_closes_nothing()
    {
        using var canceling = new CancellationTokenSource();
        canceling.Cancel();
        _ = Assert.Throws<OperationCanceledException>(() =>
            _domain.TryDispose(Timeout.InfiniteTimeSpan, canceling.Token)
        );
        _domain.Acquire().Dispose();
    }

    [Theory]
    [InlineData(long.MinValue)]
    [InlineData(-1)]
    [InlineData((int.MaxValue * TimeSpan.TicksPerMillisecond) + 1)]
    [InlineData(long.MaxValue)]
    public void Timeouts_out_of_their_range_are_refused_and_close_nothing(long ticks)
    {
        HazardCohort cohort = _domain.CreateCohort();
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => _domain.TryDispose(new TimeSpan(ticks)));
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => cohort.TryDispose(new TimeSpan(ticks)));
        _domain.Retire(new object(), _ => _reclaimed++, cohort: cohort);
        cohort.Dispose();
        Assert.Equal(1, _reclaimed);
    }
}
