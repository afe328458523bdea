using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Crosscore.Threads;

/// <summary>Makes a run on the shared thread, which steps other work while it waits.</summary>
internal sealed class CoalescedStep(CoalescedOperation operation, CoalescedBatch batch) : IStepped
{
    // Readers are mostly gone within a microsecond. After these looks the interval grows: 1 ms at first, then 1/64
    // of the time that the run has lasted, and 50 ms at most.
    private const int LooksAtOnce = 100;
    private const int MaxPause = 50;
    private const int AgeToPause = 64;

    private int _looks; // made at once
    private long _beganAt; // a time stamp of Stopwatch; 0 before the run begins

    public int Step()
    {
        if (_beganAt == 0)
        {
            if (!batch.TryClaim())
            {
                return SharedThread.Done; // a caller that blocks was first
            }

            _beganAt = Stopwatch.GetTimestamp();
            if (operation.Begin(batch) is { } refusal)
            {
                operation.Finish(batch, refusal);
                return SharedThread.Done;
            }
        }

        ExceptionDispatchInfo? failure = null;
        if (operation.IsOver(isLong: _looks == LooksAtOnce, ref failure))
        {
            operation.Finish(batch, failure);
            return SharedThread.Done;
        }

        if (_looks < LooksAtOnce)
        {
            _looks++;
            return 0;
        }

        return (int)Math.Clamp(Stopwatch.GetElapsedTime(_beganAt).TotalMilliseconds / AgeToPause, 1, MaxPause);
    }
}

/// <summary>Ends the tasks of the callers of a run, on the shared thread.</summary>
internal sealed class CoalescedEnding(
    CoalescedOperation operation,
    CoalescedBatch batch,
    ExceptionDispatchInfo? failure
) : IStepped
{
    public int Step()
    {
        operation.EndCallers(batch, failure);
        return SharedThread.Done;
    }
}
