using System.Diagnostics;

namespace Crosscore.Threads;

/// <summary>
/// Until when a caller wants to wait, perhaps in several pieces: for a time, or until it is canceled.
/// </summary>
internal readonly struct Deadline
{
    // Between two looks at a token, where the wait itself cannot take one.
    private static readonly TimeSpan CancellationPeriod = TimeSpan.FromMilliseconds(10);

    private readonly long _begin; // a time stamp of Stopwatch
    private readonly TimeSpan _timeout;

    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is out of its range.</exception>
    /// <exception cref="OperationCanceledException">The token was canceled already.</exception>
    public Deadline(TimeSpan timeout, CancellationToken cancellation = default)
    {
        if (timeout != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.Zero);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(timeout, TimeSpan.FromMilliseconds(int.MaxValue));
        }

        cancellation.ThrowIfCancellationRequested();
        _timeout = timeout;
        _begin = Stopwatch.GetTimestamp();
        Cancellation = cancellation;
    }

    public static Deadline Never => new(Timeout.InfiniteTimeSpan);

    /// <summary>For waits that take a token themselves.</summary>
    public CancellationToken Cancellation { get; }

    /// <summary>The time that is left, for a wait that is the last one.</summary>
    public TimeSpan Left
    {
        get
        {
            if (_timeout == Timeout.InfiniteTimeSpan)
            {
                return _timeout;
            }

            TimeSpan left = _timeout - Stopwatch.GetElapsedTime(_begin);
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    /// <summary>The same in whole milliseconds, rounded up; <see cref="Timeout.Infinite"/> without a limit.</summary>
    public int MillisecondsLeft =>
        Left == Timeout.InfiniteTimeSpan ? Timeout.Infinite : (int)Math.Ceiling(Left.TotalMilliseconds);

    public bool IsOver => Left == TimeSpan.Zero;

    /// <summary>The time that is left, but not more than an upper bound.</summary>
    public TimeSpan Slice(TimeSpan max)
    {
        TimeSpan left = Left;
        return left == Timeout.InfiniteTimeSpan || left > max ? max : left;
    }

    /// <summary>
    /// Enters a lock. With a token it waits in short pieces, because <see cref="Lock"/> does not take one.
    /// </summary>
    /// <returns>Whether the lock was entered; otherwise the time is over.</returns>
    /// <exception cref="OperationCanceledException">The token was canceled; the lock was not entered.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted; the lock was not entered.</exception>
    public bool TryEnter(Lock gate)
    {
        if (!Cancellation.CanBeCanceled)
        {
            return gate.TryEnter(Left);
        }

        while (!gate.TryEnter(Slice(CancellationPeriod)))
        {
            Cancellation.ThrowIfCancellationRequested();
            if (IsOver)
            {
                return false;
            }
        }

        return true;
    }
}
