namespace Crosscore.Reclamation;

/// <summary>
/// How a grace period waits: readers are mostly gone within a microsecond, so it looks again at once; then it leaves its processor to the readers, and in the end sleeps between looks. Readers
/// wake nobody, because that would cost each of them a test when it leaves.
/// </summary>
internal struct Patience
{
    private const int Spins = 60;
    private const int Yields = 200;

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
            using var steady = new Uninterrupted();
            steady.Sleep(1);
        }

        _turns++;
    }
}
