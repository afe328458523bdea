using Crosscore.HazardPointers;
using Crosscore.Rcu;
using Crosscore.Structures;
using Crosscore.Tests.Rcu;

namespace Crosscore.Tests.HazardPointers;

/// <summary>Callbacks that do everything that the library offers, from inside of it: nothing is lost, called twice or
/// called forever, and no stack overflows.</summary>
public sealed class HazardReentrancyTests
{
    private const int Deep = 100_000;

    private static readonly Dictionary<string, HazardExecutor> Executors = new()
    {
        ["the caller"] = HazardExecutor.Caller,
        ["a background thread"] = HazardExecutor.Background,
        ["an executor that executes at once"] = HazardExecutor.From(work => work()),
        ["an executor of many threads"] = HazardExecutor.From(work => _ = new Background(work)),
    };

    public static MatrixTheoryData<string, string> Deeds => new(Enum.GetNames<Deed>(), Executors.Keys);

    private enum Deed
    {
        Throw,
        RetireIntoSame,
        RetireIntoOther,
        RetireIntoCohort,
        ReclaimSame,
        ReclaimOther,
        ReclaimCohort,
        Acquire,
        ForgetHandle,
        DisposeOwnDomain,
        DisposeOwnCohort,
        DisposeOtherDomain,
        UseStructures,
        CreateCohort,
        Interrupt,
        EnterSection,
    }

    [Theory]
    [MemberData(nameof(Deeds))]
    public void Whatever_a_callback_does_each_object_is_reclaimed_once(string name, string executor)
    {
        const int Objects = 200;
        Deed deed = Enum.Parse<Deed>(name);
        using var sections = new RcuDomain();
        var other = new HazardDomain(3, executor: Executors[executor]);
        var domain = new HazardDomain(5, executor: Executors[executor]);
        HazardCohort cohort = domain.CreateCohort();
        HazardCohort cohortOfOther = other.CreateCohort();
        var queue = new NativeQueue<int>(other);
        var stack = new NativeStack<int>(domain);
        int[] calls = new int[Objects];
        int extra = 0;
        int extraCalls = 0;
        int refused = 0;
        using var work = new Background(() =>
        {
            for (int index = 0; index < Objects; index++)
            {
                int own = index;
                Tolerate(() => domain.Retire(new object(), _ => Call(own), cohort: own % 2 == 0 ? null : cohort));
            }

            for (int round = 0; Left() > 0; round++)
            {
                Assert.InRange(round, 0, executor == "the caller" ? 10 : int.MaxValue);
                _ = Thread.Yield();
                Tolerate(() => domain.Reclaim());
                Tolerate(() => cohort.Reclaim());
                Tolerate(() => other.Reclaim());
                Tolerate(() => cohortOfOther.Reclaim());
            }

            queue.Dispose();
            stack.Dispose();
            Tolerate(cohort.Dispose);
            Tolerate(cohortOfOther.Dispose);
            Tolerate(domain.Dispose);
            Tolerate(other.Dispose);
            Assert.False(sections.IsInReadSection);
        });
        work.Join();
        Background.AssertEnds(sections.SynchronizeAsync(TestContext.Current.CancellationToken));
        // To those that are in what they would wait for.
        bool isRefused = deed is Deed.DisposeOwnDomain or Deed.DisposeOwnCohort;
        Assert.All(calls, count => Assert.Equal(1, count));
        Assert.Equal(extra, extraCalls);
        Assert.Equal(isRefused ? Objects / 2 : 0, refused);

        long Left() => domain.RetiredCount + cohort.RetiredCount + other.RetiredCount + cohortOfOther.RetiredCount;

        void Call(int own)
        {
            Interlocked.Increment(ref calls[own]);
            switch (deed)
            {
                case Deed.Throw:
                    throw new NotSupportedException();
                case Deed.RetireIntoSame:
                    Extra(domain, own % 2 == 0 ? null : cohort);
                    break;
                case Deed.RetireIntoOther:
                    Extra(other, null);
                    break;
                case Deed.RetireIntoCohort:
                    Extra(domain, cohort);
                    Extra(other, cohortOfOther);
                    break;
                case Deed.ReclaimSame:
                    Extra(domain, own % 2 == 0 ? null : cohort);
                    _ = own % 2 == 0 ? domain.Reclaim() : cohort.Reclaim();
                    break;
                case Deed.ReclaimOther:
                    Extra(other, null);
                    _ = other.Reclaim();
                    break;
                case Deed.ReclaimCohort:
                    Extra(other, cohortOfOther);
                    _ = cohortOfOther.Reclaim();
                    break;
                case Deed.Acquire:
                    object? source = new();
                    using (HazardPointer hazard = domain.Acquire())
                    {
                        _ = hazard.Protect(ref source);
                    }

                    break;
                case Deed.ForgetHandle:
                    Workers.OnOtherThread(() => _ = domain.Acquire());
                    break;
                case Deed.DisposeOwnDomain when own % 2 == 0:
                    _ = Assert.Throws<InvalidOperationException>(domain.Dispose);
                    Interlocked.Increment(ref refused);
                    break;
                case Deed.DisposeOwnCohort when own % 2 == 1:
                    _ = Assert.Throws<InvalidOperationException>(cohort.Dispose);
                    Interlocked.Increment(ref refused);
                    break;
                case Deed.DisposeOtherDomain:
                    var third = new HazardDomain(1, executor: Executors[executor]);
                    Extra(third, null);
                    third.Dispose();
                    break;
                case Deed.UseStructures:
                    queue.Enqueue(own);
                    stack.Push(own);
                    Assert.True(queue.TryDequeue(out _));
                    Assert.True(stack.TryPop(out _));
                    break;
                case Deed.CreateCohort:
                    using (HazardCohort fresh = domain.CreateCohort())
                    {
                        Extra(domain, fresh);
                    }

                    break;
                case Deed.Interrupt:
                    Thread.CurrentThread.Interrupt();
                    break;
                case Deed.EnterSection:
                    EnterSection();
                    break;
            }
        }

        void EnterSection() => _ = sections.EnterReadSection();

        void Extra(HazardDomain into, HazardCohort? intoCohort)
        {
            Interlocked.Increment(ref extra);
            into.Retire(new object(), _ => Interlocked.Increment(ref extraCalls), cohort: intoCohort);
        }

        void Tolerate(Action action)
        {
            try
            {
                action();
            }
            catch (AggregateException failures) when (deed is Deed.Throw or Deed.EnterSection)
            {
                Type expected = deed == Deed.Throw ? typeof(NotSupportedException) : typeof(InvalidOperationException);
                Assert.All(failures.InnerExceptions, failure => Assert.IsType(expected, failure));
            }
        }
    }

    [Fact]
    public void A_callback_that_retires_the_next_object_and_reclaims_is_no_recursion()
    {
        using var domain = new HazardDomain(1, executor: HazardExecutor.Caller);
        using HazardCohort cohort = domain.CreateCohort();
        int left = Deep;
        using (
            var work = new Background(() =>
            {
                RetireNext();
                while (domain.Reclaim() + cohort.Reclaim() > 0) { }
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
                        _ = domain.Reclaim();
                        _ = cohort.Reclaim();
                    }
                },
                cohort: left % 2 == 0 ? cohort : null
            );
    }
}
