namespace Crosscore.Threads;

/// <summary>
/// A lock that the calling thread holds until it disposes of this value. <see cref="Thread.Interrupt"/> does not break
/// off the wait for the lock, so an exception never loses what the thread owes to others, such as a record that is
/// counted or a block that is in a list. The interruption is given back when the lock has been left; the thread's next
/// wait throws it.
/// </summary>
internal ref struct HeldLock
{
    private readonly Lock _gate;
    private Uninterrupted _uninterrupted;

    public HeldLock(Lock gate)
    {
        _gate = gate;
        _uninterrupted.Enter(gate);
    }

    public readonly void Dispose()
    {
        _gate.Exit();
        _uninterrupted.Dispose();
    }
}
