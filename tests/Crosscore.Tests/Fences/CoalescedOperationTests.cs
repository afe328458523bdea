using System.Collections.Concurrent;
using System.Diagnostics;
using Crosscore.Tests.Rcu;
using Crosscore.Threads;

namespace Crosscore.Tests.Fences;

/// <summary>Who is served by which run, with an operation that the test holds in its hand.</summary>
public sealed class CoalescedOperationTests
{
    [Fact]
    public void Callers_during_a_run_share_the_next_one_and_are_not_served_by_the_one_begun_before()
    {
        var run = new HeldOperation();
        var shared = new CoalescedOperation(run.Invoke);
        Thread first = Start(shared.RunOrJoin);
        run.WaitUntilBegun(1);

        Thread[] late = [.. Enumerable.Range(0, 15).Select(_ => Start(shared.RunOrJoin))];
        Until(() => shared.RequestCount == 16);
        run.Release();
        first.Join();
        run.WaitUntilBegun(2);

        // The run that began before they asked is over, and none of them has returned for it.
        Assert.All(late, thread => Assert.True(thread.IsAlive));
        run.Release();
        Array.ForEach(late, thread => thread.Join());
        Assert.Equal(2, shared.RunCount);
    }

    [Fact]
    public async Task Callers_who_do_not_block_are_served_by_the_shared_thread_or_by_one_who_blocks()
    {
        var run = new HeldOperation();
        var shared = new CoalescedOperation(run.Invoke);
        Task alone = shared.RunOrJoinAsync();
        run.WaitUntilBegun(1);
        Task late = shared.RunOrJoinAsync();
        Thread blocking = Start(shared.RunOrJoin);
        Until(() => shared.RequestCount == 3);
        run.Release();
        await alone;
        run.WaitUntilBegun(2);
        Assert.False(late.IsCompleted);
        run.Release();
        await late;
        blocking.Join();
        Assert.Equal(2, shared.RunCount);
    }

    [Fact]
    public async Task A_run_that_throws_throws_for_all_callers_that_it_was_to_serve_and_for_no_other()
    {
        var run = new HeldOperation();
        var shared = new CoalescedOperation(run.Invoke);
        var errors = new ConcurrentBag<Exception>();
        Thread first = Start(() => Record(errors, shared.RunOrJoin));
        run.WaitUntilBegun(1);
        Thread[] late = [.. Enumerable.Range(0, 3).Select(_ => Start(() => Record(errors, shared.RunOrJoin)))];
        Task task = shared.RunOrJoinAsync();
        Until(() => shared.RequestCount == 5);
        run.Release();
        first.Join();
        Assert.Empty(errors);
        run.WaitUntilBegun(2);
        run.Release(new InvalidOperationException("no memory"));
        Array.ForEach(late, thread => thread.Join());
        _ = await Assert.ThrowsAsync<InvalidOperationException>(() => task);
        Assert.Equal(3, errors.Count);

        // Nothing is stuck: the next caller gets a separate run.
        Thread next = Start(shared.RunOrJoin);
        run.WaitUntilBegun(3);
        run.Release();
        next.Join();
    }

    [Fact]
    public void A_thread_that_is_interrupted_while_it_waits_is_served_nevertheless_and_interrupted_afterwards()
    {
        var run = new HeldOperation();
        var shared = new CoalescedOperation(run.Invoke);
        Thread first = Start(shared.RunOrJoin);
        run.WaitUntilBegun(1);
        bool interrupted = false;
        bool served = false;
        Thread late = Start(() =>
        {
            shared.RunOrJoin();
            served = true;
            try
            {
                Thread.Sleep(Timeout.Infinite);
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        });
        Until(() => shared.RequestCount == 2);
        late.Interrupt();
        run.Release();
        run.WaitUntilBegun(2);
        run.Release();
        first.Join();
        late.Join();
        Assert.True(served);
        Assert.True(interrupted);
    }

    [Fact]
    public void No_caller_returns_before_a_run_that_began_after_the_call()
    {
        // Each run draws its number when it begins. A caller reads the number of runs begun before it asks; when it
        // returns, a run with a higher number must be over.
        long begun = 0;
        long ended = 0;
        int early = 0;
        var shared = new CoalescedOperation(() =>
        {
            long number = Interlocked.Increment(ref begun);
            Thread.SpinWait(50);
            Volatile.Write(ref ended, number);
        });
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, 8)
                .Select(_ =>
                    Start(() =>
                    {
                        for (int i = 0; i < 5_000; i++)
                        {
                            long before = Volatile.Read(ref begun);
                            shared.RunOrJoin();
                            if (Volatile.Read(ref ended) <= before)
                            {
                                _ = Interlocked.Increment(ref early);
                            }
                        }
                    })
                ),
        ];
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(0, early);
        Assert.Equal(40_000, shared.RequestCount);
        Assert.Equal(begun, shared.RunCount);
    }

    [Fact]
    public void A_synchronization_context_that_does_not_return_holds_up_no_other_caller()
    {
        using var mayRun = new ManualResetEventSlim();
        var shared = new CoalescedOperation(mayRun.Wait);
        using var context = new StuckContext();
        using var asked = new ManualResetEventSlim();
        Thread caller = Start(() =>
        {
            SynchronizationContext.SetSynchronizationContext(context);
            _ = AwaitAsync();
            asked.Set();
        });
        asked.Wait(TestContext.Current.CancellationToken);
        mayRun.Set();
        context.Posted.Wait(TestContext.Current.CancellationToken);
        caller.Join();
        Background.AssertEnds(shared.RunOrJoinAsync());
        context.Return.Set();

        async Task AwaitAsync() => await shared.RunOrJoinAsync();
    }

    private static Thread Start(Action action)
    {
        var thread = new Thread(() => action()) { IsBackground = true };
        thread.Start();
        return thread;
    }

    private static void Record(ConcurrentBag<Exception> errors, Action action)
    {
        try
        {
            action();
        }
        catch (InvalidOperationException error)
        {
            errors.Add(error);
        }
    }

    private static void Until(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(30)));

    /// <summary>
    /// An operation that continues when it is told to. It waits without a wait that could be interrupted, as the
    /// operations of the library do.
    /// </summary>
    private sealed class HeldOperation
    {
        private int _begun;
        private int _released;
        private Exception? _error;

        public void Invoke()
        {
            int run = Interlocked.Increment(ref _begun);
            long began = Stopwatch.GetTimestamp();
            while (Volatile.Read(ref _released) < run)
            {
                Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(30));
                _ = Thread.Yield();
            }

            if (Interlocked.Exchange(ref _error, null) is { } error)
            {
                throw error;
            }
        }

        public void WaitUntilBegun(int run) => Until(() => Volatile.Read(ref _begun) == run);

        public void Release(Exception? error = null)
        {
            _error = error;
            _ = Interlocked.Increment(ref _released);
        }
    }

    private sealed class StuckContext : SynchronizationContext, IDisposable
    {
        public ManualResetEventSlim Posted { get; } = new();

        public ManualResetEventSlim Return { get; } = new();

        public override void Post(SendOrPostCallback d, object? state)
        {
            Posted.Set();
            Return.Wait();
        }

        public void Dispose() => Return.Set();
    }
}
