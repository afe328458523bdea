using System.Runtime.CompilerServices;
using Crosscore.Rcu;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// What is left behind when the kernel refuses a barrier or a thread, and when another thread interrupts the thread
/// that works for others. Nothing may be lost, and nothing may be claimed that is not so.
/// </summary>
public sealed class RcuFailureTests : IDisposable
{
    private readonly RcuDomain _domain;
    private volatile Exception? _refusal;
    private int _refused;

    public RcuFailureTests() => _domain = new RcuDomain(new RcuDomainOptions { MaxDelay = TimeSpan.Zero }, Heavy);

    public void Dispose()
    {
        _refusal = null;
        _domain.Dispose();
    }

    [Fact]
    public void Interrupting_the_thread_that_runs_a_grace_period_for_others_does_not_end_it()
    {
        var readers = new ReaderRegistry();
        using var atBarrier = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        bool interrupted = false;
        var gracePeriods = new GracePeriods(
            _domain,
            readers,
            new AsyncSections(),
            () =>
            {
                atBarrier.Set();
                goOn.Wait();
                Thread.CurrentThread.Interrupt();
            }
        );
        using var leader = new Background(() =>
        {
            gracePeriods.Wait();
            try
            {
                Thread.Sleep(Timeout.Infinite);
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        });
        atBarrier.Wait(TestContext.Current.CancellationToken);
        lock (Gate(readers))
        {
            // The leader's next step needs the gate. It stays before it, or, if it can be broken off there, it is gone.
            goOn.Set();
            Background.Until(() =>
                !leader.Thread.IsAlive || leader.Thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin)
            );
        }

        leader.Join();
        Assert.Equal(1, gracePeriods.Completed);
        Assert.True(interrupted);
    }

    [Fact]
    public void A_grace_period_whose_barrier_was_refused_waits_for_no_reader()
    {
        using var entered = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        using var reader = new Background(() =>
        {
            using RcuReadSection section = _domain.EnterReadSection();
            entered.Set();
            leave.Wait();
        });
        entered.Wait(TestContext.Current.CancellationToken);
        _refusal = new TimeoutException("no memory");
        _ = Assert.Throws<TimeoutException>(_domain.Synchronize);
        Assert.Empty(_domain.GetHolders());
        Assert.Equal(0, _domain.Statistics.GracePeriods);

        _refusal = null;
        using var writer = new Background(_domain.Synchronize);
        Background.Until(() => _domain.GetHolders() is [{ Thread: { } holder }] && holder == reader.Thread);
        leave.Set();
        writer.Join();
    }

    [Fact]
    public void A_refusal_that_no_caller_waits_for_is_no_unobserved_exception()
    {
        var refusal = new TimeoutException("no memory");
        var control = new TimeoutException("dropped by the test");
        bool unobserved = false;
        bool controlSeen = false;
        void Note(object? sender, UnobservedTaskExceptionEventArgs note)
        {
            unobserved |= note.Exception.InnerExceptions.Contains(refusal);
            controlSeen |= note.Exception.InnerExceptions.Contains(control);
        }

        TaskScheduler.UnobservedTaskException += Note;
        try
        {
            _refusal = refusal;
            Drop(control);
            for (int i = 0; i < 100 && !controlSeen; i++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Note;
        }

        Assert.True(controlSeen, "A task whose exception was not observed was not reported, so this shows nothing.");
        Assert.False(unobserved);
    }

    [Fact]
    public void Disposing_of_a_domain_whose_barrier_is_refused_says_so_and_resumes_at_the_next_call()
    {
        int reclaimed = 0;
        _refusal = new TimeoutException("no memory");
        _domain.Retire(0, _ => Interlocked.Increment(ref reclaimed));
        _ = Assert.Throws<TimeoutException>(_domain.Dispose);
        Assert.Equal(0, reclaimed);

        // It has not been closed.
        using (_domain.EnterReadSection()) { }

        _domain.Retire(0, _ => Interlocked.Increment(ref reclaimed));
        _refusal = null;
        _domain.Dispose();
        Assert.Equal(2, reclaimed);
        _ = Assert.Throws<ObjectDisposedException>(() => _domain.Retire(0, static _ => { }));
        _domain.Dispose();
    }

    [Fact]
    public void What_is_retired_while_no_thread_can_be_started_is_the_domains_and_is_reclaimed_later()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "uses setrlimit(2)");
        ChildResult child = ChildProcess.RunThisProgram(
            Child.RetireWithoutThreads,
            null,
            ("DOTNET_Thread_DefaultStackSize", "10000000")
        );
        Assert.True(child.Status == 0, child.Errors);
        Assert.Equal(
            ["retired", "Barrier: OutOfMemoryException", "reclaimed 0", "retired again", "reclaimed 2"],
            child.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        );
    }

    private void Heavy()
    {
        if (_refusal is { } refusal)
        {
            _ = Interlocked.Increment(ref _refused);
            throw refusal;
        }

        AsymmetricFence.Heavy();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Drop(Exception control)
    {
        RcuGracePeriod asked = _domain.StartPoll();
        Background.Until(() => Volatile.Read(ref _refused) > 0);
        Assert.False(_domain.Poll(asked));
        _ = Task.FromException(control);

        // Asked again by a poll after the first pass, and refused again: the first task is certainly done with.
        Background.Until(() => _domain.Poll(asked) || Volatile.Read(ref _refused) > 1);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_gate")]
    private static extern ref Lock Gate(ReaderRegistry registry);
}
