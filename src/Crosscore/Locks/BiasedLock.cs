using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Crosscore.Threads;

namespace Crosscore.Locks;

/// <summary>
/// A mutual-exclusion lock that belongs to one thread, which enters and leaves it without interlocked operations or
/// fences, until another thread wants it. That one takes the bias away with a process-wide barrier, once; from then on
/// the lock is an ordinary one, until one thread has used it alone for long enough.
/// </summary>
/// <remarks>
/// <para>For data that one thread uses nearly always and others hardly ever. Where threads alternate, use
/// <see cref="Lock"/>: each revocation costs one <see cref="AsymmetricFence.Heavy"/>, some microseconds.</para>
/// <para>Bias: the first thread that enters owns the lock. After a revocation it takes 1,000 entries in succession by
/// one thread to give it the bias, then 2,000, and so on up to 1,024,000: about as many as one revocation costs.</para>
/// <para>Recursive, as <see cref="Lock"/> is: a thread may enter several times and must exit as often. Bound to its
/// thread: not for sections with <c>await</c> inside; the scope is a ref struct, so the compiler refuses that. Not
/// fair: waiting threads stand before a <see cref="Lock"/>, but the owner of the bias passes until it sees the
/// revocation, at its next entry.</para>
/// <para>Everything done inside is visible to whoever enters next (release on exit, acquire on entry), on weakly
/// ordered processors too. A thread that ends inside leaves the lock closed: others get a
/// <see cref="SynchronizationLockException"/> if it owned the bias, and wait for ever if it did not, as with
/// <see cref="Lock"/>.</para>
/// <para>Models: litmus/locks/BiasedLock*.litmus.</para>
/// </remarks>
public sealed class BiasedLock
{
    private const int EntriesAfterRevocation = 1000;
    private const int MostEntries = 1024 * EntriesAfterRevocation;

    // Everybody's when there is no bias; with one, what the revoker holds.
    private readonly Lock _behind = new();

    // Written by the holder of _behind. Set when it leaves, so nobody is inside through both ways; taken away when it
    // has seen the owner outside.
    private Bias? _bias;

    // All of these belong to the holder of _behind.
    private int _depth;
    private Thread? _lastEntered;
    private int _entries;
    private int _entriesNeeded = 1;
    private long _revocations;

    /// <summary>Whether this thread is inside.</summary>
    public bool IsHeldByCurrentThread
    {
        get
        {
            Bias? bias = Volatile.Read(ref _bias);
            return (bias is not null && bias.IsOwner && bias.IsHeld) || _behind.IsHeldByCurrentThread;
        }
    }

    /// <summary>How often a bias was taken away. If it grows with every use, the lock is the wrong one.</summary>
    public long RevocationCount => Volatile.Read(ref _revocations);

    /// <summary>Enters, waiting for the thread inside to leave.</summary>
    /// <exception cref="SynchronizationLockException">The thread inside ended there.</exception>
    /// <exception cref="ThreadInterruptedException">While waiting; the lock was not entered.</exception>
    /// <exception cref="MembarrierException">A bias had to be taken away and the process-wide barrier failed; the lock
    /// was not entered.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Enter()
    {
        if (EnterBiased() is null)
        {
            EnterBehind(Deadline.Never);
        }
    }

    /// <summary>
    /// Enters if nobody is inside. May take the bias away, which takes some microseconds; it waits for nothing else.
    /// </summary>
    /// <returns>Whether the lock was entered.</returns>
    /// <exception cref="SynchronizationLockException">The thread inside ended there.</exception>
    public bool TryEnter() => TryEnter(TimeSpan.Zero);

    /// <summary>Enters, or gives up after a time.</summary>
    /// <param name="timeout">At most <see cref="int.MaxValue"/> milliseconds; <see cref="Timeout.InfiniteTimeSpan"/>
    /// waits for ever.</param>
    /// <returns>Whether the lock was entered.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Another negative time, or a longer one.</exception>
    /// <exception cref="SynchronizationLockException">The thread inside ended there.</exception>
    /// <exception cref="ThreadInterruptedException">While waiting; the lock was not entered.</exception>
    public bool TryEnter(TimeSpan timeout)
    {
        var deadline = new Deadline(timeout);
        return EnterBiased() is not null || EnterBehind(deadline);
    }

    /// <summary>Enters; the result's <see cref="Scope.Dispose"/> exits.</summary>
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

    /// <summary>Exits. What was done inside is visible to the next one.</summary>
    /// <exception cref="SynchronizationLockException">This thread is not inside. Nothing was changed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exit()
    {
        // While the owner is inside nobody takes the bias away, so it is the one that it entered by.
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
        throw new SynchronizationLockException("The lock is not held by this thread, so it cannot release it.");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Bias? EnterBiased()
    {
        Bias? bias = Volatile.Read(ref _bias);
        return bias is not null && bias.IsOwner && bias.TryEnter() ? bias : null;
    }

    private bool EnterBehind(Deadline deadline)
    {
        if (!_behind.TryEnter(deadline.Left))
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
                        : Math.Min(2 * _entriesNeeded, MostEntries);
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
                // A release store, though the next one to look does so inside of _behind: the owner looks without.
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
    /// A section; it ends with <see cref="Dispose"/>. A ref struct, so it stays on its thread and never crosses an
    /// <c>await</c>.
    /// </summary>
    public readonly ref struct Scope : IDisposable
    {
        private readonly BiasedLock? _lock;
        private readonly Bias? _bias;

        internal Scope(BiasedLock @lock, Bias? bias)
        {
            _lock = @lock;
            _bias = bias;
        }

        /// <summary>
        /// Exits the lock. A default scope does nothing; a second time, or a copy, is an exit more, and throws if this
        /// thread is not inside any more.
        /// </summary>
        /// <exception cref="SynchronizationLockException">This thread is not inside. Nothing was changed.</exception>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose()
        {
            if (_bias is not null)
            {
                _bias.Exit();
            }
            else
            {
                _lock?.ExitBehind();
            }
        }
    }
}
