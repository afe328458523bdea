using Crosscore.HazardPointers;

namespace Crosscore.Threads;

/// <summary>
/// The records of the threads that take part, walked without a lock. A thread says nothing when it ends, so the records
/// of dead ones are looked for: a few by each thread that joins, which costs the same however many there are, and all
/// by
/// <see cref="RemoveDead"/>.
/// </summary>
/// <remarks>
/// Records come and go under a lock; walks do not take it. A record is put in at the front and never again, so a walk
/// that stands on one that is being taken out still comes to every older one: that one's link is kept.
/// litmus/reclamation/HazardPointer.DeadRecord.litmus; fails without: HazardPointer.DeadRecord.LinkCut.litmus, which is
/// what a list of free records for later use would do.
/// </remarks>
internal sealed class ThreadRegistry<TRecord>
    where TRecord : ThreadRecord
{
    private const int LooksPerJoin = 4;

    private readonly Lock _changing = new();
    private TRecord? _newest;

    // A living one, up to which those who joined have looked for dead ones; null before the newest.
    private ThreadRecord? _lookedAt;

    /// <summary>The newest record, from which <see cref="ThreadRecord.Next"/> leads to all.</summary>
    /// <remarks>
    /// Read after <see cref="AsymmetricFence.Heavy"/>, never before, by a thread that looks for what the others are
    /// doing: a thread that joined later has not looked at anything yet, and will see what was stored before the fence.
    /// Fails without: litmus/reclamation/HazardPointer.NewSlot.RegistryReadEarly.litmus.
    /// </remarks>
    public TRecord? Newest => Volatile.Read(ref _newest);

    /// <summary>Puts in a record that the calling thread has made for itself; it has no other one here.</summary>
    public void Join(TRecord record)
    {
        using var steady = new Uninterrupted();
        steady.Enter(_changing);
        try
        {
            RemoveSomeDead();
            record.Next = _newest;

            // Release: a walk that finds the record finds its fields. It comes before anything that the thread
            // announces in the record; pairs with Newest.
            Volatile.Write(ref _newest, record);
        }
        finally
        {
            _changing.Exit();
        }
    }

    /// <summary>Takes out the records of all threads that are dead.</summary>
    public void RemoveDead()
    {
        using var steady = new Uninterrupted();
        steady.Enter(_changing);
        try
        {
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
        finally
        {
            _changing.Exit();
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
