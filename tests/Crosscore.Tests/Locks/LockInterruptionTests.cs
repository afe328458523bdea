using System.Runtime.CompilerServices;
using Crosscore.Locks;
using Crosscore.Tests.Rcu;

namespace Crosscore.Tests.Locks;

/// <summary>
/// Leaving a lock wakes the thread that waits, for which a <see cref="ManualResetEventSlim"/> enters a monitor. An
/// interruption that meets a thread there must not come out of the exit, which has happened already, nor keep the
/// waiting thread asleep.
/// </summary>
public sealed class LockInterruptionTests
{
    [Fact]
    public void An_owner_that_is_interrupted_while_it_lets_go_of_a_biased_lock_wakes_the_revoker()
    {
        var gate = new BiasedLock();
        Leaving(gate.Enter, gate.Exit, gate.Enter, gate.Exit, () => LetGo(BiasOf(gate)!));
    }

    [Fact]
    public void A_reader_that_is_interrupted_while_it_leaves_wakes_the_writer()
    {
        var gate = new AsymmetricReaderWriterLock();
        Leaving(gate.EnterReadLock, gate.ExitReadLock, gate.EnterWriteLock, gate.ExitWriteLock, () => ReaderLeft(gate));
    }

    private static void Leaving(
        Action enter,
        Action exit,
        Action enterOther,
        Action exitOther,
        Func<ManualResetEventSlim?> wakeUp
    )
    {
        using var inside = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        bool leaving = false;
        bool interrupted = false;
        using var first = new Background(() =>
        {
            enter();
            exit(); // the bias is given to who leaves
            enter();
            exit(); // a biased lock is given to who leaves it
            enter();
            inside.Set();
            leave.Wait();
            Thread.CurrentThread.Interrupt();
            Volatile.Write(ref leaving, true);
            exit();
            try
            {
                Thread.Sleep(Timeout.Infinite);
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        });
        inside.Wait(TestContext.Current.CancellationToken);
        using var second = new Background(() =>
        {
            enterOther();
            exitOther();
        });

        // The monitor is made by the one who waits. Held here, so that the one who leaves has to wait for it and meets
        // the interruption, if it can be broken off there.
        Background.Until(() => wakeUp() is { } found && Monitor(found) is not null && Waits(second.Thread));
        lock (Monitor(wakeUp()!)!)
        {
            leave.Set();
            Background.Until(() => !first.Thread.IsAlive || (Volatile.Read(ref leaving) && Waits(first.Thread)));
        }

        first.Join();
        second.Join();
        Assert.True(interrupted);
    }

    private static bool Waits(Thread thread) => thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_bias")]
    private static extern ref Bias? BiasOf(BiasedLock gate);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_letGo")]
    private static extern ref ManualResetEventSlim? LetGo(Bias bias);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_readerLeft")]
    private static extern ref ManualResetEventSlim ReaderLeft(AsymmetricReaderWriterLock gate);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "m_lock")]
    private static extern ref object? Monitor(ManualResetEventSlim happened);
}
