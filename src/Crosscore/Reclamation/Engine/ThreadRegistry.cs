namespace Crosscore.Reclamation;

/// <summary>
/// The records of all threads that ever took part. They are never removed, so they can be walked without a lock; those of dead threads are given to new ones, so there
/// are no more of them than threads lived at one time.
/// </summary>
internal sealed class ThreadRegistry<TRecord>
    where TRecord : ThreadRecord, new()
{
    private TRecord? _newest;

    /// <summary>The newest record, from which <see cref="ThreadRecord.Next"/> leads to all.</summary>
    /// <remarks>
    /// Whoever looks for what threads are doing reads this after <see cref="AsymmetricFence.Heavy"/>, never before: a thread that joined later has not looked at anything yet, and will
    /// see what was stored before the fence. Fails without: litmus/reclamation/HazardPointer.NewSlot.RegistryReadEarly.litmus.
    /// </remarks>
    public TRecord? Newest => Volatile.Read(ref _newest);

    /// <summary>A record for the calling thread, which must have none here yet.</summary>
    public TRecord Join()
    {
        for (ThreadRecord? record = Newest; record is not null; record = record.Next)
        {
            if (record.TryTakeOver())
            {
                return (TRecord)record;
            }
        }

        var joined = new TRecord();
        TRecord? newest = Newest;
        while (true)
        {
            joined.Next = newest;
            TRecord? found = Interlocked.CompareExchange(ref _newest, joined, newest);
            if (found == newest)
            {
                return joined;
            }

            newest = found;
        }
    }
}
