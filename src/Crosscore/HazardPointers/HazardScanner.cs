using Crosscore.Threads;

namespace Crosscore.HazardPointers;

/// <summary>
/// The objects of a list that wait for a scan that finds them unprotected. A scan takes nothing out before the fence
/// and the look at the slots have succeeded, so a scan that fails leaves everything where it was. No member is broken
/// off by <see cref="Thread.Interrupt"/>.
/// </summary>
internal sealed class HazardScanner(HazardDomain domain)
{
    // The turn of a scan: only its holder takes anything out. It also guards _protected.
    private readonly Lock _turn = new();

    // What the slots announce, for the scan whose turn it is; empty between scans. One object for all scans, because
    // its sets keep their memory.
    private readonly HazardSnapshot _protected = new();

    // The objects, the newest on top. Pushed by any thread, without the turn.
    private PushStack<HazardGarbage> _stack;

    // How many they are. Raised before a push and lowered after a scan, so that it is never too small.
    private long _count;

    /// <summary>How many objects wait.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>Adds a chain of objects.</summary>
    public void Push(HazardGarbage first, HazardGarbage last, int count)
    {
        Interlocked.Add(ref _count, count);
        _ = _stack.Push(first, last);
    }

    /// <summary>Scans: takes out what no slot announces.</summary>
    /// <param name="schedule">When scans are due; it is told what this one found.</param>
    /// <param name="onlyIfDue">Whether to return null if another thread has made the scan in the meantime.</param>
    /// <returns>A chain of objects that can be reclaimed, or null.</returns>
    /// <exception cref="Exception">The fence failed, or there was no memory: everything is still here.</exception>
    public HazardGarbage? TakeReclaimable(HazardScanSchedule schedule, bool onlyIfDue)
    {
        using var held = new HeldLock(_turn);
        if (onlyIfDue && !schedule.IsDue(Count))
        {
            return null;
        }

        // The scan covers this object and those below it. They stay on the stack for now, because only the holder of
        // the turn takes anything out. What is pushed on top of them later may have been unlinked after the fence.
        HazardGarbage? newest = _stack.Top;
        ByteSum bytes = schedule.Begin();
        Division division = default;
        bool done = false;
        try
        {
            // The unlinking stores of all that is covered come before this fence, the looks at the slots after it: see
            // HazardSnapshot.Take.
            domain.Heavy();
            _protected.Take(domain.Registry);

            // From here on nothing throws.
            division = Divide(_stack.TakeAll(), newest);
            done = true;
        }
        finally
        {
            _protected.Clear();
            schedule.End(bytes, failedAt: done ? 0 : Count);
        }

        Interlocked.Add(ref _count, -division.ReclaimableCount);
        schedule.SetProtected(division.ProtectedCount, division.ProtectedBytes.Value);
        if (division.Kept is not null)
        {
            Push(division.Kept, division.KeptLast!, 0);
        }

        return division.Reclaimable;
    }

    /// <summary>Divides what was taken out of the list by what the slots announce.</summary>
    /// <param name="taken">All that was in the list.</param>
    /// <param name="newest">The newest object that the scan covers. What came after it is kept unseen.</param>
    private Division Divide(HazardGarbage? taken, HazardGarbage? newest)
    {
        Division division = default;
        bool isCovered = false;
        while (taken is not null)
        {
            HazardGarbage retired = taken;
            taken = retired.Next;
            isCovered |= retired == newest;
            bool isProtected = isCovered && retired.IsIn(_protected);
            if (isProtected)
            {
                division.ProtectedCount++;
                division.ProtectedBytes.Add(retired.Bytes, 1);
            }

            if (isCovered && !isProtected)
            {
                retired.Next = division.Reclaimable;
                division.Reclaimable = retired;
                division.ReclaimableCount++;
            }
            else
            {
                retired.Next = division.Kept;
                division.Kept = retired;
                division.KeptLast ??= retired;
            }
        }

        return division;
    }

    /// <summary>Gets the threads whose pointers protect something that waits here.</summary>
    public IReadOnlyList<HazardHolder> GetHolders()
    {
        List<HazardHolder> holders = [];
        using var held = new HeldLock(_turn);
        for (HazardThread? thread = domain.Registry.Newest; thread is not null; thread = (HazardThread?)thread.Next)
        {
            if (thread.IsOwnerAlive && CountHeldBy(thread) is > 0 and int count)
            {
                holders.Add(new HazardHolder(thread.Owner, count));
            }
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

        using var held = new HeldLock(_turn);
        return CountHeldBy(own) > 0;
    }

    // Under _turn.
    private int CountHeldBy(HazardThread thread)
    {
        int count = 0;
        try
        {
            _protected.Add(thread);
            HazardGarbage? retired = _protected.IsEmpty ? null : _stack.Top;
            while (retired is not null)
            {
                count += retired.IsIn(_protected) ? 1 : 0;
                retired = retired.Next;
            }
        }
        finally
        {
            _protected.Clear();
        }

        return count;
    }

    /// <summary>The result of a scan.</summary>
    private struct Division
    {
        public HazardGarbage? Reclaimable; // covered and not protected
        public HazardGarbage? Kept; // everything else
        public HazardGarbage? KeptLast;
        public int ReclaimableCount;
        public long ProtectedCount;
        public ByteSum ProtectedBytes;
    }
}
