using System.Runtime.ExceptionServices;

namespace Crosscore.Threads;

/// <summary>The callers that one run of a <see cref="CoalescedOperation"/> serves.</summary>
internal sealed class CoalescedBatch
{
    // The states, in this order. A run may be claimed from Ready on, by one caller.
    private const int Open = 0; // another run is under way
    private const int Ready = 1; // no run is under way: one caller may claim this one
    private const int Claimed = 2; // one caller has
    private const int Done = 3;

    // A barrier that interrupts no thread is over in less than this. Beyond it, waiting threads leave their processors
    // to those that run.
    private const int Spins = 30;

    private int _state;
    private ExceptionDispatchInfo? _failure; // what the run threw; written before Done

    /// <summary>
    /// How many threads wait for the run. Written under the gate of the operation, read by the thread that waits for
    /// more of them to come.
    /// </summary>
    public int Waiting;

    /// <summary>Whether a caller has asked that does not wait on its own thread. Guarded by the gate.</summary>
    public bool IsRequested;

    /// <summary>The callers that await a task. Guarded by the gate.</summary>
    public LinkedList<AsyncCaller> AsyncCallers { get; } = new();

    /// <summary>Claims the run for the calling thread, if it is ready and no other thread has claimed it.</summary>
    public bool TryClaim() =>
        Volatile.Read(ref _state) == Ready && Interlocked.CompareExchange(ref _state, Claimed, Ready) == Ready;

    /// <summary>Waits until the calling thread has claimed the run, or another thread has made it.</summary>
    /// <returns>Whether the caller has claimed the run and must make it.</returns>
    public bool WaitUntilClaimedOrDone()
    {
        // While other threads wait already, the processors are better left to those that have yet to ask.
        for (int spin = Volatile.Read(ref Waiting) > 1 ? Spins : 0; spin < Spins; spin++)
        {
            if (TryClaim())
            {
                return true;
            }

            if (Volatile.Read(ref _state) == Done)
            {
                return false;
            }

            Thread.SpinWait(10);
        }

        using var uninterrupted = new Uninterrupted();
        uninterrupted.Enter((object)this);
        try
        {
            while (true)
            {
                if (TryClaim())
                {
                    return true;
                }

                if (Volatile.Read(ref _state) == Done)
                {
                    return false;
                }

                uninterrupted.Wait(this);
            }
        }
        finally
        {
            Monitor.Exit(this);
        }
    }

    /// <summary>Lets one caller claim the run, and wakes one that waits.</summary>
    public void MakeReady()
    {
        using var uninterrupted = new Uninterrupted();
        uninterrupted.Enter((object)this);
        Volatile.Write(ref _state, Ready);
        Monitor.Pulse(this);
        Monitor.Exit(this);
    }

    /// <summary>The run is over: wakes all callers that wait.</summary>
    public void Complete(ExceptionDispatchInfo? failure)
    {
        using var uninterrupted = new Uninterrupted();
        uninterrupted.Enter((object)this);
        _failure = failure;
        Volatile.Write(ref _state, Done);
        Monitor.PulseAll(this);
        Monitor.Exit(this);
    }

    public void ThrowIfFailed()
    {
        if (Volatile.Read(ref _state) == Done)
        {
            _failure?.Throw();
        }
    }
}
