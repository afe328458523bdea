namespace Crosscore.Threads;

/// <summary>
/// What one thread writes and the others read, in a <see cref="ThreadRegistry{TRecord}"/>. It belongs to the thread
/// that made it and to no other; when that is dead, the registry lets go of it. Nothing here depends on
/// finalizers: a thread-static object's finalizer may run long after its thread ended.
/// </summary>
internal abstract class ThreadRecord
{
    private ThreadRecord? _next;

    /// <summary>Whose it is.</summary>
    public Thread Owner { get; } = Thread.CurrentThread;

    /// <summary>
    /// The record that was registered before this one, of those that are still registered. Changed by the registry
    /// alone. A record that is not registered any more keeps it, so that a walk that stands on it finds the way on.
    /// </summary>
    public ThreadRecord? Next
    {
        get => Volatile.Read(ref _next);
        set => Volatile.Write(ref _next, value);
    }

    /// <summary>
    /// Whether the thread is alive. What a thread wrote here before it ended protects nothing any more, since it does
    /// nothing any more.
    /// </summary>
    public bool IsOwnerAlive => Owner.IsAlive;

    /// <summary>The owner is dead and the record is not registered any more. Called once, with the registry
    /// locked.</summary>
    public virtual void Removed() { }
}
