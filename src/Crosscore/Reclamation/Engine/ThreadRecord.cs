namespace Crosscore.Reclamation;

/// <summary>
/// What one thread writes and the others read, in a <see cref="ThreadRegistry{TRecord}"/>. It belongs to its thread as long as that lives; afterwards another thread takes it over. Nothing
/// here depends on finalizers: a thread-static object's finalizer may run long after its thread ended.
/// </summary>
internal abstract class ThreadRecord
{
    private Thread _owner = Thread.CurrentThread;

    /// <summary>The record that was registered before this one. Written once, before this one is published.</summary>
    public ThreadRecord? Next { get; set; }

    /// <summary>Whether the thread is alive. What a thread wrote here before it ended protects nothing any more, since it does nothing any more.</summary>
    public bool IsOwnerAlive => Volatile.Read(ref _owner).IsAlive;

    /// <summary>Makes the record of a dead thread the calling thread's.</summary>
    /// <returns>Whether it was done; at most one thread succeeds.</returns>
    public bool TryTakeOver()
    {
        Thread owner = Volatile.Read(ref _owner);
        if (owner.IsAlive || Interlocked.CompareExchange(ref _owner, Thread.CurrentThread, owner) != owner)
        {
            return false;
        }

        Reset();
        return true;
    }

    /// <summary>Forgets what the dead thread left behind. Runs on the new owner, which readers of the record may already take for its owner: until then they see what was left behind, and
    /// wait for nothing worse than that.</summary>
    protected abstract void Reset();
}
