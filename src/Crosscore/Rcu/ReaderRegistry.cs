using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// The slots of a domain. The slot of a dead thread is removed by the next grace period, or when many slots were added
/// since the last look; no finalizer takes part. A thread that ended inside of a section reads nothing any more, so it
/// delays nothing; it is counted as abandoned. No member is broken off by <see cref="Thread.Interrupt"/>: one thread
/// runs a grace period for all callers that share it, and a reader does not expect an exception when it enters.
/// </summary>
internal sealed class ReaderRegistry
{
    private const int FirstLook = 32;

    private readonly Lock _gate = new(); // guards the fields below
    private readonly List<ReaderSlot> _slots = [];
    private int _nextLook = FirstLook; // the number of slots at which the next registration looks for dead threads
    private long _abandoned;
    private bool _closed;

    public int Count
    {
        get
        {
            using var held = new HeldLock(_gate);
            return _slots.Count;
        }
    }

    /// <summary>How many threads have ended inside of a section.</summary>
    public long Abandoned => Volatile.Read(ref _abandoned);

    /// <summary>Adds a slot for the calling thread.</summary>
    /// <returns>The slot, or null if the registry is closed.</returns>
    public ReaderSlot? Register(long outside)
    {
        Thread owner = Thread.CurrentThread;
        using var held = new HeldLock(_gate);
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

    /// <summary>
    /// Collects the slots that a grace period must wait for. A slot that is registered after this belongs to a reader
    /// that took the same gate later, and so sees all that was done before the grace period.
    /// </summary>
    public void CollectHolders(long gracePeriod, List<ReaderSlot> holders)
    {
        using var held = new HeldLock(_gate);
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

    /// <summary>
    /// Registers no thread from here on. The slots stay: readers may be inside, a reader that checked before the domain
    /// was closed may still enter, and what is retired afterwards has to wait for both.
    /// </summary>
    public void Close()
    {
        using var held = new HeldLock(_gate);
        _closed = true;
    }

    /// <summary>Searches for the slot of the calling thread; null where it has none.</summary>
    public ReaderSlot? Find()
    {
        using var held = new HeldLock(_gate);
        return _slots.Find(slot => slot.Owner == Thread.CurrentThread);
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
