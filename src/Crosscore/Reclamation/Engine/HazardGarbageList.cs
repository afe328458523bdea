namespace Crosscore.Reclamation;

/// <summary>
/// What was retired into a domain or a cohort and is not reclaimed yet, and the scans that reclaim it. Scans take turns, and <see cref="Thread.Interrupt"/> does not break them off; callbacks run outside of every
/// lock, so they may retire, scan and wait for other threads that do.
/// Nothing is taken out of the list before the fence and the look at the slots have succeeded: a scan that fails leaves everything where it was.
/// </summary>
internal sealed class HazardGarbageList(HazardPointers domain)
{
    private readonly Lock _scan = new();
    private readonly HazardSnapshot _protected = new();
    private HazardGarbage? _pending;
    private long _pendingCount;
    private long _bytesSinceScan;
    private long _countOfFailedScan; // what was pending when the last scan failed; 0 when it succeeded
    private long _count;
    private long _bytes;

    /// <summary>How many are not reclaimed: those waiting, and those whose callback has not returned.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The sum of the bytes they were given with.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    // A slot protects at most one object of each kind, so a scan of that many reclaims at least the threshold: that bounds both the garbage and the cost of scanning. After a scan that failed the next one is due when as
    // much again has come.
    private bool IsScanDue =>
        Volatile.Read(ref _pendingCount) - Volatile.Read(ref _countOfFailedScan) >= domain.ScanThreshold + domain.SlotCount || Volatile.Read(ref _bytesSinceScan) >= domain.ScanBytes;

    /// <summary>Adds a chain of retired objects, which cannot fail, and scans if enough have gathered. Returns what went wrong in scans and callbacks, or null.</summary>
    public List<Exception>? Add(HazardGarbage first, HazardGarbage last, int count, long bytes)
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
        List<Exception>? failures = null;
        if (IsScanDue && !HazardReclaiming.ByThisThread)
        {
            _ = TryScan(onlyIfDue: true, ref failures);
        }

        return failures;
    }

    /// <summary>Reclaims what no slot announces.</summary>
    /// <param name="onlyIfDue">Give up if another thread has done it in the meantime.</param>
    /// <param name="failures">What callbacks threw, and why a scan failed.</param>
    /// <returns>False if a scan failed: the kernel refused the barrier, or there was no memory. Everything that it would have reclaimed is still pending.</returns>
    public bool TryScan(bool onlyIfDue, ref List<Exception>? failures)
    {
        do
        {
            // Made before anything is taken out, for lack of memory must not come in between.
            var running = new HazardReclaiming(this);
            HazardGarbage? reclaimable;
            using (var steady = new Uninterrupted())
            {
                steady.Enter(_scan);
                try
                {
                    if (onlyIfDue && !IsScanDue)
                    {
                        break;
                    }

                    reclaimable = TakeReclaimable();
                }
                catch (Exception refusal)
                {
                    (failures ??= []).Add(refusal);
                    return false;
                }
                finally
                {
                    _scan.Exit();
                }
            }

            Reclaim(reclaimable, running, ref failures);
        }
        while (IsScanDue && !HazardReclaiming.ByThisThread);
        return true;
    }

    /// <summary>Scans, and returns how many are left.</summary>
    /// <exception cref="AggregateException">Callbacks threw, or the scan failed.</exception>
    public long ReclaimNow()
    {
        List<Exception>? failures = null;
        _ = TryScan(onlyIfDue: false, ref failures);
        HazardFailures.Throw(failures);
        return Count;
    }

    /// <summary>Whether a slot of the calling thread announces something that waits here.</summary>
    public bool IsHeldByCaller()
    {
        HazardThread? own = HazardThread.Find(domain);
        if (own is null)
        {
            return false;
        }

        using var steady = new Uninterrupted();
        steady.Enter(_scan);
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
            _scan.Exit();
        }
    }

    private HazardGarbage? TakeReclaimable()
    {
        // What stands here now and below it is looked at. It stays in the list, because only the holder of the turn takes anything out; what comes on top of it meanwhile may have been unlinked after the fence.
        HazardGarbage? newest = Volatile.Read(ref _pending);
        long bytes = Volatile.Read(ref _bytesSinceScan);
        HazardGarbage? reclaimable = null;
        HazardGarbage? kept = null;
        HazardGarbage? keptLast = null;
        int reclaimableCount = 0;
        bool done = false;
        try
        {
            // The unlinking stores of all that is looked at come before this fence, the looks at the slots after it: see HazardSnapshot.Take.
            domain.Heavy();
            _protected.Take(domain.Registry);

            // From here on nothing throws.
            HazardGarbage? taken = Interlocked.Exchange(ref _pending, null);
            bool lookedAt = false;
            while (taken is not null)
            {
                HazardGarbage retired = taken;
                taken = retired.Next;
                lookedAt |= retired == newest;
                if (lookedAt && !retired.IsIn(_protected))
                {
                    retired.Next = reclaimable;
                    reclaimable = retired;
                    reclaimableCount++;
                }
                else
                {
                    retired.Next = kept;
                    kept = retired;
                    keptLast ??= retired;
                }
            }

            done = true;
        }
        finally
        {
            _protected.Clear();
            Volatile.Write(ref _countOfFailedScan, done ? 0 : Volatile.Read(ref _pendingCount));
            Interlocked.Add(ref _bytesSinceScan, -bytes);
        }

        Interlocked.Add(ref _pendingCount, -reclaimableCount);
        if (kept is not null)
        {
            Push(kept, keptLast!, 0);
        }

        return reclaimable;
    }

    private void Reclaim(HazardGarbage? reclaimable, HazardReclaiming running, ref List<Exception>? failures)
    {
        if (reclaimable is null)
        {
            return;
        }

        int count = 0;
        long bytes = 0;
        running.Begin();
        try
        {
            while (reclaimable is not null)
            {
                HazardGarbage retired = reclaimable;
                reclaimable = retired.Next;
                count++;
                bytes += retired.Bytes;
                try
                {
                    retired.Reclaim();
                }
                catch (Exception failure)
                {
                    (failures ??= []).Add(failure);
                }
            }
        }
        finally
        {
            running.End();

            // Not empty if there was no memory to note what a callback threw.
            if (reclaimable is not null)
            {
                PutBack(reclaimable);
            }

            // All at once, and not before the last callback has returned: who waits for none to be left waits a little longer.
            Interlocked.Add(ref _bytes, -bytes);
            Interlocked.Add(ref _count, -count);
        }
    }

    private void PutBack(HazardGarbage first)
    {
        HazardGarbage last = first;
        int count = 1;
        while (last.Next is { } next)
        {
            last = next;
            count++;
        }

        Push(first, last, count);
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
