using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Crosscore.Code;
using Crosscore.Rcu;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// What a program does on a bad day: it ends a domain under its readers, interrupts, throws, leaves sections open, and
/// takes the largest numbers.
/// </summary>
public sealed class RcuBadDayTests
{
    [Fact]
    public void No_grace_period_occupies_a_thread_of_the_pool()
    {
        var threads = new List<Thread>();
        RcuDomain[] domains =
        [
            .. Enumerable
                .Range(0, 8)
                .Select(_ => new RcuDomain(
                    null,
                    () =>
                    {
                        lock (threads)
                        {
                            threads.Add(Thread.CurrentThread);
                        }

                        AsymmetricFence.Heavy();
                    }
                )),
        ];
        RcuAsyncReadSection[] inside = [.. domains.Select(domain => domain.EnterAsyncReadSection())];
        RcuGracePeriod[] polls = [.. domains.Select(domain => domain.StartPoll())];
        Task[] tasks = [.. domains.Select(domain => domain.SynchronizeAsync(CancellationToken.None))];
        Background.Until(() => domains.All(domain => domain.GetHolders().Count == 1));
        Assert.All(tasks, task => Assert.False(task.IsCompleted));
        Array.ForEach(inside, section => section.Dispose());
        Array.ForEach(tasks, Background.AssertEnds);
        for (int i = 0; i < domains.Length; i++)
        {
            Assert.True(domains[i].Poll(polls[i]));
        }

        lock (threads)
        {
            Assert.DoesNotContain(threads, thread => thread.IsThreadPoolThread);
            _ = Assert.Single(threads.Distinct());
        }

        Array.ForEach(domains, domain => domain.Dispose());
    }

    [Fact]
    public void A_pool_of_few_threads_is_enough_for_any_number_of_grace_periods_and_for_those_who_block_on_them()
    {
        ChildResult child = ChildProcess.RunThisProgram(Child.WaitOnSmallPool);
        Assert.True(child.Status == 0, child.Errors);
        Assert.Equal("all sections were left\nall threads of the pool returned", child.Text.Trim());
    }

    [Fact]
    public void A_domain_that_is_disposed_of_waits_for_the_readers_that_are_inside()
    {
        var domain = new RcuDomain(NothingBeforeMarker);
        var first = new Counted();
        var second = new Counted();
        var cell = new RcuCell<Counted>(first, domain);
        using var leave = new ManualResetEventSlim();
        Background? readsFirst = null;
        Background? readsSecond = null;

        // In a callback, so that both enter after the grace period that Dispose waits for, and before it closes the
        // domain.
        domain.Retire(
            0,
            _ =>
            {
                readsFirst = Reader(cell, first, leave);
                cell.Replace(second);
                readsSecond = Reader(cell, second, leave);
            }
        );
        using var disposing = new Background(domain.Dispose);
        Background.Until(() => IsClosed(domain));
        cell.Dispose();
        Background.Until(() => first.Disposals + second.Disposals > 0 || domain.GetHolders().Count == 2);
        Assert.Equal(0, first.Disposals);
        Assert.Equal(0, second.Disposals);
        Assert.True(disposing.Thread.IsAlive);
        leave.Set();
        readsFirst!.Join();
        readsSecond!.Join();
        disposing.Join();
        Background.Until(() => first.Disposals == 1 && second.Disposals == 1);
    }

    [Fact]
    public void No_value_is_disposed_of_inside_of_a_section_while_the_domain_ends()
    {
        for (int round = 0; round < 100; round++)
        {
            var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero });
            var cell = new RcuCell<Counted>(new Counted(), domain);
            int seen = 0;
            int early = 0;
            Background[] threads =
            [
                .. Enumerable
                    .Range(0, 2)
                    .Select(reader => new Background(() =>
                        UntilClosed(() =>
                        {
                            using RcuReadSection section = cell.Read(out Counted value);
                            _ = Interlocked.Increment(ref seen);
                            Thread.SpinWait(20);
                            _ = Interlocked.Add(ref early, value.Disposals);
                        })
                    )),
                new Background(() => UntilClosed(() => cell.Replace(new Counted()))),
            ];
            Background.Until(() => Volatile.Read(ref seen) > 20);
            domain.Dispose();
            Array.ForEach(threads, thread => thread.Join());
            cell.Dispose();
            Assert.Equal(0, early);
        }

        static void UntilClosed(Action action)
        {
            try
            {
                while (true)
                {
                    action();
                }
            }
            catch (ObjectDisposedException) { }
        }
    }

    [Fact]
    public void A_thread_inside_of_a_section_of_a_domain_that_another_one_ends_is_refused_what_would_wait_for_itself()
    {
        var domain = new RcuDomain(NothingBeforeMarker);
        using var cell = new RcuCell<Counted>(new Counted(), domain, static _ => { });
        using var entered = new ManualResetEventSlim();
        using var ended = new ManualResetEventSlim();
        Background? reader = null;
        domain.Retire(
            0,
            item =>
            {
                reader = new Background(() =>
                {
                    using RcuReadSection section = domain.EnterReadSection();
                    entered.Set();
                    ended.Wait();
                    Assert.True(domain.IsInReadSection);
                    _ = cell.Read(section); // still protected
                    _ = Assert.Throws<InvalidOperationException>(domain.Dispose);
                    _ = Assert.Throws<InvalidOperationException>(domain.Synchronize);
                });
                entered.Wait();
            }
        );
        using var disposing = new Background(domain.Dispose);
        Background.Until(() => IsClosed(domain));
        ended.Set();
        reader!.Join();
    }

    [Fact]
    public void A_thread_that_is_interrupted_once_while_it_waits_for_readers_is_not_thrown_at_again_and_again()
    {
        using var domain = new RcuDomain();
        RcuAsyncReadSection inside = domain.EnterAsyncReadSection();
        using var reader = new HeldSection(domain);
        int thrown = 0;
        Thread? waiting = null;
        void Count(object? sender, System.Runtime.ExceptionServices.FirstChanceExceptionEventArgs first)
        {
            if (first.Exception is ThreadInterruptedException && Thread.CurrentThread == waiting)
            {
                thrown++;
            }
        }

        AppDomain.CurrentDomain.FirstChanceException += Count;
        try
        {
            using var writer = new Background(domain.Synchronize);
            waiting = writer.Thread;
            Background.Until(() => domain.GetHolders().Count == 2);
            writer.Thread.Interrupt();
            Background.Until(() => domain.GetHolders() is [{ Age.TotalMilliseconds: > 300 }, _]);
            reader.Leave(); // then it waits for the section of the other kind
            Background.Until(() => domain.GetHolders() is [{ Age.TotalMilliseconds: > 600 }]);
            inside.Dispose();
            writer.Join();
        }
        finally
        {
            AppDomain.CurrentDomain.FirstChanceException -= Count;
        }

        Assert.InRange(thrown, 1, 10);
    }

    [Fact]
    public void What_was_retired_to_the_default_domain_is_reclaimed_when_the_process_ends()
    {
        string folder = Directory.CreateTempSubdirectory("crosscore-").FullName;
        try
        {
            ChildResult child = ChildProcess.RunThisProgram(
                Child.ReplaceAndEnd,
                null,
                (RcuHazards.FolderVariable, folder)
            );
            Assert.True(child.Status == 0, child.Errors);
            Assert.Equal("first", File.ReadAllText(Path.Combine(folder, "first")));
            Assert.Equal("second", File.ReadAllText(Path.Combine(folder, "second")));
            Assert.Equal("retired by a callback", File.ReadAllText(Path.Combine(folder, "third")));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData(Child.EndWithReaderOfDefault)]
    [InlineData(Child.EndInsideOfDefault)]
    [InlineData(Child.EndInCallbackOfDefault)]
    public void A_process_ends_although_what_was_retired_to_the_default_domain_cannot_be_reclaimed(string how)
    {
        ChildResult child = ChildProcess.RunThisProgram(how);
        Assert.True(child.Status == 0, child.Errors);
        Assert.Equal("leaving", child.Text.Trim());
    }

    [Fact]
    public void A_plugin_that_used_RCU_and_its_shared_thread_can_be_unloaded()
    {
        WeakReference context = UseInPlugin();
        Background.Until(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return !context.IsAlive;
        });

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference UseInPlugin()
        {
            var context = new AssemblyLoadContext("plugin", isCollectible: true);
            Type type = context
                .LoadFromAssemblyPath(typeof(RcuDomain).Assembly.Location)
                .GetType(typeof(RcuDomain).FullName!)!;
            object domain = type.GetProperty(nameof(RcuDomain.Default))!.GetValue(null)!;
            Assert.NotSame(typeof(RcuDomain), domain.GetType());
            object poll = type.GetMethod(nameof(RcuDomain.StartPoll))!.Invoke(domain, null)!;
            MethodInfo isOver = type.GetMethod(nameof(RcuDomain.Poll))!;
            Background.Until(() => (bool)isOver.Invoke(domain, [poll])!);
            _ = type.GetMethod(nameof(RcuDomain.Retire), [typeof(IDisposable), typeof(long)])!
                .Invoke(domain, [new MemoryStream(), 0L]);
            context.Unload(); // reclaims it
            return new WeakReference(context);
        }
    }

    [Fact]
    public void A_barrier_of_the_default_domain_throws_no_exception_of_another_callers_callback()
    {
        var failure = new InvalidOperationException("another library's callback failed");
        bool unobserved = false;
        void Note(object? sender, UnobservedTaskExceptionEventArgs note) =>
            unobserved |= note.Exception.InnerExceptions.Contains(failure);
        TaskScheduler.UnobservedTaskException += Note;
        try
        {
            RcuDomain.Default.Retire(failure, static failure => throw failure);
            RcuDomain.Default.Barrier();

            // It is not lost either: without a handler it ends where the exceptions of tasks end that nothing has
            // looked at.
            Background.Until(() =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return Volatile.Read(ref unobserved);
            });
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Note;
        }

        Exception? told = null;
        void Hear(Exception heard) => told = heard;
        RcuDomain.Default.CallbackFailed += Hear;
        RcuDomain.Default.Retire(failure, static failure => throw failure);
        RcuDomain.Default.Barrier();
        RcuDomain.Default.CallbackFailed -= Hear;
        Assert.Same(failure, told);
    }

    [Fact]
    public void A_mode_of_the_fence_that_is_unavailable_is_reported_by_the_documented_exception()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "on other systems the mode can be had");
        ChildResult child = ChildProcess.RunThisProgram(
            Child.UseMissingFence,
            null,
            (FenceDecision.VariableName, "Runtime")
        );
        Assert.True(child.Status == 0, child.Errors);
        string[] lines = child.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(5, lines.Length);
        Assert.All(
            lines,
            line => Assert.Matches("^InvalidOperationException: AsymmetricFence: the mode Runtime, chosen by ", line)
        );
    }

    [Fact]
    public void A_copy_of_a_section_that_was_left_protects_nothing_and_is_refused()
    {
        using var domain = new RcuDomain();
        using var cell = new RcuCell<Counted>(new Counted(), domain);
        RcuReadSection outer = domain.EnterReadSection();
        RcuReadSection inner = domain.EnterReadSection();
        RcuReadSection copyOfOuter = outer;
        RcuReadSection copyOfInner = inner;
        _ = cell.Read(copyOfInner);
        _ = cell.Read(copyOfOuter);
        inner.Dispose();
        Assert.Contains("has been left", Refusal(cell, copyOfInner), StringComparison.Ordinal);
        _ = cell.Read(copyOfOuter);
        outer.Dispose();
        Assert.Contains("has been left", Refusal(cell, copyOfInner), StringComparison.Ordinal);
        Assert.Contains("has been left", Refusal(cell, copyOfOuter), StringComparison.Ordinal);

        static string Refusal(RcuCell<Counted> cell, in RcuReadSection section)
        {
            try
            {
                _ = cell.Read(section);
                return "";
            }
            catch (InvalidOperationException refusal)
            {
                return refusal.Message;
            }
        }
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(3, false)]
    [InlineData(1, true)]
    public void A_callback_that_leaves_a_section_open_is_reported_and_holds_nothing_up(int depth, bool ofAnother)
    {
        using var other = new RcuDomain();
        using var domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero });
        RcuDomain entered = ofAnother ? other : domain;
        int reclaimed = 0;
        domain.Retire(
            0,
            item =>
            {
                for (int i = 0; i < depth; i++)
                {
                    _ = entered.EnterReadSection();
                }

                using RcuReadSection third = (ofAnother ? domain : other).EnterReadSection();
            }
        );
        var barrier = new Background(() =>
            Assert.Contains(
                "left a read section",
                Assert.Throws<AggregateException>(domain.Barrier).InnerException!.Message,
                StringComparison.Ordinal
            )
        );
        barrier.Join();
        domain.Retire(0, _ => reclaimed++);
        new Background(domain.Barrier).Join();
        new Background(entered.Synchronize).Join();
        Assert.Equal(1, reclaimed);
    }

    [Fact]
    public void A_size_that_throws_leaves_the_cell_as_it_was()
    {
        using var domain = new RcuDomain();
        var reclaimed = new List<int>();
        bool fails = true;
        using var cell = new RcuCell<int[]>(
            [1],
            domain,
            old => reclaimed.Add(old[0]),
            size: _ => fails ? throw new InvalidOperationException("size") : 4
        );
        int[] mine = [2];
        Assert.Equal("size", Assert.Throws<InvalidOperationException>(() => cell.Replace(mine)).Message);
        int[] held = Held(cell);
        Assert.Equal(1, held[0]);
        Assert.Equal("size", Assert.Throws<InvalidOperationException>(() => cell.TryReplace(held, mine)).Message);
        Assert.False(cell.TryReplace(mine, mine)); // not asked for a value that is not there
        Assert.Equal(1, Held(cell)[0]);
        domain.Barrier();
        Assert.Empty(reclaimed);
        fails = false;
        cell.Replace(mine);
        domain.Barrier();
        Assert.Equal([1], reclaimed);

        static int[] Held(RcuCell<int[]> cell)
        {
            using RcuReadSection section = cell.Read(out int[] value);
            return value;
        }
    }

    [Fact]
    public async Task Retiring_code_inside_of_a_section_that_crosses_an_await_does_not_wait_for_itself_forever()
    {
        using var domain = new RcuDomain();
        CodeReclaimer reclaimer = CodeReclaimer.AfterReadSections(domain);
        using SealedCode code = SealedCode.Seal(MachineCode.Return42);
        using (domain.EnterAsyncReadSection())
        {
            using var writer = new Background(() =>
            {
                for (int count = 0; count < CodeReclaimer.MaxSegments + 10; count++)
                {
                    reclaimer.Retire(code.Install());
                }
            });
            await Task.Run(writer.Join, TestContext.Current.CancellationToken);
            Assert.Equal(CodeReclaimer.MaxSegments + 10, reclaimer.Waiting);
        }

        Assert.Equal(CodeReclaimer.MaxSegments + 10, reclaimer.WaitAndReclaim());
        reclaimer.Retire(code.Install());
        _ = reclaimer.WaitAndReclaim();
        Assert.Equal(0, reclaimer.Waiting);
    }

    [Fact]
    public void The_largest_sizes_do_not_wrap_around_and_are_held_against_the_limit()
    {
        using var domain = new RcuDomain(
            new RcuDomainOptions { MaxPendingBytes = long.MaxValue, BackPressureTimeout = TimeSpan.FromMilliseconds(1) }
        );
        using (domain.EnterReadSection())
        {
            for (int i = 0; i < 5; i++)
            {
                domain.Retire(0, static _ => { }, long.MaxValue);
                domain.Retire(0, static _ => { }, 1);
                Assert.Equal(long.MaxValue, domain.Statistics.PendingBytes);
            }

            Assert.Equal(10, domain.Statistics.Overruns); // each at the limit
        }

        domain.Barrier();
        Assert.Equal(0, domain.Statistics.PendingBytes);
    }

    /// <summary>
    /// What is retired stays until something waits for it, so the callback runs in the batch of the marker that Dispose
    /// waits for.
    /// </summary>
    private static RcuDomainOptions NothingBeforeMarker { get; } = new() { MaxDelay = TimeSpan.FromDays(1) };

    private static bool IsClosed(RcuDomain domain)
    {
        try
        {
            domain.EnterAsyncReadSection().Dispose();
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    private static Background Reader(RcuCell<Counted> cell, Counted expected, ManualResetEventSlim leave)
    {
        using var entered = new ManualResetEventSlim();
        var reader = new Background(() =>
        {
            using RcuReadSection section = cell.Read(out Counted value);
            Assert.Same(expected, value);
            entered.Set();
            leave.Wait();
            Assert.Equal(0, value.Disposals);
        });
        entered.Wait();
        return reader;
    }

    /// <summary>A thread that is inside of a section until it is told to leave.</summary>
    private sealed class HeldSection : IDisposable
    {
        private readonly ManualResetEventSlim _leave = new();
        private readonly Background _thread;

        public HeldSection(RcuDomain domain)
        {
            using var entered = new ManualResetEventSlim();
            _thread = new Background(() =>
            {
                using RcuReadSection section = domain.EnterReadSection();
                entered.Set();
                _leave.Wait();
            });
            entered.Wait();
        }

        public void Leave()
        {
            _leave.Set();
            _thread.Join();
        }

        public void Dispose()
        {
            Leave();
            _leave.Dispose();
        }
    }

    private sealed class Counted : IDisposable
    {
        private int _disposals;

        public int Disposals => Volatile.Read(ref _disposals);

        public void Dispose() => Interlocked.Increment(ref _disposals);
    }
}
