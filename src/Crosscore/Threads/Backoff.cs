namespace Crosscore.Threads;

/// <summary>
/// The backoff of a thread that polls for what is mostly over within a microsecond: readers that leave, or the holder
/// of a spin lock. It spins at first, then yields its processor to the others, and finally sleeps between looks,
/// because the others may have a lower priority. They do not wake the waiting thread: that would cost each of them a
/// test when it leaves.
/// </summary>
/// <remarks>
/// One value serves a whole wait, and is disposed of at its end. <see cref="Thread.Interrupt"/> is noticed once and
/// given back then; given back earlier, it would end each of the sleeps that follow.
/// </remarks>
internal ref struct Backoff
{
    private const int Spins = 60;
    private const int Yields = 200;

    private Uninterrupted _uninterrupted;
    private int _turns;

    /// <summary>Whether the wait has lasted so long that it is worth looking for rare causes.</summary>
    public readonly bool IsLong => _turns >= Spins;

    public void Pause()
    {
        if (_turns < Spins && Environment.ProcessorCount > 1)
        {
            Thread.SpinWait(4);
        }
        else if (_turns < Spins + Yields)
        {
            _ = Thread.Yield();
        }
        else
        {
            _uninterrupted.Sleep(1);
            return; // without counting, so that the counter never overflows
        }

        _turns++;
    }

    /// <summary>Gives an interruption back.</summary>
    public readonly void Dispose() => _uninterrupted.Dispose();
}
