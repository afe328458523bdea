using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// Decides when a list of retired objects is scanned and when it is full, from what has gathered since the last scan
/// and what that scan found protected.
/// </summary>
/// <remarks>
/// After a scan at least the threshold must be retired anew, whatever the scan kept. So no thread scans again and again
/// what stays protected, and a scan that failed is retried when that much has come. Waiting for one object per slot
/// spreads the cost of looking at the slots. A slot protects an object and a pointer, so a scan keeps at most twice as
/// many as there are slots, which bounds the garbage.
/// </remarks>
internal sealed class HazardScanSchedule(HazardDomain domain)
{
    // Multiples of the thresholds that may wait for the reclaimer or for callbacks; above them, threads that retire
    // wait too.
    private const int LimitFactor = 64;

    // What the last scan that succeeded found protected: objects, and their bytes. Another scan would keep it too, so
    // it counts neither as due nor as full.
    private long _protectedCount;
    private long _protectedBytes;

    // How many objects were pending when the last scan failed; 0 when it succeeded. The next scan comes when the
    // threshold has gathered on top, so a kernel that refuses the barrier is not asked by every retirement.
    private long _failedCount;

    // The number of pending objects at which slots of dead threads are searched for again. A look costs as much as
    // there are threads.
    private long _nextLookForDead;

    // The bytes that were retired since the last scan began.
    private ByteSum _bytesSinceScan;

    /// <summary>What the last scan that succeeded found protected.</summary>
    public long ProtectedCount => Volatile.Read(ref _protectedCount);

    /// <summary>Bytes were retired.</summary>
    public void Add(long bytesEach, int count) => _bytesSinceScan.Add(bytesEach, count);

    /// <summary>Whether enough has gathered for a scan.</summary>
    /// <param name="pending">How many objects are in the list.</param>
    public bool IsDue(long pending)
    {
        if (_bytesSinceScan.Value >= domain.ScanBytes)
        {
            return true;
        }

        long beyond = pending - domain.ScanThreshold;
        if (beyond < Math.Max(Volatile.Read(ref _protectedCount), Volatile.Read(ref _failedCount)))
        {
            return false;
        }

        if (beyond < domain.SlotCount && pending >= Volatile.Read(ref _nextLookForDead))
        {
            // The scan is not due only because of slots that dead threads may have left.
            int threads = domain.SlotCount / HazardThread.FirstSlots;
            Volatile.Write(ref _nextLookForDead, pending + Math.Max(domain.ScanThreshold, threads));
            domain.Registry.RemoveDead();
        }

        return beyond >= domain.SlotCount;
    }

    /// <summary>Whether a thread that retires waits for room.</summary>
    /// <param name="count">How many objects are not reclaimed.</param>
    /// <param name="bytes">Their bytes.</param>
    public bool IsFull(long count, long bytes) =>
        count - Volatile.Read(ref _protectedCount)
            >= (long)LimitFactor * ((long)domain.ScanThreshold + domain.SlotCount)
        || (Int128)bytes - Volatile.Read(ref _protectedBytes) >= (Int128)LimitFactor * domain.ScanBytes;

    /// <summary>A scan begins. Under the lock of scans.</summary>
    /// <returns>The bytes that it covers, for <see cref="End"/>.</returns>
    public ByteSum Begin() => _bytesSinceScan.Read();

    /// <summary>A scan ended, in success or in failure.</summary>
    /// <param name="bytes">What <see cref="Begin"/> returned.</param>
    /// <param name="failedAt">How many objects were pending if it failed; 0 if it succeeded.</param>
    public void End(ByteSum bytes, long failedAt)
    {
        _bytesSinceScan.Subtract(bytes);
        Volatile.Write(ref _failedCount, failedAt);
    }

    /// <summary>A scan succeeded and found this much protected.</summary>
    public void SetProtected(long count, long bytes)
    {
        Volatile.Write(ref _protectedCount, count);
        Volatile.Write(ref _protectedBytes, bytes);
        Volatile.Write(ref _nextLookForDead, 0);
    }
}
