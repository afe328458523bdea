using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Threads;

namespace Crosscore.Locks;

/// <summary>
/// A reader-writer lock whose readers write only their own memory and execute no interlocked operation and no fence,
/// so that readers on different processors do not slow each other down. A writer pays for all with a process-wide
/// barrier and a look at every thread that ever read under such a lock.
/// </summary>
/// <remarks>
/// <para>For data that is read often and written rarely: a write costs some microseconds more than with
/// <see cref="ReaderWriterLockSlim"/>.</para>
/// <para>Recursion: a thread may enter for reading several times, also while a writer waits, and must exit as often.
/// Everything else throws <see cref="LockRecursionException"/>, because the thread would wait for itself: writing
/// inside of writing or of reading, reading inside of writing.</para>
/// <para>Fairness: a waiting writer holds new readers back, so readers cannot starve it. Readers held back and other
/// writers wait together for a <see cref="Lock"/>, under which no thread waits forever, but which keeps no
/// order.</para>
/// <para>Bound to the thread: not for sections with <c>await</c> inside. The scopes are ref structs, so the compiler
/// rejects that.</para>
/// <para>Readers see everything that writers before them did, and writers come after everything that readers before
/// them did, on weakly ordered processors too. A thread that ends inside of a read section counts as having left it.
/// A thread that ends inside of a write section leaves the lock closed, and other threads wait forever, as with
/// <see cref="Lock"/>.</para>
/// <para>Models: litmus/locks/ReaderWriterLock*.litmus. The idea of a visible reader and a revoking writer comes from
/// Dice and Kogan, BRAVO: Biased Locking for Reader-Writer Locks (2019).</para>
/// </remarks>
/// <example>
/// <code>
/// var gate = new AsymmetricReaderWriterLock();
/// using (gate.EnterReadScope()) // often, by any number of threads
/// {
///     Console.WriteLine(value);
/// }
///
/// using (gate.EnterWriteScope()) // rarely, alone
/// {
///     value++;
/// }
/// </code>
/// </example>
[StructLayout(LayoutKind.Explicit)]
[SuppressMessage(
    "Design",
    "CA1001",
    Justification = "A ManualResetEventSlim holds nothing that must be released until its wait handle is used."
)]
public sealed partial class AsymmetricReaderWriterLock
{
    // How often a waiting writer looks for readers that ended inside: they wake no thread.
    private static readonly TimeSpan DeadReaderPeriod = TimeSpan.FromSeconds(1);

    // The last identity that was given to a lock.
    private static long s_lastId;

    // Readers read the next two fields. Only writers write the flag, and nothing else that is written lies within 128
    // bytes.
    [FieldOffset(120)]
    private readonly long _id = Interlocked.Increment(ref s_lastId);

    [FieldOffset(128)]
    private int _writer;

    // Held by the writer, and shortly by a reader that announces itself after a writer has left.
    [FieldOffset(264)]
    private readonly Lock _mutex = new();

    // Set by a reader that has left and sees a writer; a writer waits for it.
    [FieldOffset(272)]
    private readonly ManualResetEventSlim _readerLeft = new();

    /// <summary>Whether the calling thread is inside of a read section.</summary>
    public bool IsReadLockHeld => ReaderLine.Current.Holds(_id);

    /// <summary>Whether the calling thread is inside of the write section.</summary>
    public bool IsWriteLockHeld => _mutex.IsHeldByCurrentThread;

    /// <summary>
    /// Enters for reading, together with any number of other readers. It waits while a writer is inside or waits.
    /// </summary>
    /// <exception cref="LockRecursionException">The thread is inside for writing.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited; the lock was not
    /// entered.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void EnterReadLock() => Read(out _);

    /// <summary>
    /// Enters for reading; disposing of the scope exits. The fastest way to read.
    /// </summary>
    /// <inheritdoc cref="EnterReadLock" path="/exception"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ReadScope EnterReadScope()
    {
        ReaderLine line = Read(out int entry);
        return new ReadScope(this, line, entry);
    }

    /// <summary>Enters for reading, unless a time is over first or the wait is canceled.</summary>
    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellation">Ends the waiting; looked at every few milliseconds.</param>
    /// <returns>Whether the lock was entered.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is out of its range.</exception>
    /// <exception cref="OperationCanceledException">The wait was canceled; the lock was not entered.</exception>
    /// <inheritdoc cref="EnterReadLock" path="/exception"/>
    public bool TryEnterReadLock(TimeSpan timeout, CancellationToken cancellation = default)
    {
        var deadline = new Deadline(timeout, cancellation);
        ReaderLine line = ReaderLine.Current;
        int entry = line.Announce(_id);
        AsymmetricFence.Light();
        return Volatile.Read(ref _writer) == 0 || ReadAfterWriter(line, ref entry, deadline);
    }

    /// <summary>Exits a read section. A writer comes after everything that was done in it.</summary>
    /// <exception cref="SynchronizationLockException">The thread is not inside for reading. Nothing was
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
    /// <exception cref="LockRecursionException">The thread is inside already, for reading or for writing.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited; the lock was not
    /// entered.</exception>
    /// <exception cref="MembarrierException">The process-wide barrier failed; the lock was not entered.</exception>
    public void EnterWriteLock() => Write(Deadline.Never);

    /// <summary>Enters for writing, alone; disposing of the scope exits.</summary>
    /// <inheritdoc cref="EnterWriteLock" path="/exception"/>
    public WriteScope EnterWriteScope()
    {
        Write(Deadline.Never);
        return new WriteScope(this);
    }

    /// <summary>Enters for writing, alone, unless a time is over first or the wait is canceled.</summary>
    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellation">Ends the waiting; looked at every few milliseconds.</param>
    /// <returns>Whether the lock was entered.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is out of its range.</exception>
    /// <exception cref="OperationCanceledException">The wait was canceled; the lock was not entered.</exception>
    /// <inheritdoc cref="EnterWriteLock" path="/exception"/>
    public bool TryEnterWriteLock(TimeSpan timeout, CancellationToken cancellation = default) =>
        Write(new Deadline(timeout, cancellation));

    /// <summary>
    /// Exits the write section. Readers and writers that come later see everything that was done in it.
    /// </summary>
    /// <exception cref="SynchronizationLockException">The thread is not inside for writing. Nothing was
    /// changed.</exception>
    public void ExitWriteLock()
    {
        if (!_mutex.IsHeldByCurrentThread)
        {
            throw new SynchronizationLockException(
                "AsymmetricReaderWriterLock.ExitWriteLock: this thread does not hold the lock for writing, so nothing "
                    + "was released. Exit as often as you enter, on the same thread."
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
            "AsymmetricReaderWriterLock.ExitReadLock: this thread does not hold the lock for reading, "
                + "or the scope is a copy of one that was disposed of, so nothing was released. "
                + "Exit as often as you enter, on the same thread."
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
            return true; // the writer waits for this thread anyway, which would wait for itself if it waited here
        }

        line.TryWithdraw(entry, _id);
        if (_mutex.IsHeldByCurrentThread)
        {
            throw new LockRecursionException(
                "This thread holds the lock for writing and cannot enter it for reading: it would wait for itself. "
                    + "Read inside of the write section without the read lock."
            );
        }

        WakeWriter();
        if (!deadline.TryEnter(_mutex))
        {
            return false;
        }

        // The next writer takes the mutex after this, and so sees the announcement:
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

    // Not inlined, so that leaving stays small.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void SetReaderLeft()
    {
        using var uninterrupted = new Uninterrupted();
        uninterrupted.Set(_readerLeft);
    }

    private bool Write(Deadline deadline)
    {
        if (_mutex.IsHeldByCurrentThread)
        {
            throw new LockRecursionException(
                "This thread holds the lock for writing already, and write sections do not nest: it would wait for "
                    + "itself. Enter once."
            );
        }

        if (ReaderLine.Current.Holds(_id))
        {
            throw new LockRecursionException(
                "This thread holds the lock for reading and cannot enter it for writing: it would wait for itself. "
                    + "Exit the read section first."
            );
        }

        if (!deadline.TryEnter(_mutex))
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
            if (!IsAnyThreadReading())
            {
                return true;
            }

            // Returns early from time to time, because readers that ended inside do not set the event.
            if (!_readerLeft.Wait(deadline.Slice(DeadReaderPeriod), deadline.Cancellation) && deadline.IsOver)
            {
                return !IsAnyThreadReading();
            }
        }
    }

    private bool IsAnyThreadReading()
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
}
