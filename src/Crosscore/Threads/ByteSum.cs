namespace Crosscore.Threads;

/// <summary>
/// A sum of sizes that many threads change and that never wraps: the lower and the upper halves are summed up apart, so
/// 2^31 sizes of any number of bytes fit. Reading it while it changes may give a sum that it never had.
/// </summary>
internal struct ByteSum
{
    private long _low;
    private long _high;

    /// <summary>The sum; the largest number where it is larger.</summary>
    public readonly long Value
    {
        get
        {
            long high = Volatile.Read(in _high);
            Volatile.ReadBarrier(); // no order is needed, only that the JIT has none to choose (dotnet/runtime#133524)
            long low = Volatile.Read(in _low);
            return high == 0 ? low : (long)Int128.Clamp(((Int128)high << 32) + low, 0, long.MaxValue);
        }
    }

    /// <summary>What stands here now, to be taken off again by <see cref="Subtract(ByteSum)"/>.</summary>
    public readonly ByteSum Read() => new() { _low = Volatile.Read(in _low), _high = Volatile.Read(in _high) };

    /// <summary>Adds <paramref name="count"/> sizes of so many bytes.</summary>
    public void Add(long bytes, int count = 1)
    {
        Change((bytes & uint.MaxValue) * count, (bytes >> 32) * count);
    }

    /// <summary>Takes one size off.</summary>
    public void Subtract(long bytes) => Add(bytes, -1);

    /// <summary>Takes off what <see cref="Read"/> returned.</summary>
    public void Subtract(ByteSum other) => Change(-other._low, -other._high);

    private void Change(long low, long high)
    {
        if (low != 0)
        {
            _ = Interlocked.Add(ref _low, low);
        }

        if (high != 0)
        {
            _ = Interlocked.Add(ref _high, high);
        }
    }
}
