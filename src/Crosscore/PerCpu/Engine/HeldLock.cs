namespace Crosscore.PerCpu;

/// <summary>
/// A lock that the calling thread holds until it disposes of this. <see cref="Thread.Interrupt"/> does not break off
/// the wait for it: what per-CPU data owes others (a record that is counted, a block that is in a list) is never lost
/// to an exception on the way. The interruption is given back, and meets the thread in its next wait.
/// </summary>
internal readonly ref struct HeldLock
{
    private readonly Lock _gate;

    public HeldLock(Lock gate)
    {
        using var waiting = new Uninterrupted();
        waiting.Enter(gate);
        _gate = gate;
    }

    public void Dispose() => _gate.Exit();
}
