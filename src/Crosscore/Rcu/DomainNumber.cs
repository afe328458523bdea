using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// The index under which threads keep their slot of a domain in their tables. A number is reused when its domain has
/// been disposed of or collected. A thread may then find the slot of an earlier domain there, and recognizes that by
/// <see cref="ReaderPlace.Outside"/>.
/// </summary>
internal sealed class DomainNumber : IDisposable
{
    private static readonly Lock Gate = new(); // guards all fields
    private static readonly PriorityQueue<int, int> Free = new(); // the smallest first, which keeps the tables short
    private static int s_next; // the smallest number that was never used

    private bool _returned;

    public DomainNumber()
    {
        using var held = new HeldLock(Gate);
        Value = Free.TryDequeue(out int number, out _) ? number : s_next++;
    }

    // The only finalizer of a domain: domains that are dropped without Dispose must not make the tables of all threads
    // grow forever. Nothing else depends on it.
    ~DomainNumber() => Return();

    public int Value { get; }

    /// <summary>Returns the number for reuse; a second call does nothing.</summary>
    public void Dispose()
    {
        Return();
        GC.SuppressFinalize(this);
    }

    private void Return()
    {
        using var held = new HeldLock(Gate);
        if (!_returned)
        {
            _returned = true;
            Free.Enqueue(Value, Value);
        }
    }
}
