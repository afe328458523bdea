namespace Crosscore.Reclamation;

/// <summary>
/// A sum of sizes that many threads add to and take from, and that cannot wrap around: units of 4 GiB are counted
/// apart, which only sizes beyond that touch. Read without a lock: what others add or take at that moment may be in it
/// or not.
/// </summary>
internal struct ByteSum
{
    private const int UnitBits = 32;

    private long _units;
    private long _rest;

    /// <summary>At most <see cref="long.MaxValue"/>, where the sum is more.</summary>
    public readonly long Value
    {
        get
        {
            long units = Volatile.Read(in _units);
            Volatile.ReadBarrier(); // no order is needed, only that the JIT has none to choose (dotnet/runtime#133524)
            Int128 sum = ((Int128)units << UnitBits) + Volatile.Read(in _rest);
            return sum > long.MaxValue ? long.MaxValue : (long)sum;
        }
    }

    public void Add(long bytes)
    {
        if (bytes > uint.MaxValue)
        {
            _ = Interlocked.Add(ref _units, bytes >> UnitBits);
        }

        _ = Interlocked.Add(ref _rest, bytes & uint.MaxValue);
    }

    public void Subtract(long bytes)
    {
        if (bytes > uint.MaxValue)
        {
            _ = Interlocked.Add(ref _units, -(bytes >> UnitBits));
        }

        _ = Interlocked.Add(ref _rest, -(bytes & uint.MaxValue));
    }
}
