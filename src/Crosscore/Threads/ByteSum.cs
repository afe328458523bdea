namespace Crosscore.Threads;

/// <summary>
/// A sum of sizes that many threads change and that never wraps: the lower and the upper halves are added up
/// separately, so 2^31 sizes of any number of bytes fit. A read during a change may return a sum that it never had.
/// </summary>
internal struct ByteSum
{
    private long _low; // the sum of the lower 32 bits of all sizes
    private long _high; // the sum of the upper 32 bits

    /// <summary>The sum, or <see cref="long.MaxValue"/> if it is larger.</summary>
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

    /// <summary>The present value, which <see cref="Subtract(ByteSum)"/> subtracts later.</summary>
    public readonly ByteSum Read() => new() { _low = Volatile.Read(in _low), _high = Volatile.Read(in _high) };

    /// <summary>Adds <paramref name="count"/> sizes of <paramref name="bytes"/> each.</summary>
    public void Add(long bytes, int count = 1)
    {
        Change((bytes & uint.MaxValue) * count, (bytes >> 32) * count);
    }

    /// <summary>Subtracts one size.</summary>
    public void Subtract(long bytes) => Add(bytes, -1);

    /// <summary>Subtracts what <see cref="Read"/> returned.</summary>
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
