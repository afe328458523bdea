using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// The slots of a domain. A thread's slot is dropped when its thread is dead, by grace periods and when many slots have
/// come since the last look; no finaliser takes part. A thread that ended inside of a section reads nothing any more,
/// so it holds nothing up; it is counted as abandoned. No member is broken off by <see cref="Thread.Interrupt"/>: a
/// grace period is run by one thread for all who share it, and a reader does not expect to be thrown at when it enters.
/// </summary>
internal sealed class ReaderRegistry
{
    private const int FirstLook = 32;

    private readonly Lock _gate = new();
    private readonly List<ReaderSlot> _slots = [];
    private int _nextLook = FirstLook;
    private long _abandoned;
    private bool _closed;

    public int Count
    {
        get
        {
            using var steady = new Uninterrupted();
            steady.Enter(_gate);
            int count = _slots.Count;
            _gate.Exit();
            return count;
        }
    }

    /// <summary>How many threads have ended inside of a section.</summary>
    public long Abandoned => Volatile.Read(ref _abandoned);

    /// <summary>Returns the slot of this thread, new or found, or null if the registry is closed.</summary>
    public ReaderSlot? Register(long outside)
    {
        Thread owner = Thread.CurrentThread;
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        try
        {
            if (_closed)
            {
                return null;
            }

            if (_slots.Count >= _nextLook)
            {
                _ = _slots.RemoveAll(IsDead);
                _nextLook = Math.Max(FirstLook, 2 * _slots.Count);
            }

            var slot = new ReaderSlot(outside, owner);
            _slots.Add(slot);
            return slot;
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>
    /// Collects the slots that hold a grace period up. A slot that is registered after this belongs to a reader that
    /// came through the same gate later, and so sees all that was done before the grace period.
    /// </summary>
    public void CollectHolders(long gracePeriod, List<ReaderSlot> holders)
    {
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        try
        {
            bool anyDead = false;
            foreach (ReaderSlot slot in _slots)
            {
                if (slot.Owner.IsAlive)
                {
                    if (ReaderWord.HoldsUp(Volatile.Read(ref slot.Word.Value), gracePeriod))
                    {
                        holders.Add(slot);
                    }
                }
                else
                {
                    anyDead = true;
                }
            }

            if (anyDead)
            {
                _ = _slots.RemoveAll(IsDead);
            }
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>
    /// Registers no thread any more. The slots stay: readers may be inside, and one that looked before the domain was
    /// closed may yet enter, and whatever is retired afterwards has to wait for them.
    /// </summary>
    public void Close()
    {
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        _closed = true;
        _gate.Exit();
    }

    /// <summary>The slot of the calling thread, found the long way, or null.</summary>
    public ReaderSlot? Find()
    {
        using var steady = new Uninterrupted();
        steady.Enter(_gate);
        ReaderSlot? found = _slots.Find(slot => slot.Owner == Thread.CurrentThread);
        _gate.Exit();
        return found;
    }

    private bool IsDead(ReaderSlot slot)
    {
        if (slot.Owner.IsAlive)
        {
            return false;
        }

        if (ReaderWord.IsInside(Volatile.Read(ref slot.Word.Value)))
        {
            _ = Interlocked.Increment(ref _abandoned);
        }

        return true;
    }
}
