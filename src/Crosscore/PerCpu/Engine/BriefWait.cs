namespace Crosscore.PerCpu;

/// <summary>
/// Waits for what takes nanoseconds unless a thread has lost its processor, without an exception on the way: <see
/// cref="SpinWait"/> sleeps where <see cref="Thread.Interrupt"/> breaks it off, also with its threshold off (it goes on
/// to Sleep(0)).
/// </summary>
internal struct BriefWait
{
    private const int Spins = 10;

    /// <summary>How often it has waited.</summary>
    public int Count { get; private set; }

    public void Once()
    {
        if (Count < Spins && Environment.ProcessorCount > 1)
        {
            Thread.SpinWait(4 << Count);
        }
        else
        {
            _ = Thread.Yield();
        }

        Count++;
    }
}
