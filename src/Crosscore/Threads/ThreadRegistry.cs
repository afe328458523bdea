namespace Crosscore.Threads;

/// <summary>
/// The records of the threads that take part, walked without a lock. A thread does not report its end, so the records
/// of dead threads are searched for: each thread that joins looks at a few, which costs the same however many there
/// are, and <see cref="RemoveDead"/> looks at all.
/// </summary>
/// <remarks>
/// Records come and go under a lock, which walks do not take. A record is added at the front, once. So a walk that
/// stands on a record that is being removed still reaches every older one, because the removed record keeps its link:
/// litmus/reclamation/HazardPointer.DeadRecord.litmus. Fails without: HazardPointer.DeadRecord.LinkCut.litmus, which is
/// what a list of free records for later use would do.
/// </remarks>
internal sealed class ThreadRegistry<TRecord>
    where TRecord : ThreadRecord
{
    private const int LooksPerJoin = 4;

    // Guards every change of the list.
    private readonly Lock _changing = new();

    // The front of the list: the record that was added last.
    private TRecord? _newest;

    // The record of a living thread up to which joining threads have looked for dead ones; null before the newest. The
    // next thread that joins continues from here.
    private ThreadRecord? _lookedAt;

    /// <summary>The newest record, from which <see cref="ThreadRecord.Next"/> leads to all.</summary>
    /// <remarks>
    /// A thread that examines what the others are doing reads this after <see cref="AsymmetricFence.Heavy"/>, never
    /// before: a thread that joins later has not read anything yet, and will see what was stored before the fence.
    /// Fails without: litmus/reclamation/HazardPointer.NewSlot.RegistryReadEarly.litmus.
    /// </remarks>
    public TRecord? Newest => Volatile.Read(ref _newest);

    /// <summary>Adds a record that the calling thread has made for itself; it has no other one here.</summary>
    public void Join(TRecord record)
    {
        using var held = new HeldLock(_changing);
        RemoveSomeDead();
        record.Next = _newest;

        // Release: a walk that finds the record finds its fields. It comes before anything that the thread announces in
        // the record; pairs with Newest.
        Volatile.Write(ref _newest, record);
    }

    /// <summary>Removes the records of all threads that are dead.</summary>
    public void RemoveDead()
    {
        using var held = new HeldLock(_changing);
        _lookedAt = null;
        ThreadRecord? before = null;
        for (ThreadRecord? record = _newest; record is not null; record = record.Next)
        {
            if (record.IsOwnerAlive)
            {
                before = record;
            }
            else
            {
                Remove(record, before);
            }
        }
    }

    private void RemoveSomeDead()
    {
        bool again = false;
        for (int look = 0; look < LooksPerJoin; look++)
        {
            ThreadRecord? record = _lookedAt is null ? _newest : _lookedAt.Next;
            if (record is null)
            {
                _lookedAt = null;
                if (again)
                {
                    return;
                }

                again = true;
            }
            else if (record.IsOwnerAlive)
            {
                _lookedAt = record;
            }
            else
            {
                Remove(record, _lookedAt);
            }
        }
    }

    private void Remove(ThreadRecord record, ThreadRecord? before)
    {
        if (before is null)
        {
            Volatile.Write(ref _newest, (TRecord?)record.Next);
        }
        else
        {
            before.Next = record.Next;
        }

        record.Removed();
    }
}
