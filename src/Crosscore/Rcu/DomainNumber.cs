using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>
/// Where threads keep their slots of a domain in their tables. Numbers are used again when the domain has been disposed
/// of, or dropped; a thread may then find the slot of an earlier domain there, and sees by
/// <see cref="ReaderPlace.Outside"/> that it is not the one it looks for.
/// </summary>
internal sealed class DomainNumber : IDisposable
{
    private static readonly Lock Gate = new();
    private static readonly PriorityQueue<int, int> Free = new();
    private static int s_next;

    private bool _returned;

    public DomainNumber()
    {
        using var steady = new Uninterrupted();
        steady.Enter(Gate);
        Value = Free.TryDequeue(out int number, out _) ? number : s_next++;
        Gate.Exit();
    }

    // The only finaliser of a domain: one that nobody disposes of must not make the tables of all threads grow for
    // ever. Nothing else depends on it.
    ~DomainNumber() => Return();

    public int Value { get; }

    /// <summary>Gives the number back; a second call does nothing.</summary>
    public void Dispose()
    {
        Return();
        GC.SuppressFinalize(this);
    }

    private void Return()
    {
        // Not to be lost to an interruption of the thread that disposes of the domain.
        using var steady = new Uninterrupted();
        steady.Enter(Gate);
        try
        {
            if (!_returned)
            {
                _returned = true;
                Free.Enqueue(Value, Value);
            }
        }
        finally
        {
            Gate.Exit();
        }
    }
}
