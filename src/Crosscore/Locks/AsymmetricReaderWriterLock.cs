using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Rcu;
using Crosscore.Threads;

namespace Crosscore.Locks;

/// <summary>
/// A reader-writer lock whose readers write only memory of their own and execute no interlocked operation and no fence,
/// so that readers on different processors do not disturb each other. A writer pays for all with a process-wide barrier
/// and a look at every thread that ever read under such a lock.
/// </summary>
/// <remarks>
/// <para>For what is read all the time and written now and then: a write costs some microseconds more than with
/// <see cref="ReaderWriterLockSlim"/>.</para>
/// <para>Recursion: a thread may enter for reading several times, also while a writer waits, and must exit as often.
/// Everything else throws <see cref="LockRecursionException"/>, because it would wait for itself: writing inside of
/// writing or of reading, reading inside of writing.</para>
/// <para>Fairness: a waiting writer holds new readers back, so readers cannot starve it. Readers held back and other
/// writers wait together before a <see cref="Lock"/>, which lets nobody wait for ever, but keeps no order.</para>
/// <para>Bound to the thread: not for sections with <c>await</c> inside. The scopes are ref structs, so the compiler
/// refuses that.</para>
/// <para>Readers see everything that writers before them did, and writers come after everything that readers before
/// them did, on weakly ordered processors too. A thread that ends inside of a read section counts as having left it.
/// One that ends inside of a write section leaves the lock closed, and others wait for ever, as with
/// <see cref="Lock"/>.</para>
/// <para>Models: litmus/locks/ReaderWriterLock*.litmus. The idea of a visible reader and a revoking writer is that of
/// Dice and Kogan, BRAVO: Biased Locking for Reader-Writer Locks (2019).</para>
/// </remarks>
[StructLayout(LayoutKind.Explicit)]
[SuppressMessage(
    "Design",
    "CA1001",
    Justification = "A ManualResetEventSlim whose wait handle nobody asks for holds nothing that must be released."
)]
public sealed class AsymmetricReaderWriterLock
{
    private static readonly TimeSpan LookForReaders = TimeSpan.FromSeconds(1);
    private static long s_lastId;

    // Readers read the next two; only writers write the flag, and nothing else that anybody writes lies within 128
    // bytes.
    [FieldOffset(120)]
    private readonly long _id = Interlocked.Increment(ref s_lastId);

    [FieldOffset(128)]
    private int _writer;

    // Held by the writer, and by a reader for the moment in which it announces itself after a writer has left.
    [FieldOffset(264)]
    private readonly Lock _mutex = new();

    // Set by a reader that has left and sees a writer.
    [FieldOffset(272)]
    private readonly ManualResetEventSlim _readerLeft = new();

    /// <summary>Whether this thread is inside of a read section.</summary>
    public bool IsReadLockHeld => ReaderLine.Current.Holds(_id);

    /// <summary>Whether this thread is inside of the write section.</summary>
    public bool IsWriteLockHeld => _mutex.IsHeldByCurrentThread;

    /// <summary>
    /// Enters for reading, together with any number of other readers; waits while a writer is inside or waits.
    /// </summary>
    /// <exception cref="LockRecursionException">This thread is inside for writing.</exception>
    /// <exception cref="ThreadInterruptedException">While waiting; the lock was not entered.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void EnterReadLock() => Read(out _);

    /// <summary>The same; the result's <see cref="ReadScope.Dispose"/> exits. The quickest way to read.</summary>
    /// <inheritdoc cref="EnterReadLock" path="/exception"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ReadScope EnterReadScope()
    {
        ReaderLine line = Read(out int entry);
        return new ReadScope(this, line, entry);
    }

    /// <summary>Enters for reading, or gives up after a time.</summary>
    /// <param name="timeout">At most <see cref="int.MaxValue"/> milliseconds; <see cref="Timeout.InfiniteTimeSpan"/>
    /// waits for ever.</param>
    /// <returns>Whether the lock was entered.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Another negative time, or a longer one.</exception>
    /// <exception cref="LockRecursionException">This thread is inside for writing.</exception>
    /// <exception cref="ThreadInterruptedException">While waiting; the lock was not entered.</exception>
    public bool TryEnterReadLock(TimeSpan timeout)
    {
        var deadline = new Deadline(timeout);
        ReaderLine line = ReaderLine.Current;
        int entry = line.Announce(_id);
        AsymmetricFence.Light();
        return Volatile.Read(ref _writer) == 0 || ReadAfterWriter(line, ref entry, deadline);
    }

    /// <summary>Exits a read section. A writer comes after everything that was done in it.</summary>
    /// <exception cref="SynchronizationLockException">This thread is not inside for reading. Nothing was
    /// changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void ExitReadLock()
    {
        if (!ReaderLine.Current.TryWithdrawNewest(_id))
        {
            ThrowNotReading();
        }

        WakeWriter();
    }

    /// <summary>Enters for writing, alone.</summary>
    /// <exception cref="LockRecursionException">This thread is inside already, for reading or for writing.</exception>
    /// <exception cref="ThreadInterruptedException">While waiting; the lock was not entered.</exception>
    /// <exception cref="MembarrierException">The process-wide barrier failed; the lock was not entered.</exception>
    public void EnterWriteLock() => Write(Deadline.Never);

    /// <summary>The same; the result's <see cref="WriteScope.Dispose"/> exits.</summary>
    /// <inheritdoc cref="EnterWriteLock" path="/exception"/>
    public WriteScope EnterWriteScope()
    {
        Write(Deadline.Never);
        return new WriteScope(this);
    }

    /// <summary>Enters for writing, or gives up after a time.</summary>
    /// <param name="timeout">At most <see cref="int.MaxValue"/> milliseconds; <see cref="Timeout.InfiniteTimeSpan"/>
    /// waits for ever.</param>
    /// <returns>Whether the lock was entered.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Another negative time, or a longer one.</exception>
    /// <inheritdoc cref="EnterWriteLock" path="/exception"/>
    public bool TryEnterWriteLock(TimeSpan timeout) => Write(new Deadline(timeout));

    /// <summary>
    /// Exits the write section. Readers and writers that come later see everything that was done in it.
    /// </summary>
    /// <exception cref="SynchronizationLockException">This thread is not inside for writing. Nothing was
    /// changed.</exception>
    public void ExitWriteLock()
    {
        if (!_mutex.IsHeldByCurrentThread)
        {
            throw new SynchronizationLockException(
                "The lock is not held for writing by this thread, so it cannot release it."
            );
        }

        // A release store. Pairs with the acquire load in Read: a reader that sees no writer sees what the last one
        // did.
        Volatile.Write(ref _writer, 0);
        _mutex.Exit();
    }

    [DoesNotReturn]
    private static void ThrowNotReading() =>
        throw new SynchronizationLockException(
            "The lock is not held for reading by this thread, so it cannot release it."
        );

    /// <remarks>
    /// Store, light fence, look. Pairs with <see cref="Write"/>, which stores, passes a process-wide barrier and looks:
    /// at least one of the two sees the other. Fails without: litmus/locks/ReaderWriterLock.NoBarrier.litmus.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ReaderLine Read(out int entry)
    {
        ReaderLine line = ReaderLine.Current;
        entry = line.Announce(_id);
        AsymmetricFence.Light();
        if (Volatile.Read(ref _writer) != 0)
        {
            ReadAfterWriter(line, ref entry, Deadline.Never);
        }

        return line;
    }

    private bool ReadAfterWriter(ReaderLine line, ref int entry, Deadline deadline)
    {
        if (line.Holds(_id, below: entry))
        {
            return true; // the writer waits for this thread anyway; to wait for the writer would be to wait for oneself
        }

        line.TryWithdraw(entry, _id);
        if (_mutex.IsHeldByCurrentThread)
        {
            throw new LockRecursionException(
                "A thread that holds the lock for writing cannot enter it for reading: it would wait for itself."
            );
        }

        WakeWriter();
        if (!_mutex.TryEnter(deadline.Left))
        {
            return false;
        }

        // Whoever writes next takes the mutex after this, and so sees the announcement:
        // litmus/locks/ReaderWriterLock.AfterWriter.litmus.
        try
        {
            entry = line.Announce(_id);
        }
        finally
        {
            _mutex.Exit();
        }

        return true;
    }

    /// <remarks>
    /// After the withdrawal a light fence and a look. Pairs with the process-wide barrier in <see cref="Write"/>:
    /// either the writer sees that the reader has left, or the reader sees the writer and wakes it. Fails without:
    /// litmus/locks/ReaderWriterLock.WakeUp.NoBarrier.litmus.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void WakeWriter()
    {
        AsymmetricFence.Light();
        if (Volatile.Read(ref _writer) != 0)
        {
            SetReaderLeft();
        }
    }

    // Apart, so that leaving stays small.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void SetReaderLeft()
    {
        using var steady = new Uninterrupted();
        steady.Set(_readerLeft);
    }

    private bool Write(Deadline deadline)
    {
        if (_mutex.IsHeldByCurrentThread)
        {
            throw new LockRecursionException(
                "This thread holds the lock for writing already; write sections do not nest."
            );
        }

        if (ReaderLine.Current.Holds(_id))
        {
            throw new LockRecursionException(
                "A thread that holds the lock for reading cannot enter it for "
                    + "writing: it would wait for itself. Exit the read section first."
            );
        }

        if (!_mutex.TryEnter(deadline.Left))
        {
            return false;
        }

        bool entered = false;
        try
        {
            Volatile.Write(ref _writer, 1);

            // Pairs with the light fences of Read and WakeWriter.
            AsymmetricFence.Heavy();
            entered = WaitForReaders(deadline);
            return entered;
        }
        finally
        {
            if (!entered)
            {
                Volatile.Write(ref _writer, 0);
                _mutex.Exit();
            }
        }
    }

    private bool WaitForReaders(Deadline deadline)
    {
        while (true)
        {
            // Reset before the look: a reader that leaves after the look sets it again.
            _readerLeft.Reset();
            if (!IsAnybodyReading())
            {
                return true;
            }

            // Woken early now and then, for readers that ended inside wake nobody.
            if (!_readerLeft.Wait(deadline.Slice(LookForReaders)) && deadline.IsOver)
            {
                return !IsAnybodyReading();
            }
        }
    }

    private bool IsAnybodyReading()
    {
        // Read after the barrier: a thread that joins later sees the flag.
        for (ReaderLine? line = ReaderLines.All.Newest; line is not null; line = (ReaderLine?)line.Next)
        {
            if (line.Holds(_id) && line.IsOwnerAlive)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// A read section; it ends with <see cref="Dispose"/>. A ref struct, so it stays on its thread and never crosses an
    /// <c>await</c>.
    /// </summary>
    public readonly ref struct ReadScope : IDisposable
    {
        private readonly AsymmetricReaderWriterLock? _lock;
        private readonly ReaderLine? _line;
        private readonly int _entry;

        internal ReadScope(AsymmetricReaderWriterLock @lock, ReaderLine line, int entry)
        {
            _lock = @lock;
            _line = line;
            _entry = entry;
        }

        /// <summary>
        /// Exits. A default scope does nothing; a second time, or a copy, throws unless the thread has entered again
        /// meanwhile, whose section then ends.
        /// </summary>
        /// <exception cref="SynchronizationLockException">The section has ended. Nothing was changed.</exception>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose()
        {
            if (_lock is not null)
            {
                if (!_line!.TryWithdraw(_entry, _lock._id))
                {
                    ThrowNotReading();
                }

                _lock.WakeWriter();
            }
        }
    }

    /// <summary>The write section; it ends with <see cref="Dispose"/>.</summary>
    public readonly ref struct WriteScope : IDisposable
    {
        private readonly AsymmetricReaderWriterLock? _lock;

        internal WriteScope(AsymmetricReaderWriterLock @lock) => _lock = @lock;

        /// <summary>Exits. A default scope does nothing.</summary>
        /// <exception cref="SynchronizationLockException">The section has ended. Nothing was changed.</exception>
        public void Dispose() => _lock?.ExitWriteLock();
    }
}
