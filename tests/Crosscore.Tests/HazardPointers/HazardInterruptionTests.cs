using System.Runtime.ExceptionServices;
using Crosscore.HazardPointers;
using Crosscore.Rcu;
using Crosscore.Structures;
using Crosscore.Tests.Rcu;

namespace Crosscore.Tests.HazardPointers;

/// <summary><see cref="Thread.Interrupt"/> all the time, against every member that may wait: no call is broken off,
/// nothing is lost, and the interruption is not swallowed.</summary>
public sealed class HazardInterruptionTests
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(2);

    [Fact]
    public void No_member_is_broken_off_and_nothing_is_lost()
    {
        var domain = new HazardDomain(4, executor: HazardExecutor.Caller);
        long retired = 0;
        long reclaimed = 0;
        long pushed = 0;
        long popped = 0;
        using var stack = new NativeStack<int>(domain);
        using var queue = new NativeQueue<int>(domain);
        object?[] sources = [new(), new()];
        Storm([Work, Work], ComeAndGo);
        while (stack.TryPop(out _))
        {
            popped++;
        }

        while (queue.TryDequeue(out _))
        {
            popped++;
        }

        domain.Dispose();
        Assert.Equal(pushed, popped);
        Assert.Equal(retired, reclaimed);

        void Work()
        {
            using HazardPointer hazard = domain.Acquire();
            object? seen = hazard.Protect(ref sources[0]);
            GC.KeepAlive(seen);
            Interlocked.Increment(ref retired);
            object old = Interlocked.Exchange(ref sources[0], new object())!;
            domain.Retire(old, _ => Interlocked.Increment(ref reclaimed));
            hazard.Clear();
            _ = domain.Reclaim();
            using (HazardCohort cohort = domain.CreateCohort())
            {
                Interlocked.Add(ref retired, 2);
                domain.RetireAll<object>([new(), new()], _ => Interlocked.Increment(ref reclaimed), cohort: cohort);
            }

            stack.Push(1);
            queue.Enqueue(1);
            Interlocked.Add(ref pushed, 2);
            Interlocked.Add(ref popped, (stack.TryPop(out _) ? 1 : 0) + (queue.TryDequeue(out _) ? 1 : 0));
        }

        void ComeAndGo() =>
            Workers.OnOtherThread(() =>
            {
                Thread.CurrentThread.Interrupt();
                using HazardPointerArray hazards = domain.Acquire(8);
                _ = hazards[7].Protect(ref sources[0]);
            });
    }

    [Fact]
    public void No_member_of_a_map_is_broken_off_and_each_value_is_reclaimed_once()
    {
        var domain = new RcuDomain();
        long made = 0;
        long reclaimed = 0;
        var map = new ReadMostlyMap<int, object>(
            domain,
            reclaim: _ => Interlocked.Increment(ref reclaimed),
            size: _ => 8
        );
        Storm([Work, Work, Work]);
        map.Dispose();
        domain.Barrier();
        Assert.Equal(made, reclaimed);

        void Work()
        {
            int key = Random.Shared.Next(100);
            map.Set(key, Make());
            object candidate = Make();
            if (!map.TryAdd(key + 1, candidate))
            {
                Interlocked.Decrement(ref made);
            }

            _ = map.TryRemove(key);
            using (RcuReadSection section = domain.EnterReadSection())
            {
                _ = map.GetOrAdd(in section, key, _ => Make());
                if (map.TryGetValue(in section, key, out object? value) && !map.TryUpdate(key, value, Make()))
                {
                    Interlocked.Decrement(ref made);
                }
            }

            if (key == 0)
            {
                map.Clear();
            }
        }

        object Make()
        {
            Interlocked.Increment(ref made);
            return new object();
        }
    }

    [Fact]
    public void Waiting_for_a_reader_is_neither_broken_off_nor_made_busy_by_an_interruption()
    {
        int barriers = 0;
        var domain = new HazardDomain(() => Interlocked.Increment(ref barriers), 1000);
        object? source = new();
        using var protecting = new ManualResetEventSlim();
        using var letGo = new ManualResetEventSlim();
        using var reader = new Background(() =>
        {
            using HazardPointer hazard = domain.Acquire();
            _ = hazard.Protect(ref source);
            protecting.Set();
            letGo.Wait();
        });
        protecting.Wait(TestContext.Current.CancellationToken);
        int reclaimed = 0;
        domain.Retire(source!, _ => reclaimed++);
        bool given = false;
        int thrown = 0;
        EventHandler<FirstChanceExceptionEventArgs> count = (_, raised) =>
            thrown += raised.Exception is ThreadInterruptedException ? 1 : 0;
        AppDomain.CurrentDomain.FirstChanceException += count;
        try
        {
            using var waiting = new Background(() =>
            {
                domain.Dispose();
                try
                {
                    Thread.Sleep(0);
                    Thread.Sleep(Timeout.Infinite);
                }
                catch (ThreadInterruptedException)
                {
                    given = true;
                }
            });
            waiting.Thread.Interrupt();
            // It looks again and again, and sleeps in between.
            Background.Until(() => Volatile.Read(ref barriers) > 300);
            Assert.True(waiting.Thread.IsAlive);
            letGo.Set();
        }
        finally
        {
            letGo.Set();
            AppDomain.CurrentDomain.FirstChanceException -= count;
        }

        Assert.Equal(1, reclaimed);
        Assert.True(given);
        Assert.InRange(thrown, 1, 4); // once in the wait and once where it is given back; not once for each pause
    }

    private static void Storm(Action[] bodies, Action? beside = null)
    {
        bool[] done = new bool[bodies.Length];
        Workers.Run(
            Time,
            [
                .. bodies.Select<Action, Action<Workers>>(
                    (body, index) =>
                        workers =>
                        {
                            var victim = new Background(() =>
                            {
                                while (workers.Continue)
                                {
                                    body();
                                }

                                Volatile.Write(ref done[index], true);
                            });
                            while (!Volatile.Read(ref done[index]) && victim.Thread.IsAlive)
                            {
                                victim.Thread.Interrupt();
                                _ = Thread.Yield();
                            }

                            victim.Join();
                        }
                ),
                workers =>
                {
                    while (beside is not null && workers.Continue)
                    {
                        beside();
                    }
                },
            ]
        );
    }
}
