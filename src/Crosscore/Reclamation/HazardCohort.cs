namespace Crosscore.Reclamation;

/// <summary>
/// Retired objects that belong together, such as the nodes of one structure: <see cref="Dispose"/> returns when the callbacks of all of them have returned. Made by
/// <see cref="HazardPointers.CreateCohort"/>; filled by giving it to <c>Retire</c>.
/// </summary>
/// <remarks>Scanned by itself, by the limits of its domain; what it holds does not count for the domain. All members may be called by any thread.</remarks>
public sealed class HazardCohort : IDisposable
{
    private readonly HazardPointers _domain;
    private readonly HazardGarbageList _retired;
    private volatile bool _disposed;

    internal HazardCohort(HazardPointers domain)
    {
        _domain = domain;
        _retired = new HazardGarbageList(domain);
    }

    /// <summary>How many objects of the cohort are retired and their callback has not returned.</summary>
    public long RetiredCount => _retired.Count;

    /// <summary>The bytes of those, as given to <c>Retire</c>.</summary>
    public long RetiredBytes => _retired.Bytes;

    /// <summary>Reclaims now what nobody protects.</summary>
    /// <returns>How many objects are left: protected, or with a callback running on another thread.</returns>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier failed and everything waits.</exception>
    public long Reclaim() => _retired.ReclaimNow();

    /// <summary>Closes the cohort and reclaims everything in it, waiting for readers that still protect some of it. Disposing twice does nothing more.</summary>
    /// <remarks>No thread may be retiring into the cohort at the same time: such a call either throws <see cref="ObjectDisposedException"/> or may be too late to be waited for.</remarks>
    /// <exception cref="InvalidOperationException">A pointer of the calling thread protects some of it, or this is a callback of the cohort, so waiting would never end. Nothing was closed.</exception>
    /// <exception cref="AggregateException">
    /// Callbacks threw; everything was reclaimed. Or the barrier failed, which is then the last of the inner exceptions: the cohort is closed, what is left by <see cref="RetiredCount"/> waits, and Dispose or
    /// <see cref="Reclaim"/> may be called again.
    /// </exception>
    public void Dispose()
    {
        HazardWait.UntilReclaimed(_retired, () => _disposed = true);
    }

    /// <summary>
    /// For structures, which have unlinked a node already when they retire it, and whose caller wants its value: never refuses and never throws. If a scan fails, everything waits for the next one, and
    /// <see cref="Dispose"/> says so if it cannot make up for it. Their callbacks only free.
    /// </summary>
    internal void RetireAlways(HazardGarbage retired) => _ = _retired.Add(retired, retired, 1, retired.Bytes);

    internal HazardGarbageList ListFor(HazardPointers domain)
    {
        if (domain != _domain)
        {
            throw new ArgumentException("The cohort belongs to another domain, whose pointers protect from other retirements.");
        }

        ObjectDisposedException.ThrowIf(_disposed, this);
        return _retired;
    }
}
