using Crosscore.Rcu;
using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// What was retired into a domain or a cohort and is not reclaimed yet, and the scans that reclaim it. Scans take
/// turns, and <see cref="Thread.Interrupt"/> does not break them off. Callbacks run outside of every lock, so they may
/// retire, scan and wait for other threads that do.
/// </summary>
/// <param name="domain">The domain whose pointers protect what is in the list.</param>
/// <param name="reclaimer">Makes the scans; null if the threads that retire make them.</param>
/// <param name="keepsFailures">Whether calls of this list throw what callbacks threw; false where callbacks belong to
/// different owners.</param>
/// <param name="callbacksOnlyFree">Whether callbacks are the library's own and call no code of the user's.</param>
internal sealed class HazardGarbageList(
    HazardDomain domain,
    HazardScheduler? reclaimer,
    bool keepsFailures = true,
    bool callbacksOnlyFree = false
) : IBounded
{
    // When the next scan is due, and from when on threads that retire wait.
    private readonly HazardScanSchedule _schedule = new(domain);

    // What waits for a scan that finds it unprotected.
    private readonly HazardScanner _pending = new(domain);

    // Where threads that retire wait for room.
    private readonly SpaceSignal _room = new();

    // What is not reclaimed: what is pending, and what a callback is running for. Lowered when the callback has
    // returned, so that 0 means that no callback runs any more.
    private long _count;
    private ByteSum _bytes;

    // What callbacks threw on the thread of the reclaimer, for the next call that reclaims or closes.
    private readonly KeptFailures _failures = new();

    // How urgently the reclaimer was told of this list (HazardScheduler.Later or Due), or 0 when it has looked since. A
    // retirement that finds it set does not tell the reclaimer again.
    private int _notified;

    /// <summary>How many objects are not reclaimed: those waiting, and those whose callback has not returned.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The sum of the bytes that they were retired with, or the largest number.</summary>
    public long Bytes => _bytes.Value;

    /// <summary>Whether there is anything that the last scan did not find protected.</summary>
    public bool HasMoreThanProtected => Count > _schedule.ProtectedCount;

    /// <inheritdoc/>
    public bool IsFull => _schedule.IsFull(Count, Bytes);

    private bool IsScanDue => _schedule.IsDue(_pending.Count);

    /// <summary>
    /// Adds a chain of retired objects, which cannot fail, and has them scanned if enough have gathered.
    /// </summary>
    /// <param name="first">The first object.</param>
    /// <param name="last">The last object.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="bytesEach">The size of each.</param>
    /// <param name="mayScan">Whether the calling thread may run callbacks and wait.</param>
    /// <returns>What failed in scans and callbacks.</returns>
    public HazardFailures Add(HazardGarbage first, HazardGarbage last, int count, long bytesEach, bool mayScan = true)
    {
        // Counted before they can be taken out, so that no counter goes below zero.
        Interlocked.Add(ref _count, count);
        if (bytesEach > 0)
        {
            _bytes.Add(bytesEach, count);
            _schedule.Add(bytesEach, count);
        }

        _pending.Push(first, last, count);
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

    /// <summary>Reclaims what no slot announces, and what becomes due in other lists because of that.</summary>
    /// <param name="onlyIfDue">Whether to return if another thread has made the scan in the meantime.</param>
    /// <param name="failures">What callbacks threw, and why a scan failed.</param>
    /// <param name="forLater">Whether to keep what callbacks throw for the next call that reclaims or closes.</param>
    /// <returns>False if a scan failed: the kernel refused the barrier, or there was no memory. Everything that it
    /// would have reclaimed is still pending.</returns>
    public bool TryScan(bool onlyIfDue, ref HazardFailures failures, bool forLater = false)
    {
        // Allocated before anything is taken out, since an allocation that fails afterwards would lose it.
        var running = new HazardReclaiming(this);
        HazardFailures thrown = default;
        using (
            StrangersCallbacks? callbacks = callbacksOnlyFree
                ? null
                : new StrangersCallbacks(domain.Name, failure => Report(failure, forLater, ref thrown))
        )
        {
            HazardGarbage? reclaimable;
            try
            {
                reclaimable = _pending.TakeReclaimable(_schedule, onlyIfDue);
            }
            catch (Exception refusal)
            {
                failures.Refuse(refusal);
                return false;
            }

            // What is protected is no reason to wait for room, so the scan alone may have made room. A full fence
            // between the store of what is protected and the look at the threads that wait: see SpaceSignal.Wait.
            Interlocked.MemoryBarrier();
            _room.Signal(this);
            Reclaim(reclaimable, running, callbacks, forLater, ref thrown);
        }

        failures.Add(thrown);
        HazardReclaiming.ScanDue(this, ref failures, forLater);
        return true;
    }

    /// <summary>
    /// Scans, and returns how many objects are left. In a callback of this list it asks for the scan, which comes when
    /// the callback has returned.
    /// </summary>
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
        AddKept(ref failures);
        failures.Throw();
        return Count;
    }

    /// <summary>
    /// Scans for the reclaimer: what callbacks throw is kept for the next call that reclaims or closes.
    /// </summary>
    /// <returns>Whether anything was reclaimed.</returns>
    public bool ScanForReclaimer(bool onlyIfDue)
    {
        TakeNotice();
        long before = Count;
        HazardFailures failures = default;
        // A barrier that was refused is retried, because the list stays with the reclaimer.
        _ = TryScan(onlyIfDue, ref failures, forLater: true);
        return Count < before;
    }

    /// <summary>
    /// From here on the reclaimer is told again of what is retired. It calls this before it reads the list; pairs with
    /// Notify.
    /// </summary>
    public void TakeNotice() => _ = Interlocked.Exchange(ref _notified, 0);

    /// <summary>Gets the threads whose pointers protect something that waits here.</summary>
    public IReadOnlyList<HazardHolder> GetHolders() => _pending.GetHolders();

    /// <summary>Whether a slot of the calling thread announces something that waits here.</summary>
    public bool IsHeldByCaller() => _pending.IsHeldByCaller();

    /// <summary>Keeps what callbacks threw for the next call that reclaims or closes.</summary>
    public void Keep(HazardFailures failures)
    {
        foreach (Exception failure in failures.Callbacks)
        {
            _failures.Add(failure);
        }
    }

    /// <summary>Adds what was kept to the failures of a call.</summary>
    public void AddKept(ref HazardFailures failures)
    {
        foreach (Exception failure in _failures.TakeAll())
        {
            failures.Add(failure);
        }
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
                    // Not before the callback has returned, and what it threw is where a caller that waits for a count
                    // of 0 finds it.
                    if (retired.Bytes > 0)
                    {
                        _bytes.Subtract(retired.Bytes);
                    }

                    Interlocked.Decrement(ref _count);
                }

                _room.Signal(this);
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
        HazardFailures untold = default;
        domain.Report(failure, ref untold);
        if (keepsFailures && forLater)
        {
            Keep(untold);
        }
        else if (keepsFailures)
        {
            thrown.Add(untold);
        }
    }

    /// <summary>Tells the reclaimer that something is here, unless it was told and has not looked since.</summary>
    private void Notify(ref HazardFailures failures)
    {
        // The list was written before, by an interlocked operation. Pairs with TakeNotice, which resets the field, also
        // by one, before the reclaimer reads the list: either the reclaimer sees what was added, or its store is seen
        // here. litmus/reclamation/HazardPointer.Notice.litmus; fails without: HazardPointer.Notice.NoFence.litmus.
        int urgency = IsScanDue ? HazardScheduler.Due : HazardScheduler.Later;
        if (
            Volatile.Read(ref _notified) < urgency
            && Interlocked.Exchange(ref _notified, urgency) < urgency
            && reclaimer!.Notice(this, urgency) is { } obstacle
        )
        {
            Volatile.Write(ref _notified, 0); // the next retirement tells it again
            failures.Refuse(obstacle);
        }
    }

    private void WaitForRoom()
    {
        // A thread that runs a callback may be the one that the others wait for.
        if (!HazardReclaiming.ByThisThread)
        {
            _ = _room.Wait(this, new Deadline(domain.WaitForRoom));
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

        _pending.Push(first, last, count);
    }
}
