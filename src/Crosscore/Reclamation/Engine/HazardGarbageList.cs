namespace Crosscore.Reclamation;

/// <summary>
/// What was retired into a domain or a cohort and is not reclaimed yet, and the scans that reclaim it. Adding never blocks, so that nothing is lost when a waiting thread is interrupted; scans take turns; callbacks
/// run outside of every lock, so they may retire, scan and wait for other threads that do.
/// </summary>
internal sealed class HazardGarbageList(HazardPointers domain)
{
    private readonly Lock _scan = new();
    private readonly HazardSnapshot _protected = new();
    private HazardGarbage? _pending;
    private long _pendingCount;
    private long _bytesSinceScan;
    private long _count;
    private long _bytes;

    /// <summary>How many are not reclaimed: those waiting, and those whose callback has not returned.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The sum of the bytes they were given with.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    // A slot protects at most one object of each kind, so a scan of that many reclaims at least the threshold: that bounds both the garbage and the cost of scanning.
    private bool IsScanDue => Volatile.Read(ref _pendingCount) >= domain.ScanThreshold + domain.SlotCount || Volatile.Read(ref _bytesSinceScan) >= domain.ScanBytes;

    /// <summary>Adds a chain of retired objects, and scans if enough have gathered.</summary>
    public void Add(HazardGarbage first, HazardGarbage last, int count, long bytes)
    {
        // Counted before they can be taken out, so no counter goes below zero.
        Interlocked.Add(ref _count, count);
        if (bytes > 0)
        {
            Interlocked.Add(ref _bytes, bytes);
            Interlocked.Add(ref _bytesSinceScan, bytes);
        }

        Push(first, last, count);

        // A callback that retires does not scan: the one that runs it looks again afterwards. Otherwise a long chain whose nodes retire each other would be a deep recursion.
        if (IsScanDue && !HazardReclaiming.ByThisThread)
        {
            try
            {
                Scan(onlyIfDue: true);
            }
            catch (ThreadInterruptedException)
            {
                // While it waited for its turn to scan. What was retired is retired and the next call scans; the interruption is for whatever the caller waits for next.
                Thread.CurrentThread.Interrupt();
            }
        }
    }

    /// <summary>Reclaims what no slot announces.</summary>
    /// <param name="onlyIfDue">Give up if another thread has done it in the meantime.</param>
    /// <exception cref="AggregateException">Callbacks threw. All others ran.</exception>
    public void Scan(bool onlyIfDue)
    {
        List<Exception>? failures = null;
        do
        {
            HazardGarbage? reclaimable;
            lock (_scan)
            {
                if (onlyIfDue && !IsScanDue)
                {
                    break;
                }

                reclaimable = TakeReclaimable();
            }

            Reclaim(reclaimable, ref failures);
        }
        while (IsScanDue && !HazardReclaiming.ByThisThread);
        if (failures is not null)
        {
            throw new AggregateException("Callbacks of retired objects threw. Each object was given to its callback once and will not be again; all others were reclaimed.", failures);
        }
    }

    /// <summary>Whether a slot of the calling thread announces something that waits here.</summary>
    public bool IsHeldByCaller()
    {
        HazardThread? own = HazardThread.Find(domain);
        if (own is null)
        {
            return false;
        }

        lock (_scan)
        {
            try
            {
                _protected.Add(own);
                for (HazardGarbage? retired = Volatile.Read(ref _pending); retired is not null; retired = retired.Next)
                {
                    if (retired.IsIn(_protected))
                    {
                        return true;
                    }
                }

                return false;
            }
            finally
            {
                _protected.Clear();
            }
        }
    }

    private HazardGarbage? TakeReclaimable()
    {
        HazardGarbage? taken = Interlocked.Exchange(ref _pending, null);
        long bytesBefore = Interlocked.Exchange(ref _bytesSinceScan, 0);
        HazardGarbage? kept = null;
        HazardGarbage? keptLast = null;
        HazardGarbage? reclaimable = null;
        int takenCount = 0;
        int keptCount = 0;
        try
        {
            // The unlinking stores of all that was taken come before this fence, the looks at the slots after it: see HazardSnapshot.Take.
            AsymmetricFence.Heavy();
            _protected.Take(domain.Registry);
            while (taken is not null)
            {
                HazardGarbage retired = taken;
                taken = retired.Next;
                takenCount++;
                if (retired.IsIn(_protected))
                {
                    retired.Next = kept;
                    kept = retired;
                    keptLast ??= retired;
                    keptCount++;
                }
                else
                {
                    retired.Next = reclaimable;
                    reclaimable = retired;
                }
            }
        }
        catch
        {
            // No fence, or no memory for the snapshot: nothing was looked at, everything goes back.
            PutBack(taken, bytesBefore);
            throw;
        }
        finally
        {
            _protected.Clear();
        }

        Interlocked.Add(ref _pendingCount, -takenCount);
        if (kept is not null)
        {
            Push(kept, keptLast!, keptCount);
        }

        return reclaimable;
    }

    private void Reclaim(HazardGarbage? reclaimable, ref List<Exception>? failures)
    {
        if (reclaimable is null)
        {
            return;
        }

        using var running = new HazardReclaiming(this);
        int count = 0;
        long bytes = 0;
        while (reclaimable is not null)
        {
            HazardGarbage retired = reclaimable;
            reclaimable = retired.Next;
            try
            {
                retired.Reclaim();
            }
            catch (Exception failure)
            {
                (failures ??= []).Add(failure);
            }

            count++;
            bytes += retired.Bytes;
        }

        // All at once, and not before the last callback has returned: who waits for none to be left waits a little longer.
        Interlocked.Add(ref _bytes, -bytes);
        Interlocked.Add(ref _count, -count);
    }

    private void PutBack(HazardGarbage? taken, long bytes)
    {
        Interlocked.Add(ref _bytesSinceScan, bytes);
        if (taken is null)
        {
            return;
        }

        HazardGarbage last = taken;
        while (last.Next is not null)
        {
            last = last.Next;
        }

        Push(taken, last, 0);
    }

    private void Push(HazardGarbage first, HazardGarbage last, int count)
    {
        Interlocked.Add(ref _pendingCount, count);
        HazardGarbage? pending = Volatile.Read(ref _pending);
        while (true)
        {
            last.Next = pending;
            HazardGarbage? found = Interlocked.CompareExchange(ref _pending, first, pending);
            if (found == pending)
            {
                return;
            }

            pending = found;
        }
    }
}
