using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Crosscore.Threads;

namespace Crosscore.Locks;

/// <summary>
/// A mutual-exclusion lock that belongs to one thread, which enters and leaves it without interlocked operations or
/// fences until another thread wants it. That thread revokes the bias with a process-wide barrier, once. From then on
/// the lock is an ordinary one, until one thread has used it alone for long enough.
/// </summary>
/// <remarks>
/// <para>For data that one thread uses nearly always and other threads rarely. Where threads alternate, use
/// <see cref="Lock"/>: each revocation costs one <see cref="AsymmetricFence.Heavy"/>, some microseconds.</para>
/// <para>Bias: the first thread that enters owns the lock. After a revocation a thread gets the bias by 1,000 entries
/// in succession, then 2,000, and up to 1,024,000: about as many as pay for one revocation.</para>
/// <para>Recursive, as <see cref="Lock"/> is: a thread may enter several times and must exit as often. Bound to its
/// thread: not for sections with <c>await</c> inside; the scope is a ref struct, so the compiler rejects that. Not
/// fair: waiting threads wait for a <see cref="Lock"/>, but the owner of the bias enters without it until it sees the
/// revocation, at its next entry.</para>
/// <para>Everything done inside is visible to the next thread that enters (release on exit, acquire on entry), on
/// weakly ordered processors too. A thread that ends inside leaves the lock closed: other threads get a
/// <see cref="SynchronizationLockException"/> if it owned the bias, and wait forever if it did not, as with
/// <see cref="Lock"/>.</para>
/// <para>Models: litmus/locks/BiasedLock*.litmus.</para>
/// </remarks>
/// <example>
/// <code>
/// var gate = new BiasedLock();
/// using (gate.EnterScope()) // nearly free for the thread that does it nearly always
/// {
///     count++;
/// }
///
/// if (gate.TryEnter(TimeSpan.FromSeconds(1)))
/// {
///     count++;
///     gate.Exit();
/// }
/// </code>
/// </example>
public sealed class BiasedLock
{
    private const int EntriesAfterRevocation = 1000;
    private const int MaxEntries = 1024 * EntriesAfterRevocation;

    // The lock behind the bias: every thread enters it when there is no bias, a revoker when there is one.
    private readonly Lock _behind = new();

    // Written by the holder of _behind. It sets the bias when it leaves, so that no two threads are inside, one by the
    // bias and one by the lock; it removes the bias when it has seen the owner outside.
    private Bias? _bias;

    // The holder of _behind writes the fields below.
    private int _depth; // how often it has entered
    private Thread? _lastEntered; // the thread that entered last, and how often in succession
    private int _entries;
    private int _entriesNeeded = 1; // entries in succession that give a thread the bias
    private long _revocations;

    /// <summary>Whether the calling thread is inside.</summary>
    public bool IsHeldByCurrentThread
    {
        get
        {
            Bias? bias = Volatile.Read(ref _bias);
            return (bias is not null && bias.IsOwner && bias.IsHeld) || _behind.IsHeldByCurrentThread;
        }
    }

    /// <summary>
    /// Gets how often a bias was revoked. If it grows with every use, an ordinary <see cref="Lock"/> is faster.
    /// </summary>
    public long RevocationCount => Volatile.Read(ref _revocations);

    /// <summary>Enters, waiting for the thread inside to leave.</summary>
    /// <exception cref="SynchronizationLockException">The thread inside ended there.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited; the lock was not
    /// entered.</exception>
    /// <exception cref="MembarrierException">A bias had to be revoked and the process-wide barrier failed; the lock was
    /// not entered.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Enter()
    {
        if (EnterBiased() is null)
        {
            EnterBehind(Deadline.Never);
        }
    }

    /// <summary>
    /// Enters if no thread is inside. May revoke the bias, which takes some microseconds; it waits for nothing else.
    /// </summary>
    /// <returns>Whether the lock was entered.</returns>
    /// <inheritdoc cref="Enter" path="/exception"/>
    public bool TryEnter() => TryEnter(TimeSpan.Zero);

    /// <summary>Enters, unless a time is over first or the wait is canceled.</summary>
    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellation">Ends the waiting; looked at every few milliseconds.</param>
    /// <returns>Whether the lock was entered.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is out of its range.</exception>
    /// <exception cref="OperationCanceledException">The wait was canceled; the lock was not entered.</exception>
    /// <inheritdoc cref="Enter" path="/exception"/>
    public bool TryEnter(TimeSpan timeout, CancellationToken cancellation = default)
    {
        var deadline = new Deadline(timeout, cancellation);
        return EnterBiased() is not null || EnterBehind(deadline);
    }

    /// <summary>Enters; disposing of the scope exits.</summary>
    /// <inheritdoc cref="Enter" path="/exception"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Scope EnterScope()
    {
        Bias? bias = EnterBiased();
        if (bias is null)
        {
            EnterBehind(Deadline.Never);
        }

        return new Scope(this, bias);
    }

    /// <summary>Exits. What was done inside is visible to the next thread that enters.</summary>
    /// <exception cref="SynchronizationLockException">The thread is not inside. Nothing was changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exit()
    {
        // While the owner is inside no thread removes the bias, so it is the one that the owner entered by.
        Bias? bias = Volatile.Read(ref _bias);
        if (bias is not null && bias.IsOwner)
        {
            bias.Exit();
        }
        else
        {
            ExitBehind();
        }
    }

    [DoesNotReturn]
    internal static void ThrowNotHeld() =>
        throw new SynchronizationLockException(
            "BiasedLock.Exit: this thread does not hold the lock, so nothing was released. "
                + "Exit as often as you enter, on the same thread."
        );

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Bias? EnterBiased()
    {
        Bias? bias = Volatile.Read(ref _bias);
        return bias is not null && bias.IsOwner && bias.TryEnter() ? bias : null;
    }

    private bool EnterBehind(Deadline deadline)
    {
        if (!deadline.TryEnter(_behind))
        {
            return false;
        }

        bool entered = false;
        try
        {
            // Looked at inside of _behind, where no other thread can set one. Fails without:
            // litmus/locks/BiasedLock.Renewed.BiasReadEarly.litmus.
            Bias? bias = Volatile.Read(ref _bias);
            if (bias is not null)
            {
                if (!bias.TryRevoke(deadline))
                {
                    return false;
                }

                Volatile.Write(ref _bias, null);
                Volatile.Write(ref _revocations, _revocations + 1);
                _entriesNeeded =
                    _entriesNeeded < EntriesAfterRevocation
                        ? EntriesAfterRevocation
                        : Math.Min(2 * _entriesNeeded, MaxEntries);
                _entries = 0;
            }

            if (_depth++ == 0)
            {
                CountEntry();
            }

            entered = true;
            return true;
        }
        finally
        {
            if (!entered)
            {
                _behind.Exit();
            }
        }
    }

    private void ExitBehind()
    {
        if (!_behind.IsHeldByCurrentThread)
        {
            ThrowNotHeld();
        }

        try
        {
            if (--_depth == 0 && _entries >= _entriesNeeded)
            {
                // A release store: other threads read the field inside of _behind, but the owner reads it without.
                Volatile.Write(ref _bias, new Bias(Thread.CurrentThread));
            }
        }
        finally
        {
            _behind.Exit();
        }
    }

    private void CountEntry()
    {
        Thread thread = Thread.CurrentThread;
        if (_lastEntered != thread)
        {
            _lastEntered = thread;
            _entries = 0;
        }

        _entries++;
    }

    /// <summary>
    /// An open section; <see cref="Dispose"/> ends it. A ref struct, so it stays on its thread and never crosses an
    /// <c>await</c>.
    /// </summary>
    public ref struct Scope : IDisposable
    {
        private readonly Bias? _bias; // null: entered by the lock behind the bias
        private BiasedLock? _lock; // null when the section has ended

        internal Scope(BiasedLock @lock, Bias? bias)
        {
            _lock = @lock;
            _bias = bias;
        }

        /// <summary>
        /// Exits. The second Dispose does nothing, nor does that of a default scope. A copy of a scope that was
        /// disposed of is one exit more, and throws if the thread is not inside any more; so do not copy scopes.
        /// </summary>
        /// <exception cref="SynchronizationLockException">The scope is a copy of one that was disposed of. Nothing was
        /// changed.</exception>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose()
        {
            BiasedLock? entered = _lock;
            if (entered is null)
            {
                return;
            }

            if (_bias is not null)
            {
                _bias.Exit();
            }
            else
            {
                entered.ExitBehind();
            }

            _lock = null;
        }
    }
}
