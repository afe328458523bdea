using Crosscore.Rcu;

namespace Crosscore.HazardPointers;

/// <summary>
/// Retired objects that belong together, such as the nodes of one structure: <see cref="Dispose()"/> returns when the
/// callbacks of all of them have returned. Made by
/// <see cref="HazardDomain.CreateCohort"/>; filled by giving it to <c>Retire</c>.
/// </summary>
/// <remarks>
/// Scanned by itself, by the limits of its domain; what it holds does not count for the domain. All members may be
/// called by any thread.
/// </remarks>
public sealed class HazardCohort : IDisposable
{
    private readonly HazardDomain _domain;
    private readonly HazardGarbageList _retired;
    private volatile bool _disposed;

    internal HazardCohort(HazardDomain domain, bool callbacksOnlyFree)
    {
        _domain = domain;
        _retired = domain.MakeList(callbacksOnlyFree);
    }

    /// <summary>How many objects of the cohort are retired and their callback has not returned.</summary>
    public long RetiredCount => _retired.Count;

    /// <summary>The bytes of those, as given to <c>Retire</c>; the largest number if they are more.</summary>
    public long RetiredBytes => _retired.Bytes;

    /// <summary>Reclaims now, on the calling thread, what is not protected. In a callback of the cohort it only asks
    /// for that: it is done when the callback has returned.</summary>
    /// <returns>How many objects are left: protected, or with a callback running.</returns>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier failed and everything waits.</exception>
    public long Reclaim() => _retired.ReclaimNow();

    /// <summary>The threads whose pointers protect something that was retired into the cohort and waits: those that
    /// <see cref="Dispose()"/> would wait for.</summary>
    public IReadOnlyList<HazardHolder> GetHolders() => _retired.GetHolders();

    /// <summary>Closes the cohort and reclaims everything in it, waiting for readers that still protect some of it, for
    /// ever if one never lets go. Disposing twice does nothing more.</summary>
    /// <remarks>
    /// No thread may be retiring into the cohort at the same time: such a call either throws
    /// <see cref="ObjectDisposedException"/> or may be too late to be waited for.
    /// </remarks>
    /// <exception cref="InvalidOperationException">A pointer of the calling thread protects some of it, or this is a
    /// callback of the cohort, so waiting would never end. Nothing was closed.</exception>
    /// <exception cref="AggregateException"> Callbacks threw; everything was reclaimed. Or the barrier failed, which is
    /// then the last of the inner exceptions: the cohort is closed, what is left by <see cref="RetiredCount"/> waits,
    /// and Dispose or <see cref="Reclaim"/> may be called again.
    /// </exception>
    public void Dispose() => _ = TryDispose(Timeout.InfiniteTimeSpan);

    /// <summary><see cref="Dispose()"/>, which waits for so long. Also when the time is over, the cohort is closed;
    /// what is left waits, and Dispose or <see cref="Reclaim"/> may be called again.</summary>
    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>. It does not cut callbacks short.</param>
    /// <param name="cancellation">Ends the waiting, not the closing; looked at every few milliseconds.</param>
    /// <returns>Whether everything was reclaimed.</returns>
    /// <exception cref="ArgumentOutOfRangeException">Another timeout.</exception>
    /// <exception cref="OperationCanceledException">The waiting was ended. The cohort is closed, except if the token
    /// had been canceled before the call.</exception>
    /// <inheritdoc cref="Dispose()" path="/exception"/>
    public bool TryDispose(TimeSpan timeout, CancellationToken cancellation = default) =>
        HazardWait.UntilReclaimed(_retired, () => _disposed = true, timeout, cancellation);

    /// <summary>
    /// For structures, which have unlinked a node already when they retire it, and whose caller wants its value: never
    /// refuses and never throws. If a scan fails, everything waits for the next one, and <see cref="Dispose()"/> says
    /// so if it cannot make up for it. Their callbacks only free.
    /// </summary>
    internal void RetireAlways(HazardGarbage retired) => _ = _retired.Add(retired, retired, 1, retired.Bytes);

    internal HazardGarbageList ListFor(HazardDomain domain)
    {
        if (domain != _domain)
        {
            throw new ArgumentException(
                "The cohort belongs to another domain, whose pointers protect from other retirements."
            );
        }

        ObjectDisposedException.ThrowIf(_disposed, this);
        return _retired;
    }
}
