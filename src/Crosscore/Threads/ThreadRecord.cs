namespace Crosscore.Threads;

/// <summary>
/// What one thread writes and the others read, in a <see cref="ThreadRegistry{TRecord}"/>. It belongs to the thread
/// that made it; the registry removes it when that thread is dead. Nothing here depends on finalizers: the finalizer of
/// a thread-static object may run long after its thread has ended.
/// </summary>
internal abstract class ThreadRecord
{
    private ThreadRecord? _next;

    /// <summary>The thread that made the record.</summary>
    public Thread Owner { get; } = Thread.CurrentThread;

    /// <summary>
    /// The record that was registered before this one, of those that are still registered. Only the registry changes
    /// it. A record that was removed keeps it, so that a walk that stands on it can continue.
    /// </summary>
    public ThreadRecord? Next
    {
        get => Volatile.Read(ref _next);
        set => Volatile.Write(ref _next, value);
    }

    /// <summary>
    /// Whether the thread is alive. What a thread wrote here protects nothing after the thread has ended.
    /// </summary>
    public bool IsOwnerAlive => Owner.IsAlive;

    /// <summary>Called once when the record was removed because its owner is dead, with the registry locked.</summary>
    public virtual void Removed() { }
}
