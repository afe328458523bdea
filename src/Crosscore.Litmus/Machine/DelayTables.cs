namespace Crosscore.Litmus.Machine;

/// <summary>
/// Tables of random delays before columns, and the random numbers that choose among them. They begin with the same seed
/// in every run.
/// </summary>
internal sealed unsafe class DelayTables : IDisposable
{
    private const int Entries = 1 << 15;

    // Turns of a loop of two instructions, a quarter of a nanosecond each, before a column: the interesting distance of
    // two threads depends on the test. Short ones find outcomes of columns that are alike; long ones, about as long as
    // a store takes to reach the other core, those where one column has a fence more than the other.
    private const int FineDelay = 63;
    private const int CoarseDelay = 767;

    private readonly NativeBlock _fine;
    private readonly NativeBlock _coarse;
    private ulong _random = 0x2545_F491_4F6C_DD1D;

    /// <summary>Makes the tables.</summary>
    /// <param name="maxBatch">The most iterations of a batch; each takes one entry.</param>
    public DelayTables(int maxBatch)
    {
        _fine = New(FineDelay, maxBatch);
        _coarse = New(CoarseDelay, maxBatch);
    }

    /// <summary>Picks the address of the first delay of a batch.</summary>
    public long PickStart()
    {
        NativeBlock delays = NextRandom() % 4 == 0 ? _coarse : _fine;
        return delays.Address + (sizeof(int) * (long)(NextRandom() % Entries));
    }

    /// <summary>Gets the next random number.</summary>
    public ulong NextRandom()
    {
        // Marsaglia's xorshift64.
        _random ^= _random << 13;
        _random ^= _random >> 7;
        _random ^= _random << 17;
        return _random;
    }

    public void Dispose()
    {
        _fine.Dispose();
        _coarse.Dispose();
    }

    // Half of the entries are zero, the others anything up to the longest.
    private NativeBlock New(int longest, int maxBatch)
    {
        var delays = new NativeBlock(sizeof(int) * (Entries + (long)maxBatch));
        for (int entry = 0; entry < Entries + maxBatch; entry++)
        {
            ulong random = NextRandom() >> 16;

            // SAFETY: the block has room for this many entries, allocated above.
            *(int*)(delays.Start + (sizeof(int) * (long)entry)) =
                (random & 1) == 0 ? 0 : (int)((random >> 1) % (ulong)(longest + 1));
        }

        return delays;
    }
}
