using Crosscore.Rcu;

namespace Crosscore.Tests.Rcu;

/// <summary>Sections that cross an await and threads.</summary>
public sealed class RcuAsyncSectionTests : IDisposable
{
    private readonly RcuDomain _domain = new();

    public void Dispose() => _domain.Dispose();

    [Fact]
    public async Task A_section_may_be_left_by_another_thread_and_holds_grace_periods_up_until_then()
    {
        RcuAsyncReadSection section = _domain.EnterAsyncReadSection();
        Task over = _domain.SynchronizeAsync(TestContext.Current.CancellationToken);
        await Task.Yield();
        Assert.False(over.IsCompleted);
        using var elsewhere = new Background(section.Dispose);
        await over;
        elsewhere.Join();
    }

    [Fact]
    public async Task A_grace_period_does_not_wait_for_a_section_that_is_entered_after_it_began()
    {
        RcuAsyncReadSection early = _domain.EnterAsyncReadSection();
        Task over = _domain.SynchronizeAsync(TestContext.Current.CancellationToken);
        Background.Until(() => _domain.GetHolders().Count == 1);
        using RcuAsyncReadSection late = _domain.EnterAsyncReadSection();
        early.Dispose();
        await over;
    }

    [Fact]
    public async Task Sections_of_thousands_of_tasks_come_and_go_across_awaits()
    {
        int inside = 0;
        using var cell = new RcuCell<Counted>(new Counted(), _domain);
        Task[] readers =
        [
            .. Enumerable
                .Range(0, 2_000)
                .Select(_ =>
                    Task.Run(async () =>
                    {
                        using RcuAsyncReadSection section = _domain.EnterAsyncReadSection();
                        Counted seen = cell.Read(section);
                        _ = Interlocked.Increment(ref inside);
                        for (int i = 0; i < 3; i++)
                        {
                            await Task.Yield();
                            Assert.False(seen.IsDisposed);
                        }
                    })
                ),
        ];
        for (int i = 0; i < 50; i++)
        {
            cell.Replace(new Counted());
            await _domain.SynchronizeAsync(TestContext.Current.CancellationToken);
        }

        await Task.WhenAll(readers);
        Assert.Equal(2_000, inside);
        await _domain.BarrierAsync(TestContext.Current.CancellationToken);
        Assert.Equal(50, _domain.Statistics.Reclaimed);
    }

    [Fact]
    public void Leaving_twice_does_nothing()
    {
        RcuAsyncReadSection first = _domain.EnterAsyncReadSection();
        RcuAsyncReadSection second = _domain.EnterAsyncReadSection();
        first.Dispose();
        first.Dispose();
        RcuGracePeriod poll = _domain.StartPoll();
        Background.Until(() => _domain.GetHolders().Count == 1);
        Assert.False(_domain.Poll(poll));
        second.Dispose();
        Background.Until(() => _domain.Poll(poll));
    }

    [Fact]
    public async Task Waiting_inside_of_a_section_can_be_canceled_and_the_section_is_named()
    {
        using RcuAsyncReadSection section = _domain.EnterAsyncReadSection();
        using var cancellation = new CancellationTokenSource();
        Task waiting = _domain.SynchronizeAsync(cancellation.Token);
        Background.Until(() => _domain.GetHolders().Count == 1);
        RcuHolder holder = Assert.Single(_domain.GetHolders());
        Assert.Null(holder.Thread);
        Assert.Contains(
            $"{nameof(Waiting_inside_of_a_section_can_be_canceled_and_the_section_is_named)} "
                + $"({nameof(RcuAsyncSectionTests)}.cs:",
            holder.ToString(),
            StringComparison.Ordinal
        );
        await cancellation.CancelAsync();
        _ = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    private sealed class Counted : IDisposable
    {
        private volatile bool _disposed;

        public bool IsDisposed => _disposed;

        public void Dispose() => _disposed = true;
    }
}
