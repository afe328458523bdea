using System.Diagnostics;

namespace Crosscore.Threads;

/// <summary>The moment until which a caller wants to wait, perhaps in several pieces.</summary>
internal readonly struct Deadline
{
    private readonly long _begin;
    private readonly TimeSpan _timeout;

    /// <exception cref="ArgumentOutOfRangeException">Negative, but not <see cref="Timeout.InfiniteTimeSpan"/>; or too
    /// long for a wait of the runtime.</exception>
    public Deadline(TimeSpan timeout)
    {
        if (timeout != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(timeout, TimeSpan.Zero);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(timeout, TimeSpan.FromMilliseconds(int.MaxValue));
        }

        _timeout = timeout;
        _begin = Stopwatch.GetTimestamp();
    }

    public static Deadline Never => new(Timeout.InfiniteTimeSpan);

    /// <summary>What is left, for a wait that is the last one.</summary>
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

    public bool IsOver => Left == TimeSpan.Zero;

    /// <summary>What is left, but at most that much.</summary>
    public TimeSpan Slice(TimeSpan most)
    {
        TimeSpan left = Left;
        return left == Timeout.InfiniteTimeSpan || left > most ? most : left;
    }
}
