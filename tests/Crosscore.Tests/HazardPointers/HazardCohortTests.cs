using Crosscore.HazardPointers;

namespace Crosscore.Tests.HazardPointers;

/// <summary>Synchronous reclamation of what belongs together.</summary>
public sealed class HazardCohortTests : IDisposable
{
    private readonly HazardDomain _domain = new();
    private readonly List<object> _reclaimed = [];

    public void Dispose() => _domain.Dispose();

    [Fact]
    public void When_a_cohort_is_disposed_of_all_that_was_retired_into_it_is_reclaimed()
    {
        using (HazardCohort cohort = _domain.CreateCohort())
        {
            _domain.Retire(new object(), _reclaimed.Add, bytes: 10, cohort);
            _domain.RetireAll<object>([new(), new()], _reclaimed.Add, bytesEach: 10, cohort);
            Assert.Equal(3, cohort.RetiredCount);
            Assert.Equal(30, cohort.RetiredBytes);
            Assert.Equal(0, _domain.RetiredCount);
            Assert.Equal(0, _domain.Reclaim());
            Assert.Empty(_reclaimed);
        }

        Assert.Equal(3, _reclaimed.Count);
    }

    [Fact]
    public void Disposing_waits_for_a_reader_on_another_thread()
    {
        object? source = new();
        using var protecting = new ManualResetEventSlim();
        using var letGo = new ManualResetEventSlim();
        int released = 0;
        HazardCohort cohort = _domain.CreateCohort();
        Workers.Run(
            TimeSpan.FromSeconds(30),
            _ =>
            {
                using HazardPointer hazard = _domain.Acquire();
                hazard.Protect(ref source);
                protecting.Set();
                letGo.Wait();
                Volatile.Write(ref released, 1);
            },
            _ =>
            {
                protecting.Wait();
                _domain.Retire(
                    Interlocked.Exchange(ref source, null)!,
                    _ => Assert.Equal(1, Volatile.Read(ref released)),
                    cohort: cohort
                );
                Assert.Equal(1, cohort.Reclaim());
                letGo.Set();
                cohort.Dispose();
                Assert.Equal(0, cohort.RetiredCount);
            }
        );
    }

    [Fact]
    public void A_thread_that_protects_one_of_the_objects_cannot_wait_for_them_and_nothing_is_lost()
    {
        object? source = new();
        HazardCohort cohort = _domain.CreateCohort();
        HazardPointer hazard = _domain.Acquire();
        hazard.Protect(ref source);
        _domain.Retire(source!, _reclaimed.Add, cohort: cohort);
        Assert.Throws<InvalidOperationException>(cohort.Dispose);
        Assert.Empty(_reclaimed);
        _domain.Retire(new object(), _reclaimed.Add, cohort: cohort); // still open
        hazard.Dispose();
        cohort.Dispose();
        Assert.Equal(2, _reclaimed.Count);
        cohort.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _domain.Retire(new object(), _reclaimed.Add, cohort: cohort));
    }

    [Fact]
    public void A_callback_cannot_wait_for_its_own_cohort_but_for_another_one()
    {
        HazardCohort cohort = _domain.CreateCohort();
        HazardCohort other = _domain.CreateCohort();
        _domain.Retire(new object(), _reclaimed.Add, cohort: other);
        _domain.Retire(new object(), _ => cohort.Dispose(), cohort: cohort);
        _domain.Retire(new object(), _ => other.Dispose(), cohort: cohort);
        AggregateException failed = Assert.Throws<AggregateException>(cohort.Dispose);
        Assert.IsType<InvalidOperationException>(Assert.Single(failed.InnerExceptions));
        Assert.Single(_reclaimed);
        Assert.Equal(0, cohort.RetiredCount);
    }

    [Fact]
    public void A_cohort_serves_its_own_domain_only()
    {
        using var other = new HazardDomain(executor: HazardExecutor.Caller);
        using HazardCohort cohort = other.CreateCohort();
        Assert.Throws<ArgumentException>(() => _domain.Retire(new object(), _reclaimed.Add, cohort: cohort));
    }

    [Fact]
    public void Callbacks_that_throw_do_not_keep_a_cohort_from_closing()
    {
        HazardCohort cohort = _domain.CreateCohort();
        _domain.RetireAll<object>([new(), new()], _ => throw new InvalidOperationException(), cohort: cohort);
        Assert.Equal(2, Assert.Throws<AggregateException>(cohort.Dispose).InnerExceptions.Count);
        Assert.Equal(0, cohort.RetiredCount);
        cohort.Dispose();
    }
}
