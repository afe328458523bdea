namespace Crosscore.Threads;

/// <summary>
/// Keeps the exceptions of callbacks that ran on a thread of the library until a caller can be told: the first
/// <see cref="MaxCount"/>. No member is broken off by <see cref="Thread.Interrupt"/>.
/// </summary>
internal sealed class KeptFailures
{
    public const int MaxCount = 32;

    private readonly Lock _gate = new();
    private readonly List<Exception> _failures = []; // guarded by _gate

    // Whether the list holds any, so that a caller takes no lock where there is nothing to tell.
    private volatile bool _any;

    /// <summary>Keeps an exception, unless the limit is reached.</summary>
    public void Add(Exception failure)
    {
        using var held = new HeldLock(_gate);
        if (_failures.Count < MaxCount)
        {
            _failures.Add(failure);
            _any = true;
        }
    }

    /// <summary>Takes all exceptions out.</summary>
    public Exception[] TakeAll()
    {
        if (!_any)
        {
            return [];
        }

        using var held = new HeldLock(_gate);
        Exception[] failures = [.. _failures];
        Clear();
        return failures;
    }

    /// <summary>
    /// Offers the exceptions to a caller, also when there are none, and forgets them if the caller takes them.
    /// </summary>
    public void Offer(Func<IReadOnlyList<Exception>, bool> take)
    {
        using var held = new HeldLock(_gate);
        if (take(_failures))
        {
            Clear();
        }
    }

    private void Clear()
    {
        _failures.Clear();
        _any = false;
    }
}
