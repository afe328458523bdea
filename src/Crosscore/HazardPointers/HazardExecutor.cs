namespace Crosscore.HazardPointers;

/// <summary>
/// Where callbacks of a <see cref="HazardDomain"/> run that no call of <c>Reclaim</c> or <c>Dispose</c> runs itself.
/// </summary>
public sealed class HazardExecutor
{
    private readonly Func<string, HazardScheduler?> _makeReclaimer;

    private HazardExecutor(Func<string, HazardScheduler?> makeReclaimer) => _makeReclaimer = makeReclaimer;

    /// <summary>
    /// Gets the executor that runs callbacks on the thread that retires, when enough has gathered. It has the lowest
    /// bound on garbage; but that thread runs callbacks of all users of the domain, under the locks that it holds. For
    /// a domain whose callbacks all belong to one owner.
    /// </summary>
    public static HazardExecutor Caller { get; } = new(_ => null);

    /// <summary>
    /// Gets the executor with a background thread for each domain, which begins with the first retirement and ends when
    /// there was nothing to do for ten seconds. It also scans what is too little for
    /// <see cref="HazardDomain.ScanThreshold"/>, about a fifth of a second after it was retired, and again, at longer
    /// and longer intervals, while it is protected.
    /// </summary>
    public static HazardExecutor Background { get; } = new(name => new HazardWorker(name, idle: 10_000));

    /// <summary>The reclaimer of <see cref="HazardDomain.Default"/>.</summary>
    internal static HazardExecutor Process { get; } = new(HazardWorker.ForProcess);

    /// <summary>
    /// Creates an executor from a function of the user's. The function gets a piece of work when a scan is due, one at
    /// a time for each domain, and executes it once, on a thread where callbacks may run. Less than
    /// <see cref="HazardDomain.ScanThreshold"/> waits, as with <see cref="Caller"/>.
    /// </summary>
    /// <remarks>
    /// If the function has one thread only and that thread retires, it waits for work of this domain that it would
    /// execute itself: once there is no room, each call of <c>Retire</c> there takes a second. Retire there by
    /// <c>RetireOnly</c>, which does not wait.
    /// </remarks>
    /// <param name="execute">Called by threads that retire. If it throws, the call of <c>Retire</c> ends with an
    /// <see cref="AggregateException"/>, the object is retired, and the next retirement retries.</param>
    public static HazardExecutor From(Action<Action> execute)
    {
        ArgumentNullException.ThrowIfNull(execute);
        return new HazardExecutor(_ => new HazardPosting(execute));
    }

    internal HazardScheduler? MakeReclaimer(string name) => _makeReclaimer(name);
}
