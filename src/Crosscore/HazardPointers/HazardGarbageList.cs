using Crosscore.Rcu;
using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// What was retired into a domain or a cohort and is not reclaimed yet, and the scans that reclaim it. Scans take
/// turns, and <see cref="Thread.Interrupt"/> does not break them off; callbacks run outside of every lock, so they may
/// retire, scan and wait for other threads that do. Nothing is taken out of the list before the fence and the look at
/// the slots have succeeded: a scan that fails leaves everything where it was.
/// </summary>
/// <param name="domain">Whose pointers protect what stands here.</param>
/// <param name="reclaimer">Makes the scans; null if the thread that retires does.</param>
/// <param name="keepsFailures">Whether what callbacks throw is thrown by calls of this list; not where its callbacks
/// belong to many who do not know each other.</param>
/// <param name="callbacksOnlyFree">Callbacks are the library's own and call no code of the user's.</param>
internal sealed class HazardGarbageList(
    HazardDomain domain,
    HazardReclaimer? reclaimer,
    bool keepsFailures = true,
    bool callbacksOnlyFree = false
)
{
    // So many times the thresholds may wait for the reclaimer or for callbacks; then those who retire wait too.
    private const int LimitFactor = 64;

    private readonly Lock _scan = new();
    private readonly object _room = new(); // pulsed when there may be room
    private readonly HazardSnapshot _protected = new();
    private HazardGarbage? _pending;
    private long _pendingCount;
    private long _keptCount; // what the last scan that succeeded found protected
    private long _keptBytes;
    private long _failedCount; // what was pending when the last scan failed; 0 when it succeeded
    private long _nextLook; // how many are pending when dead threads are looked for again
    private long _count;
    private ByteSum _bytes;
    private ByteSum _bytesSinceScan;
    private HazardFailures _unheard; // guarded by _scan; what callbacks threw on the reclaimer's thread
    private volatile bool _anyUnheard;
    private int _noticed;
    private int _waitingForRoom;

    /// <summary>How many are not reclaimed: those waiting, and those whose callback has not returned.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The sum of the bytes they were given with, or the largest number.</summary>
    public long Bytes => _bytes.Value;

    /// <summary>Whether anything is here that the last scan did not find protected.</summary>
    public bool HasMoreThanProtected => Count > Volatile.Read(ref _keptCount);

    // After a scan at least the threshold must come anew, whatever it kept: so no thread scans again and again what
    // stays protected, and a scan that failed is tried again when that much has come. The slots only spread the cost of
    // looking at them. A slot protects an object and a pointer, so a scan keeps twice the slots at most, which bounds
    // the garbage.
    private bool IsScanDue
    {
        get
        {
            if (_bytesSinceScan.Value >= domain.ScanBytes)
            {
                return true;
            }

            long pending = Volatile.Read(ref _pendingCount);
            long beyond = pending - domain.ScanThreshold;
            if (beyond < Math.Max(Volatile.Read(ref _keptCount), Volatile.Read(ref _failedCount)))
            {
                return false;
            }

            if (beyond < domain.SlotCount && pending >= Volatile.Read(ref _nextLook))
            {
                // It waits because of slots that may be dead threads'. A look costs as much as there are threads, so
                // the next one is made when that much has come again.
                int threads = domain.SlotCount / HazardThread.FirstSlots;
                Volatile.Write(ref _nextLook, pending + Math.Max(domain.ScanThreshold, threads));
                domain.Registry.RemoveDead();
            }

            return beyond >= domain.SlotCount;
        }
    }

    private bool IsFull =>
        Count - Volatile.Read(ref _keptCount) >= (long)LimitFactor * ((long)domain.ScanThreshold + domain.SlotCount)
        || (Int128)Bytes - Volatile.Read(ref _keptBytes) >= (Int128)LimitFactor * domain.ScanBytes;

    /// <summary>Adds a chain of retired objects, which cannot fail, and sees to it that they are scanned if enough have
    /// gathered. Returns what went wrong in scans and callbacks.</summary>
    /// <param name="first">The first one.</param>
    /// <param name="last">The last one.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="bytesEach">The size of each.</param>
    /// <param name="mayScan">Whether the calling thread may run callbacks and wait.</param>
    public HazardFailures Add(HazardGarbage first, HazardGarbage last, int count, long bytesEach, bool mayScan = true)
    {
        // Counted before they can be taken out, so no counter goes below zero.
        Interlocked.Add(ref _count, count);
        if (bytesEach > 0)
        {
            _bytes.Add(bytesEach, count);
            _bytesSinceScan.Add(bytesEach, count);
        }

        Push(first, last, count);
        HazardFailures failures = default;
        if (reclaimer is not null)
        {
            Notify(ref failures);
            if (mayScan && IsFull)
            {
                WaitForRoom();
            }
        }
        else if (mayScan && IsScanDue)
        {
            if (HazardReclaiming.ByThisThread)
            {
                HazardReclaiming.ScanLater(this);
            }
            else
            {
                _ = TryScan(onlyIfDue: true, ref failures);
            }
        }

        return failures;
    }

    /// <summary>Reclaims what no slot announces, and what became due in other lists by that.</summary>
    /// <param name="onlyIfDue">Give up if another thread has done it in the meantime.</param>
    /// <param name="failures">What callbacks threw, and why a scan failed.</param>
    /// <param name="forLater">Keep what callbacks throw for the next call that reclaims or closes.</param>
    /// <returns>False if a scan failed: the kernel refused the barrier, or there was no memory. Everything that it
    /// would have reclaimed is still pending.</returns>
    public bool TryScan(bool onlyIfDue, ref HazardFailures failures, bool forLater = false)
    {
        // Made before anything is taken out, for lack of memory must not come in between.
        var running = new HazardReclaiming(this);
        HazardFailures thrown = default;
        using (
            StrangersCallbacks? callbacks = callbacksOnlyFree
                ? null
                : new StrangersCallbacks(domain.Name, failure => Report(failure, forLater, ref thrown))
        )
        {
            HazardGarbage? reclaimable = null;
            using (var steady = new Uninterrupted())
            {
                steady.Enter(_scan);
                try
                {
                    if (!onlyIfDue || IsScanDue)
                    {
                        reclaimable = TakeReclaimable();
                    }
                }
                catch (Exception refusal)
                {
                    failures.Refuse(refusal);
                    return false;
                }
                finally
                {
                    _scan.Exit();
                }
            }

            // What is protected is no reason to wait. The look at those who wait comes after the store of how much that
            // is; pairs with WaitForRoom, which counts itself and then looks. The shape is that of
            // litmus/reclamation/HazardPointer.Notice.litmus.
            Interlocked.MemoryBarrier();
            GiveRoom();
            Reclaim(reclaimable, running, callbacks, forLater, ref thrown);
        }

        failures.Add(thrown);
        HazardReclaiming.ScanDue(this, ref failures, forLater);
        return true;
    }

    /// <summary>Scans, and returns how many are left. In a callback of this list it asks for the scan, which comes when
    /// the callback has returned.</summary>
    /// <exception cref="AggregateException">Callbacks threw, or the scan failed.</exception>
    public long ReclaimNow()
    {
        if (HazardReclaiming.IsRunning(this))
        {
            HazardReclaiming.ScanLater(this, asked: true);
            return Count;
        }

        HazardFailures failures = default;
        _ = TryScan(onlyIfDue: false, ref failures);
        Hear(ref failures);
        failures.Throw();
        return Count;
    }

    /// <summary>The reclaimer's scan: what callbacks throw is kept for those who reclaim or close.</summary>
    /// <returns>Whether anything was reclaimed.</returns>
    public bool ScanForReclaimer(bool onlyIfDue)
    {
        TakeNotice();
        long before = Count;
        HazardFailures failures = default;
        // A barrier that was refused is asked for again: the list stays with the reclaimer.
        _ = TryScan(onlyIfDue, ref failures, forLater: true);
        return Count < before;
    }

    /// <summary>From here on the reclaimer is told again of what comes. Before the list is read; pairs with
    /// Notify.</summary>
    public void TakeNotice() => _ = Interlocked.Exchange(ref _noticed, 0);

    /// <summary>Keeps what callbacks threw for the next call that reclaims or closes.</summary>
    public void Keep(HazardFailures failures)
    {
        if (failures.Callbacks.Count == 0)
        {
            return;
        }

        using var steady = new Uninterrupted();
        steady.Enter(_scan);
        try
        {
            foreach (Exception failure in failures.Callbacks.Take(HazardFailures.MostKept - _unheard.Callbacks.Count))
            {
                _unheard.Add(failure);
            }

            _anyUnheard = true;
        }
        finally
        {
            _scan.Exit();
        }
    }

    /// <summary>Adds what was kept.</summary>
    public void Hear(ref HazardFailures failures)
    {
        if (!_anyUnheard)
        {
            return;
        }

        using var steady = new Uninterrupted();
        steady.Enter(_scan);
        try
        {
            failures.Add(_unheard);
            _unheard = default;
            _anyUnheard = false;
        }
        finally
        {
            _scan.Exit();
        }
    }

    /// <summary>The threads whose pointers protect something that waits here.</summary>
    public IReadOnlyList<HazardHolder> GetHolders()
    {
        List<HazardHolder> holders = [];
        using var steady = new Uninterrupted();
        steady.Enter(_scan);
        try
        {
            for (HazardThread? thread = domain.Registry.Newest; thread is not null; thread = (HazardThread?)thread.Next)
            {
                if (thread.IsOwnerAlive && HeldBy(thread) is > 0 and int held)
                {
                    holders.Add(new HazardHolder(thread.Owner, held));
                }
            }
        }
        finally
        {
            _scan.Exit();
        }

        return holders;
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
            return HeldBy(own) > 0;
        }
        finally
        {
            _scan.Exit();
        }
    }

    // Holding _scan.
    private int HeldBy(HazardThread thread)
    {
        int held = 0;
        try
        {
            _protected.Add(thread);
            HazardGarbage? retired = _protected.IsEmpty ? null : Volatile.Read(ref _pending);
            while (retired is not null)
            {
                held += retired.IsIn(_protected) ? 1 : 0;
                retired = retired.Next;
            }
        }
        finally
        {
            _protected.Clear();
        }

        return held;
    }

    private HazardGarbage? TakeReclaimable()
    {
        // What stands here now and below it is looked at. It stays in the list, because only the holder of the turn
        // takes anything out; what comes on top of it meanwhile may have been unlinked after the fence.
        HazardGarbage? newest = Volatile.Read(ref _pending);
        ByteSum bytes = _bytesSinceScan.Read();
        HazardGarbage? reclaimable = null;
        HazardGarbage? kept = null;
        HazardGarbage? keptLast = null;
        int reclaimableCount = 0;
        long protectedCount = 0;
        ByteSum protectedBytes = default;
        bool done = false;
        try
        {
            // The unlinking stores of all that is looked at come before this fence, the looks at the slots after it:
            // see HazardSnapshot.Take.
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
                bool isProtected = lookedAt && retired.IsIn(_protected);
                if (isProtected)
                {
                    protectedCount++;
                    protectedBytes.Add(retired.Bytes, 1);
                }

                if (lookedAt && !isProtected)
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
            _bytesSinceScan.Subtract(bytes);
            Volatile.Write(ref _failedCount, done ? 0 : Volatile.Read(ref _pendingCount));
        }

        Interlocked.Add(ref _pendingCount, -reclaimableCount);
        Volatile.Write(ref _keptCount, protectedCount);
        Volatile.Write(ref _keptBytes, protectedBytes.Value);
        Volatile.Write(ref _nextLook, 0);
        if (kept is not null)
        {
            Push(kept, keptLast!, 0);
        }

        return reclaimable;
    }

    private void Reclaim(
        HazardGarbage? reclaimable,
        HazardReclaiming running,
        StrangersCallbacks? callbacks,
        bool forLater,
        ref HazardFailures thrown
    )
    {
        if (reclaimable is null)
        {
            return;
        }

        running.Begin();
        try
        {
            while (reclaimable is not null)
            {
                HazardGarbage retired = reclaimable;
                reclaimable = retired.Next;
                try
                {
                    if (callbacks is not null)
                    {
                        callbacks.Run(static garbage => ((HazardGarbage)garbage!).Reclaim(), retired);
                    }
                    else
                    {
                        retired.Reclaim();
                    }
                }
                catch (Exception failure) when (callbacks is null)
                {
                    Report(failure, forLater, ref thrown);
                }
                finally
                {
                    // Not before the callback has returned, and what it threw is where those who wait for none to be
                    // left find it.
                    if (retired.Bytes > 0)
                    {
                        _bytes.Subtract(retired.Bytes);
                    }

                    Interlocked.Decrement(ref _count);
                }

                GiveRoom();
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
        }
    }

    private void Report(Exception failure, bool forLater, ref HazardFailures thrown)
    {
        HazardFailures told = default;
        domain.Report(failure, ref told);
        if (keepsFailures && forLater)
        {
            Keep(told);
        }
        else if (keepsFailures)
        {
            thrown.Add(told);
        }
    }

    /// <summary>Wakes the threads that wait for room, if there is some. After a full fence behind what made it; pairs
    /// with <see cref="WaitForRoom"/>.</summary>
    private void GiveRoom()
    {
        if (Volatile.Read(ref _waitingForRoom) != 0 && !IsFull)
        {
            using var steady = new Uninterrupted();
            steady.Enter(_room);
            Monitor.PulseAll(_room);
            Monitor.Exit(_room);
        }
    }

    /// <summary>Tells the reclaimer that something is here, unless it has been told and has not looked yet.</summary>
    private void Notify(ref HazardFailures failures)
    {
        // The list was written before, by an interlocked operation. Pairs with ScanForReclaimer, which takes the notice
        // back, also by one, and then reads the list: either it sees what was added, or its store is seen here.
        // litmus/reclamation/HazardPointer.Notice.litmus; fails without: HazardPointer.Notice.NoFence.litmus.
        int wanted = IsScanDue ? HazardReclaimer.Due : HazardReclaimer.Later;
        if (
            Volatile.Read(ref _noticed) < wanted
            && Interlocked.Exchange(ref _noticed, wanted) < wanted
            && reclaimer!.Notice(this, wanted) is { } obstacle
        )
        {
            Volatile.Write(ref _noticed, 0); // the next retirement tries again
            failures.Refuse(obstacle);
        }
    }

    private void WaitForRoom()
    {
        // A callback may be what the others wait for.
        if (HazardReclaiming.ByThisThread)
        {
            return;
        }

        var deadline = new Deadline(domain.WaitForRoom);
        using var steady = new Uninterrupted();
        _ = Interlocked.Increment(ref _waitingForRoom); // a full fence before the looks below; pairs with GiveRoom
        steady.Enter(_room);
        try
        {
            while (IsFull && !deadline.IsOver)
            {
                steady.Wait(_room, (int)Math.Ceiling(deadline.Left.TotalMilliseconds));
            }
        }
        finally
        {
            Monitor.Exit(_room);
            _ = Interlocked.Decrement(ref _waitingForRoom);
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
