namespace Crosscore.HazardPointers;

/// <summary>
/// A cohort of retired objects that belong together, such as the nodes of one structure: <see cref="Dispose()"/>
/// returns when the callbacks of all of them have returned. <see cref="HazardDomain.CreateCohort"/> creates it; giving
/// it to <c>Retire</c> fills it.
/// </summary>
/// <remarks>
/// A cohort is scanned separately, by the limits of its domain; its objects do not count for the domain. Any thread may
/// call any member.
/// </remarks>
public sealed class HazardCohort : IDisposable
{
    private readonly HazardDomain _domain;
    private readonly HazardGarbageList _retired;
    private volatile bool _isDisposed;

    internal HazardCohort(HazardDomain domain, bool callbacksOnlyFree)
    {
        _domain = domain;
        _retired = domain.MakeList(callbacksOnlyFree);
    }

    /// <summary>
    /// Gets the number of objects that were retired into the cohort and whose callback has not returned.
    /// </summary>
    public long RetiredCount => _retired.Count;

    /// <summary>
    /// Gets the bytes of those, as given to <c>Retire</c>; <see cref="long.MaxValue"/> if they are more.
    /// </summary>
    public long RetiredBytes => _retired.Bytes;

    /// <summary>
    /// Reclaims now, on the calling thread, what is not protected. In a callback of the cohort it only asks for that:
    /// it is done when the callback has returned.
    /// </summary>
    /// <returns>How many objects are left: protected, or with a callback running.</returns>
    /// <exception cref="AggregateException">Callbacks threw, or the barrier failed and everything waits.</exception>
    public long Reclaim() => _retired.ReclaimNow();

    /// <summary>
    /// Gets the threads whose pointers protect something that was retired into the cohort and waits: those that
    /// <see cref="Dispose()"/> would wait for.
    /// </summary>
    public IReadOnlyList<HazardHolder> GetHolders() => _retired.GetHolders();

    /// <summary>
    /// Closes the cohort and reclaims everything in it. It waits for readers that still protect some of it, forever if
    /// a reader never stops. A second Dispose does nothing more.
    /// </summary>
    /// <remarks>
    /// No thread may retire into the cohort concurrently: such a call either throws
    /// <see cref="ObjectDisposedException"/> or may be too late to be waited for.
    /// </remarks>
    /// <exception cref="InvalidOperationException">A pointer of the calling thread protects some of it, or this is a
    /// callback of the cohort, so waiting would never end. Nothing was closed.</exception>
    /// <exception cref="AggregateException">Callbacks threw; everything was reclaimed. Or the barrier failed, which is
    /// then the last of the inner exceptions: the cohort is closed, what <see cref="RetiredCount"/> counts waits, and
    /// Dispose or <see cref="Reclaim"/> may be called again.</exception>
    public void Dispose() => _ = TryDispose(Timeout.InfiniteTimeSpan);

    /// <summary>
    /// Disposes as <see cref="Dispose()"/> does, and waits until a time is over or the wait is canceled. Also then the
    /// cohort is closed; what is left waits, and this, Dispose or <see cref="Reclaim"/> may be called again.
    /// </summary>
    /// <param name="timeout">From zero to <see cref="int.MaxValue"/> milliseconds, or
    /// <see cref="Timeout.InfiniteTimeSpan"/>. It does not cut callbacks short.</param>
    /// <param name="cancellation">Ends the waiting, not the closing; looked at every few milliseconds.</param>
    /// <returns>Whether everything was reclaimed.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The timeout is out of its range.</exception>
    /// <exception cref="OperationCanceledException">The wait was canceled. The cohort is closed, except if the token
    /// had been canceled before the call.</exception>
    /// <inheritdoc cref="Dispose()" path="/exception"/>
    public bool TryDispose(TimeSpan timeout, CancellationToken cancellation = default) =>
        HazardWait.UntilReclaimed(_retired, () => _isDisposed = true, timeout, cancellation);

    /// <summary>
    /// Retires for a structure, which has unlinked the node already and owes its value to the caller: never refuses and
    /// never throws. If a scan fails, everything waits for the next one, and <see cref="Dispose()"/> throws if that
    /// fails too. Callbacks of structures only free.
    /// </summary>
    internal void RetireAlways(HazardGarbage retired) => _ = _retired.Add(retired, retired, 1, retired.Bytes);

    internal HazardGarbageList ListFor(HazardDomain domain)
    {
        if (domain != _domain)
        {
            throw new ArgumentException(
                "The cohort belongs to another domain, whose pointers do not protect from this retirement. "
                    + "Use a cohort that this domain created."
            );
        }

        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return _retired;
    }
}
