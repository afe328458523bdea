using Crosscore.Locks;

namespace Crosscore.Tests.Locks;

/// <summary>The biased lock, with and without its bias.</summary>
public sealed class BiasedLockTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly BiasedLock _lock = new();
    private int _inside;

    [Fact]
    public void The_example_of_the_documentation_runs()
    {
        // shown
        var counters = new Dictionary<string, int>();
        var gate = new BiasedLock();

        void Count(string what)
        {
            using (gate.EnterScope()) // nearly free for the thread that does it nearly always
            {
                counters[what] = counters.GetValueOrDefault(what) + 1;
            }
        }
        // end

        Count("request");
        Count("request");
        Workers.OnOtherThread(() =>
        {
            using (gate.EnterScope()) // takes the bias away, once
            {
                Assert.Equal(2, counters["request"]);
            }
        });
        Assert.Equal(1, gate.RevocationCount);
    }

    /// <summary>
    /// The runtime's own test of such a lock, which for years counted 999,998 on arm64: dotnet/runtime#11177, #39668.
    /// </summary>
    [Fact]
    public async Task A_thousand_tasks_with_a_thousand_sections_each_count_a_million()
    {
        long count = 0;
        await Task.WhenAll(
            Enumerable
                .Range(0, 1000)
                .Select(_ =>
                    Task.Run(
                        () =>
                        {
                            for (int section = 0; section < 1000; section++)
                            {
                                _lock.Enter();
                                count++;
                                _lock.Exit();
                            }
                        },
                        TestContext.Current.CancellationToken
                    )
                )
        );
        Assert.Equal(1_000_000, count);
    }

    [Fact]
    public void Every_revocation_finds_what_the_owner_did()
    {
        // A new lock for each round, so that each round revokes a bias that is in use.
        var shared = new Shared(new BiasedLock());
        long rounds = 0;
        Workers.Run(
            TimeSpan.FromSeconds(2),
            workers =>
            {
                while (workers.Continue)
                {
                    Shared now = Volatile.Read(ref shared);
                    using (now.Gate.EnterScope())
                    {
                        now.Count();
                    }
                }
            },
            workers =>
            {
                while (workers.Continue)
                {
                    Shared now = shared;
                    Thread.SpinWait((int)(rounds % 64));
                    for (int entry = 0; entry < 3; entry++)
                    {
                        now.Gate.Enter();
                        now.Count();
                        now.Gate.Exit();
                    }

                    rounds++;
                    Volatile.Write(ref shared, new Shared(new BiasedLock()));
                }
            },
            workers =>
            {
                while (workers.Continue)
                {
                    GC.Collect();
                    Thread.Yield();
                }
            }
        );
        Assert.True(rounds > 100);
    }

    [Fact]
    public void The_first_thread_gets_the_bias_and_another_one_takes_it_once()
    {
        EnterAndExit(2);
        Workers.OnOtherThread(() => EnterAndExit(1));
        Assert.Equal(1, _lock.RevocationCount);
        EnterAndExit(10);
        Workers.OnOtherThread(() => EnterAndExit(10));
        Assert.Equal(1, _lock.RevocationCount);
    }

    [Fact]
    public void A_thread_that_uses_the_lock_alone_gets_the_bias_and_after_each_loss_that_takes_twice_as_long()
    {
        EnterAndExit(2);
        Workers.OnOtherThread(() => EnterAndExit(1));
        EnterAndExit(999);
        Workers.OnOtherThread(() => EnterAndExit(1));
        Assert.Equal(1, _lock.RevocationCount);
        EnterAndExit(1000);
        Workers.OnOtherThread(() => EnterAndExit(1));
        Assert.Equal(2, _lock.RevocationCount);
        EnterAndExit(1999);
        Workers.OnOtherThread(() => EnterAndExit(1));
        Assert.Equal(2, _lock.RevocationCount);
        EnterAndExit(2000);
        Workers.OnOtherThread(() => EnterAndExit(1));
        Assert.Equal(3, _lock.RevocationCount);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_lock_is_recursive(bool biased)
    {
        Prepare(biased);
        using (_lock.EnterScope())
        {
            _lock.Enter();
            Assert.True(_lock.TryEnter());
            Assert.True(_lock.IsHeldByCurrentThread);
            _lock.Exit();
            _lock.Exit();
            Workers.OnOtherThread(() => Assert.False(_lock.TryEnter()));
            _lock.Enter(); // with a bias: although it was revoked concurrently
            _lock.Exit();
        }

        Assert.False(_lock.IsHeldByCurrentThread);
        Workers.OnOtherThread(() => Assert.True(_lock.TryEnter()));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Releasing_what_is_not_held_throws_and_changes_nothing(bool biased)
    {
        Prepare(biased);
        Assert.Throws<SynchronizationLockException>(_lock.Exit);
        _lock.Enter();
        Workers.OnOtherThread(() => Assert.Throws<SynchronizationLockException>(_lock.Exit));
        Assert.True(_lock.IsHeldByCurrentThread);
        _lock.Exit();
        Assert.Throws<SynchronizationLockException>(_lock.Exit);
        Assert.Throws<SynchronizationLockException>(() =>
        {
            BiasedLock.Scope scope = _lock.EnterScope();
            BiasedLock.Scope copy = scope;
            scope.Dispose();
            copy.Dispose();
        });
        default(BiasedLock.Scope).Dispose();
        BiasedLock.Scope twice = _lock.EnterScope();
        _lock.Enter();
        twice.Dispose();
        twice.Dispose();
        Assert.True(_lock.IsHeldByCurrentThread);
        _lock.Exit();
        Assert.False(_lock.IsHeldByCurrentThread);
        Workers.OnOtherThread(() => EnterAndExit(1));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Who_gives_up_leaves_the_lock_as_it_is(bool biased)
    {
        Prepare(biased);
        Hold(() =>
        {
            Assert.False(_lock.TryEnter());
            Assert.False(_lock.TryEnter(TimeSpan.FromMilliseconds(5)));
            Assert.Equal(1, Volatile.Read(ref _inside));
        });
        Assert.True(_lock.TryEnter(Patience));
        _lock.Exit();
        EnterAndExit(3);
        Assert.Throws<ArgumentOutOfRangeException>(() => _lock.TryEnter(TimeSpan.FromSeconds(-2)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _lock.TryEnter(TimeSpan.FromDays(100)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_waiting_thread_is_woken_when_the_owner_leaves(bool biased)
    {
        Prepare(biased);
        for (int round = 0; round < 20; round++)
        {
            Thread? waiting = null;
            Hold(() =>
            {
                waiting = new Thread(() => EnterAndExit(1));
                waiting.Start();
                SpinWait.SpinUntil(() => waiting.ThreadState.HasFlag(ThreadState.WaitSleepJoin), Patience);
            });
            Assert.True(waiting!.Join(Patience));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_interrupted_thread_has_not_entered(bool biased)
    {
        Prepare(biased);
        Hold(() =>
            Workers.OnOtherThread(() =>
            {
                Thread.CurrentThread.Interrupt();
                Assert.Throws<ThreadInterruptedException>(_lock.Enter);
                Assert.False(_lock.IsHeldByCurrentThread);
            })
        );
        Workers.OnOtherThread(() => EnterAndExit(1));
    }

    [Fact]
    public void A_bias_whose_owner_has_ended_outside_is_taken_away()
    {
        Workers.OnOtherThread(() => EnterAndExit(2));
        EnterAndExit(1);
        Assert.Equal(1, _lock.RevocationCount);
    }

    [Fact]
    public void A_lock_whose_owner_has_ended_inside_stays_closed_and_says_so()
    {
        Workers.OnOtherThread(() =>
        {
            EnterAndExit(2);
            _lock.Enter();
        });
        Assert.Throws<SynchronizationLockException>(_lock.Enter);
        Assert.Throws<SynchronizationLockException>(() => _lock.TryEnter());
        Workers.OnOtherThread(() => Assert.Throws<SynchronizationLockException>(_lock.Enter));
    }

    private void EnterAndExit(int times)
    {
        for (int entry = 0; entry < times; entry++)
        {
            _lock.Enter();
            Assert.Equal(1, ++_inside);
            _inside--;
            _lock.Exit();
        }
    }

    // The calling thread gets the bias, or no thread has it.
    private void Prepare(bool biased)
    {
        EnterAndExit(1);
        if (!biased)
        {
            Workers.OnOtherThread(() => EnterAndExit(1));
        }
    }

    private void Hold(Action body)
    {
        using (_lock.EnterScope())
        {
            _inside++;
            Workers.OnOtherThread(body);
            _inside--;
        }
    }

    private sealed class Shared(BiasedLock gate)
    {
        private long _first;
        private long _second;

        public BiasedLock Gate => gate;

        public void Count()
        {
            Assert.Equal(_first, _second);
            _first++;
            _second++;
        }
    }
}
