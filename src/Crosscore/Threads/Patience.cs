namespace Crosscore.Threads;

/// <summary>
/// How a thread waits for what is mostly over within a microsecond, readers or the holder of a spin lock: it looks
/// again at once; then it leaves its processor to them, and in the end sleeps between looks, because they may have a
/// lower priority. They do not wake the thread that waits, because that would cost each of them a test when it leaves.
/// </summary>
/// <remarks>
/// One for a whole wait, disposed of at its end: <see cref="Thread.Interrupt"/> is noticed once, and given back then.
/// Given back before, it would throw out of each of the sleeps that follow.
/// </remarks>
internal ref struct Patience
{
    private const int Spins = 60;
    private const int Yields = 200;

    private Uninterrupted _steady;
    private int _turns;

    /// <summary>Whether the wait has lasted so long that rare causes are worth looking for.</summary>
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
            _steady.Sleep(1);
            return; // and never past int.MaxValue
        }

        _turns++;
    }

    /// <summary>Gives an interruption back.</summary>
    public readonly void Dispose() => _steady.Dispose();
}
