namespace Crosscore.Threads;

/// <summary>
/// A lock that the calling thread holds until it disposes of this. <see cref="Thread.Interrupt"/> does not break off
/// the wait for it: what is owed to others (a record that is counted, a block that is in a list) is never lost to an
/// exception on the way. The interruption is given back when the lock has been left, and meets the thread in its next
/// wait.
/// </summary>
internal ref struct HeldLock
{
    private readonly Lock _gate;
    private Uninterrupted _steady;

    public HeldLock(Lock gate)
    {
        _gate = gate;
        _steady.Enter(gate);
    }

    public readonly void Dispose()
    {
        _gate.Exit();
        _steady.Dispose();
    }
}
