using System.Reflection;
using Crosscore.Locks;
using Crosscore.Rcu;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// Every member and every number of RCU and of the two locks, and every function of a user's that RCU calls, under use
/// that they were not made for.
/// </summary>
public sealed class RcuSweepTests
{
    private static readonly Type[] Swept =
    [
        typeof(RcuDomain),
        typeof(RcuCell<>),
        typeof(RcuReadSection),
        typeof(RcuReader),
        typeof(RcuAsyncReadSection),
        typeof(AsymmetricReaderWriterLock),
        typeof(AsymmetricReaderWriterLock.ReadScope),
        typeof(AsymmetricReaderWriterLock.WriteScope),
        typeof(BiasedLock),
        typeof(BiasedLock.Scope),
    ];

    public static TheoryData<string, string> CallbacksAndDeeds()
    {
        var pairs = new TheoryData<string, string>();
        foreach (string where in new[] { "callback", "disposer", "size", "handler" })
        {
            foreach (string deed in Deeds.Keys)
            {
                pairs.Add(where, deed);
            }
        }

        return pairs;
    }

    /// <summary>What a function of a user's may do to the domain that called it.</summary>
    private static Dictionary<string, Action<RcuDomain, RcuCell<Counted>>> Deeds { get; } =
        new()
        {
            ["throws"] = static (_, _) => throw new FormatException("thrown by the function"),
            ["retires"] = static (domain, cell) => domain.Retire(0, static _ => { }),
            ["replaces"] = static (_, cell) => cell.Replace(new Counted()),
            ["reads"] = static (_, cell) =>
            {
                using RcuReadSection section = cell.Read(out Counted _);
            },
            ["reads asynchronously"] = static (domain, cell) =>
            {
                using RcuAsyncReadSection section = domain.EnterAsyncReadSection();
                _ = cell.Read(section);
            },
            ["leaves a section open"] = static (domain, cell) => domain.EnterReadSection(),
            ["leaves sections open, nested"] = static (domain, cell) =>
            {
                _ = domain.EnterReadSection();
                _ = domain.EnterReadSection();
                _ = domain.EnterReadSection();
            },
            ["synchronizes"] = static (domain, cell) => domain.Synchronize(),
            ["synchronizes with a token"] = static (domain, cell) => domain.Synchronize(CancellationToken.None),
            ["synchronizes and blocks"] = static (domain, cell) => domain.SynchronizeAsync().Wait(),
            ["polls"] = static (domain, cell) => _ = domain.Poll(domain.StartPoll()),
            ["waits for the barrier"] = static (domain, cell) => domain.Barrier(),
            ["asks"] = static (domain, cell) =>
            {
                _ = domain.GetHolders();
                _ = domain.Statistics;
            },
            ["disposes of the domain"] = static (domain, cell) => domain.Dispose(),
            ["disposes of the cell"] = static (_, cell) => cell.Dispose(),
            ["interrupts its thread"] = static (_, _) => Thread.CurrentThread.Interrupt(),
        };

    [Theory]
    [MemberData(nameof(CallbacksAndDeeds))]
    public void Whatever_a_function_of_the_users_does_the_domain_keeps_working(string where, string deed)
    {
        Exception? strange = null;
        int runs = 0;
        using var user = new Background(() =>
        {
            var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero });
            RcuCell<Counted> cell = null!;
            cell = new RcuCell<Counted>(new Counted(), domain, size: value => where == "size" ? Do() : 1);
            if (where == "handler")
            {
                domain.CallbackFailed += failure =>
                {
                    if (failure is InvalidTimeZoneException)
                    {
                        Do();
                    }
                };
            }

            switch (where)
            {
                case "callback":
                    domain.Retire(0, item => Do());
                    break;
                case "disposer":
                    domain.Retire(new Deed(() => Do()));
                    break;
                case "handler":
                    domain.Retire(0, item => throw new InvalidTimeZoneException("for the handler"));
                    break;
                default:
                    Note(() => cell.Replace(new Counted()));
                    break;
            }

            // It keeps working: what is retired now is reclaimed, a grace period ends, no section is open, and the
            // domain can be ended.
            int reclaimed = 0;
            domain.Retire(0, item => reclaimed++);
            Note(domain.Barrier);
            Note(domain.Barrier); // what the first one did not wait for
            domain.Synchronize();
            Assert.False(domain.IsInReadSection);
            Assert.Equal(1, reclaimed);
            Note(cell.Dispose);
            Note(domain.Dispose);
            Assert.Equal(0, domain.Statistics.PendingCount);

            int Do()
            {
                if (Interlocked.Increment(ref runs) == 1)
                {
                    Deeds[deed](domain, cell);
                }

                return 1;
            }
        });
        user.Join();
        Assert.True(runs > 0, "The function was not called.");
        Assert.True(strange is null, strange?.ToString());

        // Refused, or the function's own exception; thrown at the call, or by the barrier.
        void Note(Action action)
        {
            try
            {
                action();
            }
            catch (ThreadInterruptedException) when (deed == "interrupts its thread" && where == "size")
            {
                action(); // on the thread of the user, which has interrupted itself
            }
            catch (Exception exception)
            {
                Exception[] all = exception is AggregateException several
                    ? [.. several.Flatten().InnerExceptions]
                    : [exception];
                strange ??= Array.Find(
                    all,
                    one =>
                        one
                            is not (
                                FormatException
                                or InvalidOperationException
                                or InvalidTimeZoneException
                                or ObjectDisposedException
                            )
                );
            }
        }
    }

    [Fact]
    public void Nothing_is_lost_in_a_storm_of_interruptions_and_only_those_members_throw_that_say_so()
    {
        const int Turns = 300;
        var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero });
        using var cell = new RcuCell<Counted>(new Counted(), domain);
        var rwLock = new AsymmetricReaderWriterLock();
        var biased = new BiasedLock();
        Func<Member[]> members = () => Members(domain, cell, rwLock, biased);
        Missing(members());
        int interrupted = 0;
        bool stop = false;
        int inside = 0;
        Background[] users =
        [
            .. Enumerable
                .Range(0, 3)
                .Select(user => new Background(() =>
                {
                    Member[] mine = members();
                    for (int turn = 0; turn < Turns; turn++)
                    {
                        foreach (Member member in mine)
                        {
                            try
                            {
                                member.Use();
                            }
                            catch (ThreadInterruptedException) when (member.MayBeInterrupted)
                            {
                                _ = Interlocked.Increment(ref interrupted);
                            }
                            catch (ThreadInterruptedException exception)
                            {
                                throw new InvalidOperationException(
                                    $"{member.Name} was broken off and does not say that it can be.",
                                    exception
                                );
                            }

                            if (
                                domain.IsInReadSection
                                || rwLock.IsReadLockHeld
                                || rwLock.IsWriteLockHeld
                                || biased.IsHeldByCurrentThread
                            )
                            {
                                _ = Interlocked.Increment(ref inside);
                            }
                        }
                    }
                })),
        ];
        using var storm = new Background(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                Array.ForEach(users, user => user.Thread.Interrupt());
                Thread.SpinWait(200);
                _ = Thread.Yield();
            }
        });
        try
        {
            Array.ForEach(
                users,
                user => Assert.True(user.Thread.Join(TimeSpan.FromMinutes(3)), "A user was still running.")
            );
        }
        finally
        {
            Volatile.Write(ref stop, true);
        }

        Array.ForEach(users, user => user.Join());
        Assert.Equal(0, inside);
        Assert.True(interrupted > 0, "No wait was broken off, so this shows nothing.");

        // Nothing is held any more, nothing is left.
        Assert.True(rwLock.TryEnterWriteLock(Background.Bound));
        Assert.True(biased.TryEnter(Background.Bound));
        domain.Synchronize();
        domain.Barrier();
        Assert.Equal(
            (0L, 0L, 0L),
            (domain.Statistics.PendingCount, domain.Statistics.PendingBytes, domain.Statistics.FailedCallbacks)
        );
        domain.Dispose();
    }

    [Fact]
    public void The_smallest_and_the_largest_of_every_number_are_taken_and_what_is_beyond_is_refused()
    {
        var least = new RcuDomainOptions
        {
            Name = "x",
            BatchCount = 1,
            BatchBytes = 1,
            MaxPendingCount = 1,
            MaxPendingBytes = 1,
            MaxDelay = TimeSpan.Zero,
            BackPressureTimeout = TimeSpan.Zero,
        };
        var most = new RcuDomainOptions
        {
            Name = new string('x', 100_000),
            BatchCount = int.MaxValue,
            BatchBytes = long.MaxValue,
            MaxPendingCount = long.MaxValue,
            MaxPendingBytes = long.MaxValue,
            MaxDelay = TimeSpan.FromDays(1),
            BackPressureTimeout = TimeSpan.FromDays(1),
        };
        foreach (
            RcuDomainOptions options in new[]
            {
                least,
                most,
                least with
                {
                    BackPressureTimeout = Timeout.InfiniteTimeSpan,
                },
                least with
                {
                    BackPressureTimeout = TimeSpan.FromTicks(1),
                    MaxDelay = TimeSpan.FromTicks(1),
                },
                most with
                {
                    BatchCount = 1,
                    MaxPendingCount = 1,
                },
                most with
                {
                    BatchBytes = 1,
                    MaxPendingBytes = 1,
                },
            }
        )
        {
            using var domain = new RcuDomain(options);
            int reclaimed = 0;
            foreach (
                long bytes in new[] { 0, 1, uint.MaxValue, 1L + uint.MaxValue, long.MaxValue - 1, long.MaxValue, 0 }
            )
            {
                domain.Retire(0, item => reclaimed++, bytes);
                Assert.InRange(domain.Statistics.PendingBytes, 0, long.MaxValue);
            }

            domain.Barrier();
            Assert.Equal((7, 0L, 0L), (reclaimed, domain.Statistics.PendingCount, domain.Statistics.PendingBytes));
        }

        foreach (
            RcuDomainOptions refused in new[]
            {
                least with
                {
                    BatchCount = 0,
                },
                least with
                {
                    BatchCount = int.MinValue,
                },
                least with
                {
                    BatchBytes = 0,
                },
                least with
                {
                    BatchBytes = long.MinValue,
                },
                least with
                {
                    MaxPendingCount = 0,
                },
                least with
                {
                    MaxPendingCount = long.MinValue,
                },
                least with
                {
                    MaxPendingBytes = 0,
                },
                least with
                {
                    MaxPendingBytes = long.MinValue,
                },
                least with
                {
                    MaxDelay = TimeSpan.FromTicks(-1),
                },
                least with
                {
                    MaxDelay = TimeSpan.MinValue,
                },
                least with
                {
                    MaxDelay = TimeSpan.MaxValue,
                },
                least with
                {
                    BackPressureTimeout = TimeSpan.MinValue,
                },
                least with
                {
                    BackPressureTimeout = TimeSpan.MaxValue,
                },
                most with
                {
                    BackPressureTimeout = TimeSpan.FromDays(1) + TimeSpan.FromTicks(1),
                },
                most with
                {
                    BatchCount = int.MaxValue,
                    MaxPendingCount = int.MaxValue - 1,
                },
            }
        )
        {
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => new RcuDomain(refused));
        }

        using (var domain = new RcuDomain())
        {
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => domain.Retire(0, static _ => { }, -1));
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => domain.Retire(0, static _ => { }, long.MinValue));

            // A size below nothing is none.
            using var cell = new RcuCell<Counted>(new Counted(), domain, size: static _ => long.MinValue);
            cell.Replace(new Counted());
            domain.Barrier();
            Assert.Equal(0, domain.Statistics.PendingBytes);
        }

        var rwLock = new AsymmetricReaderWriterLock();
        var biased = new BiasedLock();
        foreach (
            TimeSpan timeout in new[]
            {
                TimeSpan.Zero,
                TimeSpan.FromTicks(1),
                TimeSpan.FromMilliseconds(int.MaxValue),
                Timeout.InfiniteTimeSpan,
            }
        )
        {
            Assert.True(rwLock.TryEnterReadLock(timeout));
            rwLock.ExitReadLock();
            Assert.True(rwLock.TryEnterWriteLock(timeout));
            rwLock.ExitWriteLock();
            Assert.True(biased.TryEnter(timeout));
            biased.Exit();
        }

        foreach (
            TimeSpan refused in new[]
            {
                TimeSpan.MinValue,
                TimeSpan.FromTicks(-1),
                TimeSpan.FromMilliseconds(-2),
                TimeSpan.FromMilliseconds(1.0 + int.MaxValue),
                TimeSpan.MaxValue,
            }
        )
        {
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => rwLock.TryEnterReadLock(refused));
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => rwLock.TryEnterWriteLock(refused));
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => biased.TryEnter(refused));
        }

        Assert.False(rwLock.IsReadLockHeld || rwLock.IsWriteLockHeld || biased.IsHeldByCurrentThread);
    }

    /// <summary>Throws for members that are public and not in the sweep.</summary>
    private static void Missing(Member[] members)
    {
        var named = members.SelectMany(member => member.Name.Split(' ')).ToHashSet();
        IEnumerable<string> there = Swept
            .SelectMany(type =>
                type.GetMethods(
                    BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly
                )
            )
            .Where(method => !method.IsSpecialName)
            .Select(method => $"{method.DeclaringType!.Name.Split('`')[0]}.{method.Name}");
        Assert.Empty(there.Where(name => !named.Contains(name)).Distinct());
    }

    private static Member[] Members(
        RcuDomain domain,
        RcuCell<Counted> cell,
        AsymmetricReaderWriterLock rwLock,
        BiasedLock biased
    )
    {
        TimeSpan brief = TimeSpan.FromMilliseconds(1);
        RcuGracePeriod poll = domain.StartPoll();
        return
        [
            new(
                "RcuDomain.EnterReadSection RcuReadSection.Dispose",
                false,
                () =>
                {
                    using RcuReadSection section = domain.EnterReadSection();
                    Thread.SpinWait(20);
                }
            ),
            new(
                "RcuDomain.GetReader RcuReader.EnterReadSection",
                false,
                () =>
                {
                    using RcuReadSection section = domain.GetReader().EnterReadSection();
                }
            ),
            new(
                "RcuDomain.EnterAsyncReadSection RcuAsyncReadSection.Dispose",
                false,
                () =>
                {
                    using RcuAsyncReadSection section = domain.EnterAsyncReadSection();
                    _ = cell.Read(section);
                }
            ),
            new("RcuDomain.Synchronize", false, domain.Synchronize),
            new("RcuDomain.Synchronize", false, () => domain.Synchronize(CancellationToken.None)),
            new("RcuDomain.TrySynchronize", false, () => _ = domain.TrySynchronize(brief)),
            new("RcuDomain.SynchronizeAsync", false, () => _ = domain.SynchronizeAsync()),
            new(
                "RcuDomain.StartPoll RcuDomain.Poll",
                false,
                () =>
                {
                    _ = domain.Poll(poll);
                    poll = domain.StartPoll();
                }
            ),
            new("RcuDomain.Retire", false, () => domain.Retire(new Counted(), 1)),
            new("RcuDomain.Retire", false, () => domain.Retire(0, static _ => { }, 1)),
            new("RcuDomain.Barrier", true, domain.Barrier),
            new("RcuDomain.Barrier", true, () => domain.Barrier(CancellationToken.None)),
            new("RcuDomain.TryBarrier", true, () => _ = domain.TryBarrier(brief)),
            new("RcuDomain.BarrierAsync", false, () => _ = domain.BarrierAsync()),
            new("RcuDomain.GetHolders", false, () => _ = domain.GetHolders()),
            new("RcuDomain.Dispose", true, End),
            new(
                "RcuCell.Read",
                false,
                () =>
                {
                    using RcuReadSection section = cell.Read(out Counted _);
                    _ = cell.Read(section);
                }
            ),
            new("RcuCell.Replace", false, () => cell.Replace(new Counted())),
            new(
                "RcuCell.TryReplace",
                false,
                () =>
                {
                    using RcuReadSection section = cell.Read(out Counted value);
                    _ = cell.TryReplace(value, new Counted());
                }
            ),
            new("RcuCell.Dispose", false, () => new RcuCell<Counted>(new Counted(), domain).Dispose()),
            new(
                "AsymmetricReaderWriterLock.EnterReadLock AsymmetricReaderWriterLock.ExitReadLock",
                true,
                () =>
                {
                    rwLock.EnterReadLock();
                    rwLock.ExitReadLock();
                }
            ),
            new(
                "AsymmetricReaderWriterLock.EnterReadScope ReadScope.Dispose",
                true,
                () =>
                {
                    using AsymmetricReaderWriterLock.ReadScope scope = rwLock.EnterReadScope();
                    Thread.SpinWait(20);
                }
            ),
            new(
                "AsymmetricReaderWriterLock.TryEnterReadLock",
                true,
                () => Exit(rwLock.TryEnterReadLock(brief), rwLock.ExitReadLock)
            ),
            new(
                "AsymmetricReaderWriterLock.EnterWriteLock AsymmetricReaderWriterLock.ExitWriteLock",
                true,
                () =>
                {
                    rwLock.EnterWriteLock();
                    rwLock.ExitWriteLock();
                }
            ),
            new(
                "AsymmetricReaderWriterLock.EnterWriteScope WriteScope.Dispose",
                true,
                () =>
                {
                    using AsymmetricReaderWriterLock.WriteScope scope = rwLock.EnterWriteScope();
                }
            ),
            new(
                "AsymmetricReaderWriterLock.TryEnterWriteLock",
                true,
                () => Exit(rwLock.TryEnterWriteLock(brief), rwLock.ExitWriteLock)
            ),
            new(
                "BiasedLock.Enter BiasedLock.Exit",
                true,
                () =>
                {
                    biased.Enter();
                    biased.Exit();
                }
            ),
            new(
                "BiasedLock.EnterScope Scope.Dispose",
                true,
                () =>
                {
                    using BiasedLock.Scope scope = biased.EnterScope();
                    Thread.SpinWait(20);
                }
            ),
            new("BiasedLock.TryEnter", true, () => Exit(biased.TryEnter(brief), biased.Exit)),
            new("BiasedLock.TryEnter", false, () => Exit(biased.TryEnter(), biased.Exit)),
        ];

        static void Exit(bool entered, Action exit)
        {
            if (entered)
            {
                exit();
            }
        }

        // Broken off, it can be called again, until the domain has ended.
        static void End()
        {
            var ending = new RcuDomain();
            int reclaimed = 0;
            ending.Retire(0, item => reclaimed++);
            ThreadInterruptedException? broken = null;
            while (true)
            {
                try
                {
                    ending.Dispose();
                    break;
                }
                catch (ThreadInterruptedException interruption)
                {
                    broken = interruption;
                }
            }

            if (reclaimed != 1)
            {
                throw new InvalidOperationException(
                    $"A domain that has been disposed of has reclaimed {reclaimed} of 1 items."
                );
            }

            if (broken is not null)
            {
                throw broken;
            }
        }
    }

    private sealed record Member(string Name, bool MayBeInterrupted, Action Use);

    private sealed class Deed(Action deed) : IDisposable
    {
        public void Dispose() => deed();
    }

    private sealed class Counted : IDisposable
    {
        private int _disposals;

        public void Dispose()
        {
            if (Interlocked.Increment(ref _disposals) > 1)
            {
                throw new InvalidOperationException("disposed of twice");
            }
        }
    }
}
