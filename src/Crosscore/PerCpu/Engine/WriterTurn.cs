namespace Crosscore.PerCpu;

/// <summary>
/// One writer at a time, those who wait in the order in which they came, threads and tasks alike. (A SemaphoreSlim that
/// both use loses a turn when a waiting thread is interrupted: the turn is given to a task that nothing waits for.)
/// </summary>
internal sealed class WriterTurn
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiting = [];
    private bool _taken;

    /// <summary>Takes the turn, or gets in line.</summary>
    /// <returns>Null when the turn is the caller's; otherwise who is told when it is.</returns>
    public Waiter? Ask(bool asTask)
    {
        using var held = new HeldLock(_gate);
        if (!_taken)
        {
            _taken = true;
            return null;
        }

        var waiter = new Waiter(asTask);
        _ = _waiting.AddLast(waiter);
        return waiter;
    }

    /// <summary>Gives the turn to the next in line.</summary>
    public void Leave()
    {
        Waiter? next;
        using (new HeldLock(_gate))
        {
            next = _waiting.First?.Value;
            if (next is null)
            {
                _taken = false;
            }
            else
            {
                _waiting.RemoveFirst();
            }
        }

        next?.Tell();
    }

    /// <summary>
    /// Takes one out of the line whose wait was cancelled. If the turn was given to it already, it goes to the next.
    /// </summary>
    public void GiveUp(Waiter waiter)
    {
        bool wasInLine;
        using (new HeldLock(_gate))
        {
            wasInLine = _waiting.Remove(waiter);
        }

        if (!wasInLine)
        {
            Leave();
        }
    }
}
