using Crosscore.HazardPointers;
using Crosscore.Structures;

namespace Crosscore.Tests.HazardPointers;

/// <summary>
/// What becomes of retired objects and of values in flight when the process-wide barrier fails: nothing is lost,
/// nothing is reclaimed twice or unfenced, and the caller gets an exception.
/// </summary>
public sealed class HazardFailureTests : IDisposable
{
    private readonly HazardDomain _domain;
    private readonly List<object> _reclaimed = [];
    private int _barriers;
    private bool _refuses;
    private Action? _duringBarrier;

    public HazardFailureTests() => _domain = new HazardDomain(Heavy, scanThreshold: 4);

    public void Dispose()
    {
        _refuses = false;
        _domain.Dispose();
    }

    [Fact]
    public void What_is_retired_while_the_barrier_fails_is_retired_and_is_reclaimed_once_when_it_succeeds()
    {
        _refuses = true;
        int told = 0;
        for (int i = 0; i < 100; i++)
        {
            try
            {
                _domain.Retire(new object(), _reclaimed.Add, bytes: 10);
            }
            catch (AggregateException failure)
            {
                _ = Assert.IsType<TimeoutException>(Assert.Single(failure.InnerExceptions));
                told++;
            }
        }

        Assert.InRange(told, 1, 25); // not at each call: a scan is tried again when as much again has come
        Assert.Equal(told, _barriers);
        Assert.Empty(_reclaimed);
        Assert.Equal(100, _domain.RetiredCount);
        Assert.Equal(1000, _domain.RetiredBytes);
        _ = Assert.IsType<TimeoutException>(
            Assert.Single(
                Assert
                    .Throws<AggregateException>(() =>
                    {
                        _ = _domain.Reclaim();
                    })
                    .InnerExceptions
            )
        );
        Assert.Equal(100, _domain.RetiredCount);
        _refuses = false;
        Assert.Equal(0, _domain.Reclaim());
        Assert.Equal(100, _reclaimed.Distinct().Count());
        Assert.Equal(100, _reclaimed.Count);
        Assert.Equal(0, _domain.RetiredBytes);
    }

    [Fact]
    public void Disposing_says_that_the_barrier_failed_and_the_next_call_resumes()
    {
        var domain = new HazardDomain(Heavy, scanThreshold: 100);
        HazardCohort cohort = domain.CreateCohort();
        domain.Retire(new object(), _reclaimed.Add);
        domain.Retire(new object(), _reclaimed.Add, cohort: cohort);
        _refuses = true;
        _ = Assert.IsType<TimeoutException>(
            Assert.Single(Assert.Throws<AggregateException>(cohort.Dispose).InnerExceptions)
        );
        _ = Assert.IsType<TimeoutException>(
            Assert.Single(Assert.Throws<AggregateException>(domain.Dispose).InnerExceptions)
        );
        Assert.Empty(_reclaimed);
        Assert.Throws<ObjectDisposedException>(() => domain.Retire(new object(), _reclaimed.Add));
        _refuses = false;
        cohort.Dispose();
        domain.Dispose();
        Assert.Equal(2, _reclaimed.Count);
    }

    [Fact]
    public void What_is_retired_during_the_barrier_waits_for_the_next_one()
    {
        object early = new();
        object late = new();
        _domain.Retire(early, _reclaimed.Add);
        _duringBarrier = () => _domain.Retire(late, _reclaimed.Add);
        Assert.Equal(1, _domain.Reclaim());
        Assert.Equal([early], _reclaimed);
        Assert.Equal(0, _domain.Reclaim());
        Assert.Equal([early, late], _reclaimed);
    }

    [Fact]
    public void No_value_is_lost_by_a_pop_or_a_dequeue_while_the_barrier_fails()
    {
        const int Values = 1000;
        List<nint> freed = [];
        using var stack = new NativeStack<int>(_domain, Free);
        using var queue = new NativeQueue<int>(_domain, Free);
        for (int i = 0; i < Values; i++)
        {
            stack.Push(i);
            queue.Enqueue(i);
        }

        _refuses = true;
        for (int i = 0; i < Values; i++)
        {
            Assert.True(stack.TryPop(out int popped));
            Assert.Equal(Values - 1 - i, popped);
            Assert.True(queue.TryDequeue(out int taken));
            Assert.Equal(i, taken);
        }

        Assert.True(_barriers > 0);
        Assert.Empty(freed);
        _ = Assert.Throws<AggregateException>(stack.Dispose);
        _ = Assert.Throws<AggregateException>(queue.Dispose);
        _refuses = false;
        stack.Dispose();
        queue.Dispose();
        Assert.Equal((2 * Values) + 1, freed.Distinct().Count()); // and the queue's first node
        Assert.Equal(freed.Count, freed.Distinct().Count());

        void Free(nint node) => freed.Add(node); // and not to the allocator, so that no address comes twice
    }

    private void Heavy()
    {
        if (_refuses)
        {
            _barriers++;
            throw new TimeoutException("no memory");
        }

        AsymmetricFence.Heavy();
        Interlocked.Exchange(ref _duringBarrier, null)?.Invoke();
    }
}
