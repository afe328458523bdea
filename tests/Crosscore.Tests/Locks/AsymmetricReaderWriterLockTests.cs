using Crosscore.Locks;

namespace Crosscore.Tests.Locks;

/// <summary>The reader-writer lock whose readers write only their own memory.</summary>
public sealed class AsymmetricReaderWriterLockTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(5);

    private readonly AsymmetricReaderWriterLock _lock = new();

    [Fact]
    public void The_example_of_the_documentation_runs()
    {
        // shown
        var routes = new Dictionary<string, string>();
        var gate = new AsymmetricReaderWriterLock();

        using (gate.EnterWriteScope())
        {
            routes["a"] = "b";
        }

        using (gate.EnterReadScope())
        {
            Assert.Equal("b", routes["a"]);
        }
        // end
    }

    /// <summary>As the runtime's own test of its biased lock: dotnet/runtime#11177, #39668.</summary>
    [Fact]
    public async Task A_thousand_tasks_with_a_thousand_sections_each_count_every_write_and_see_no_half_of_one()
    {
        long first = 0;
        long second = 0;
        await Task.WhenAll(
            Enumerable
                .Range(0, 1000)
                .Select(task =>
                    Task.Run(
                        () =>
                        {
                            for (int section = 0; section < 1000; section++)
                            {
                                if (section % 100 == task % 100)
                                {
                                    _lock.EnterWriteLock();
                                    first++;
                                    second++;
                                    _lock.ExitWriteLock();
                                }
                                else
                                {
                                    using (_lock.EnterReadScope())
                                    {
                                        if (first != second)
                                        {
                                            throw new InvalidOperationException("a reader saw half of a write");
                                        }
                                    }
                                }
                            }
                        },
                        TestContext.Current.CancellationToken
                    )
                )
        );
        Assert.Equal(10_000, first);
        Assert.Equal(10_000, second);
    }

    [Fact]
    public void Readers_see_no_half_of_a_write_while_threads_come_and_go()
    {
        long first = 0;
        long second = 0;
        void Look()
        {
            long seen = Volatile.Read(ref first);
            Thread.SpinWait(20);
            Assert.Equal(seen, Volatile.Read(ref second));
        }

        void Read(Workers workers)
        {
            while (workers.Continue)
            {
                _lock.EnterReadLock();
                Look();
                _lock.ExitReadLock();
                if (_lock.TryEnterReadLock(TimeSpan.Zero))
                {
                    Look();
                    _lock.ExitReadLock();
                }
            }
        }

        void Write(Workers workers)
        {
            while (workers.Continue)
            {
                using (_lock.EnterWriteScope())
                {
                    Look();
                    first++;
                    Thread.SpinWait(20);
                    second++;
                }
            }
        }

        void Churn(Workers workers)
        {
            while (workers.Continue)
            {
                Workers.OnOtherThread(() =>
                {
                    using (_lock.EnterReadScope())
                    {
                        Look();
                    }

                    if (_lock.TryEnterWriteLock(Moment))
                    {
                        first++;
                        second++;
                        _lock.ExitWriteLock();
                    }

                    _lock.EnterReadLock(); // and never leaves
                    Look();
                });
                GC.Collect();
            }
        }

        Workers.Run(TimeSpan.FromSeconds(2), Read, Read, Write, Churn);
        Assert.True(first > 10);
    }

    [Fact]
    public void Readers_are_inside_together_and_a_writer_alone()
    {
        using (_lock.EnterReadScope())
        {
            Workers.OnOtherThread(() =>
            {
                Assert.True(_lock.TryEnterReadLock(TimeSpan.Zero));
                _lock.ExitReadLock();
                Assert.False(_lock.TryEnterWriteLock(TimeSpan.Zero));
                Assert.False(_lock.TryEnterWriteLock(Moment));
                Assert.True(_lock.TryEnterReadLock(TimeSpan.Zero)); // a writer that gave up holds no reader back
                _lock.ExitReadLock();
            });
            Assert.True(_lock.IsReadLockHeld);
        }

        using (_lock.EnterWriteScope())
        {
            Assert.True(_lock.IsWriteLockHeld);
            Workers.OnOtherThread(() =>
            {
                Assert.False(_lock.TryEnterReadLock(TimeSpan.Zero));
                Assert.False(_lock.TryEnterReadLock(Moment));
                Assert.False(_lock.TryEnterWriteLock(Moment));
                Assert.False(_lock.IsReadLockHeld);
                Assert.False(_lock.IsWriteLockHeld);
            });
        }

        Assert.False(_lock.IsReadLockHeld);
        Assert.False(_lock.IsWriteLockHeld);
        Assert.Throws<ArgumentOutOfRangeException>(() => _lock.TryEnterReadLock(TimeSpan.FromSeconds(-2)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _lock.TryEnterWriteLock(TimeSpan.FromDays(100)));
    }

    [Fact]
    public void A_waiting_writer_holds_new_readers_back_and_is_woken_by_the_last_one()
    {
        for (int round = 0; round < 20; round++)
        {
            bool written = false;
            _lock.EnterReadLock();
            var writer = new Thread(() =>
            {
                _lock.EnterWriteLock();
                written = true;
                _lock.ExitWriteLock();
            });
            writer.Start();
            SpinWait.SpinUntil(() => writer.ThreadState.HasFlag(ThreadState.WaitSleepJoin), Patience);
            Workers.OnOtherThread(() => Assert.False(_lock.TryEnterReadLock(TimeSpan.Zero)));

            // Who reads already may read again, or two would wait for each other.
            _lock.EnterReadLock();
            Assert.True(_lock.TryEnterReadLock(TimeSpan.Zero));
            _lock.ExitReadLock();
            _lock.ExitReadLock();
            Assert.False(written);
            _lock.ExitReadLock();
            Assert.True(writer.Join(Patience));
            Assert.True(written);
        }
    }

    [Fact]
    public void What_would_wait_for_itself_throws_and_changes_nothing()
    {
        _lock.EnterReadLock();
        Assert.Throws<LockRecursionException>(_lock.EnterWriteLock);
        Assert.Throws<LockRecursionException>(() => _lock.TryEnterWriteLock(Moment));
        _lock.ExitReadLock();

        _lock.EnterWriteLock();
        Assert.Throws<LockRecursionException>(_lock.EnterWriteLock);
        Assert.Throws<LockRecursionException>(_lock.EnterReadLock);
        Assert.Throws<LockRecursionException>(() => _lock.TryEnterReadLock(Moment));
        Assert.True(_lock.IsWriteLockHeld);
        _lock.ExitWriteLock();
        Workers.OnOtherThread(() =>
        {
            Assert.True(_lock.TryEnterWriteLock(TimeSpan.Zero));
            _lock.ExitWriteLock();
        });
    }

    [Fact]
    public void Releasing_what_is_not_held_throws_and_changes_nothing()
    {
        Assert.Throws<SynchronizationLockException>(_lock.ExitReadLock);
        Assert.Throws<SynchronizationLockException>(_lock.ExitWriteLock);
        _lock.EnterReadLock();
        Workers.OnOtherThread(() => Assert.Throws<SynchronizationLockException>(_lock.ExitReadLock));
        Assert.Throws<SynchronizationLockException>(_lock.ExitWriteLock);
        Assert.True(_lock.IsReadLockHeld);
        _lock.ExitReadLock();
        _lock.EnterWriteLock();
        Workers.OnOtherThread(() => Assert.Throws<SynchronizationLockException>(_lock.ExitWriteLock));
        Assert.Throws<SynchronizationLockException>(_lock.ExitReadLock);
        _lock.ExitWriteLock();
        Assert.Throws<SynchronizationLockException>(() =>
        {
            AsymmetricReaderWriterLock.ReadScope scope = _lock.EnterReadScope();
            AsymmetricReaderWriterLock.ReadScope copy = scope;
            scope.Dispose();
            copy.Dispose();
        });
        default(AsymmetricReaderWriterLock.ReadScope).Dispose();
        default(AsymmetricReaderWriterLock.WriteScope).Dispose();
    }

    [Fact]
    public void The_second_dispose_of_a_scope_does_nothing()
    {
        AsymmetricReaderWriterLock.ReadScope reading = _lock.EnterReadScope();
        reading.Dispose();
        reading.Dispose();
        Assert.False(_lock.IsReadLockHeld);
        AsymmetricReaderWriterLock.WriteScope writing = _lock.EnterWriteScope();
        writing.Dispose();
        writing.Dispose();
        Assert.False(_lock.IsWriteLockHeld);
        using (AsymmetricReaderWriterLock.ReadScope again = _lock.EnterReadScope())
        {
            _lock.EnterReadLock();
            again.Dispose();
        } // the second one

        Assert.True(_lock.IsReadLockHeld);
        _lock.ExitReadLock();
    }

    [Fact]
    public void A_wait_for_the_lock_can_be_canceled()
    {
        using var canceling = new CancellationTokenSource();
        _lock.EnterReadLock();
        Workers.OnOtherThread(() =>
        {
            canceling.CancelAfter(Moment);
            Assert.Throws<OperationCanceledException>(() => _lock.TryEnterWriteLock(Patience, canceling.Token));
            Assert.False(_lock.IsWriteLockHeld);
        });
        _lock.ExitReadLock();
        _lock.EnterWriteLock();
        Workers.OnOtherThread(() =>
        {
            Assert.Throws<OperationCanceledException>(() => _lock.TryEnterReadLock(Patience, canceling.Token));
            using var later = new CancellationTokenSource(Moment);
            Assert.Throws<OperationCanceledException>(() => _lock.TryEnterReadLock(Patience, later.Token));
            Assert.False(_lock.IsReadLockHeld);
        });
        _lock.ExitWriteLock();
        Assert.True(_lock.TryEnterWriteLock(TimeSpan.Zero, CancellationToken.None));
        _lock.ExitWriteLock();
    }

    [Fact]
    public void An_interrupted_thread_has_not_entered()
    {
        void Interrupted(Action enter) =>
            Workers.OnOtherThread(() =>
            {
                Thread.CurrentThread.Interrupt();
                Assert.Throws<ThreadInterruptedException>(enter);
                Assert.False(_lock.IsReadLockHeld);
                Assert.False(_lock.IsWriteLockHeld);
            });

        using (_lock.EnterReadScope())
        {
            Interrupted(_lock.EnterWriteLock);
        }

        using (_lock.EnterWriteScope())
        {
            Interrupted(_lock.EnterReadLock);
            Interrupted(_lock.EnterWriteLock);
        }

        Workers.OnOtherThread(() =>
        {
            Assert.True(_lock.TryEnterWriteLock(TimeSpan.Zero));
            _lock.ExitWriteLock();
        });
    }

    [Fact]
    public void A_thread_that_ended_while_reading_counts_as_having_left()
    {
        Workers.OnOtherThread(_lock.EnterReadLock);
        Assert.True(_lock.TryEnterWriteLock(TimeSpan.Zero));
        _lock.ExitWriteLock();
    }

    [Fact]
    public void A_writer_that_waits_for_a_reader_that_ends_continues()
    {
        var reading = new ManualResetEventSlim();
        var end = new ManualResetEventSlim();
        var reader = new Thread(() =>
        {
            _lock.EnterReadLock();
            reading.Set();
            end.Wait();
        });
        reader.Start();
        reading.Wait(TestContext.Current.CancellationToken);
        var writer = new Thread(_lock.EnterWriteLock);
        writer.Start();
        SpinWait.SpinUntil(() => writer.ThreadState.HasFlag(ThreadState.WaitSleepJoin), Patience);
        end.Set();
        Assert.True(writer.Join(Patience));
    }

    [Fact]
    public void A_thread_may_read_under_many_locks_and_leave_them_in_any_order()
    {
        AsymmetricReaderWriterLock[] locks = [.. Enumerable.Range(0, 30).Select(_ => new AsymmetricReaderWriterLock())];
        var random = new Random(4);
        for (int round = 0; round < 10; round++)
        {
            Array.ForEach(locks, one => one.EnterReadLock());
            random.Shuffle(locks);
            for (int index = 0; index < locks.Length; index++)
            {
                Workers.OnOtherThread(() =>
                    Assert.All(locks.Skip(index), one => Assert.False(one.TryEnterWriteLock(TimeSpan.Zero)))
                );
                locks[index].ExitReadLock();
                Workers.OnOtherThread(() =>
                {
                    Assert.True(locks[index].TryEnterWriteLock(TimeSpan.Zero));
                    locks[index].ExitWriteLock();
                });
            }
        }
    }
}
