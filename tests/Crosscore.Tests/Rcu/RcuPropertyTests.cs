using Crosscore.Rcu;
using FsCheck;
using FsCheck.Fluent;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// Sequences of entering, leaving, retiring and asking, drawn at random, against a reference that is a list of what
/// each thing still waits for. Sections that may cross an await stand for readers, so that one thread can play many.
/// </summary>
public sealed class RcuPropertyTests
{
    private enum Step
    {
        Enter,
        Leave,
        LeaveTwice,
        Retire,
        StartPoll,
        EnterOwn,
        LeaveOwn,
    }

    [Fact]
    public void Nothing_is_over_while_a_section_of_before_is_open_and_everything_is_when_none_is()
    {
        Gen<(Step, int)[]> sequences =
            from steps in Gen.Elements(Enum.GetValues<Step>()).Zip(Gen.Choose(0, 100)).ArrayOf()
            select steps;
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(60),
            Prop.ForAll(
                sequences.ToArbitrary(),
                steps =>
                {
                    Play(steps);
                }
            )
        );
    }

    private static void Play((Step Step, int Choice)[] steps)
    {
        using var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero, BatchCount = 2 });
        var open = new List<object>();
        var pending = new List<Pending>();
        var order = new List<int>();
        int retired = 0;
        PlayFrom(0);

        // All are left: everything ends, in the order of retiring.
        open.OfType<RcuAsyncReadSection>().ToList().ForEach(section => section.Dispose());
        domain.Barrier();
        Assert.Equal(Enumerable.Range(0, retired), order);
        foreach (Pending one in pending)
        {
            Background.Until(one.IsOver);
        }

        // The thread's own sections live on the stack, so entering one is a level of recursion.
        int PlayFrom(int index)
        {
            while (index < steps.Length)
            {
                (Step step, int choice) = steps[index++];
                RcuAsyncReadSection[] sections = [.. open.OfType<RcuAsyncReadSection>()];
                switch (step)
                {
                    case Step.Enter:
                        open.Add(domain.EnterAsyncReadSection());
                        break;
                    case Step.Leave or Step.LeaveTwice when sections.Length > 0:
                        RcuAsyncReadSection left = sections[choice % sections.Length];
                        _ = open.Remove(left);
                        left.Dispose();
                        if (step == Step.LeaveTwice)
                        {
                            left.Dispose();
                        }

                        break;
                    case Step.Retire:
                        int number = retired++;
                        domain.Retire(
                            number,
                            item =>
                            {
                                lock (order)
                                {
                                    order.Add(item);
                                }
                            }
                        );
                        pending.Add(
                            new Pending(
                                [.. open],
                                () =>
                                {
                                    lock (order)
                                    {
                                        return order.Contains(number);
                                    }
                                }
                            )
                        );
                        break;
                    case Step.StartPoll:
                        RcuGracePeriod poll = domain.StartPoll();
                        pending.Add(new Pending([.. open], () => domain.Poll(poll)));
                        break;
                    case Step.EnterOwn:
                        using (domain.EnterReadSection())
                        {
                            var mine = new object();
                            open.Add(mine);
                            index = PlayFrom(index);
                            _ = open.Remove(mine);
                        }

                        break;
                    case Step.LeaveOwn when domain.IsInReadSection:
                        return index;
                    default:
                        break;
                }

                foreach (Pending one in pending)
                {
                    // Asked before the reference is, so that nothing can end in between.
                    bool over = one.IsOver();
                    Assert.False(over && one.WaitsFor.Intersect(open).Any());
                }
            }

            return index;
        }
    }

    private sealed record Pending(object[] WaitsFor, Func<bool> IsOver);
}
