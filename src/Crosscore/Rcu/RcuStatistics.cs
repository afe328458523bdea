namespace Crosscore.Rcu;

/// <summary>
/// What a domain has done and has to do. Numbers read one after the other while others go on: not a snapshot.
/// </summary>
/// <param name="GracePeriods">Grace periods completed.</param>
/// <param name="Retired">Items ever retired.</param>
/// <param name="Reclaimed">Items whose callback has been called, those that threw included.</param>
/// <param name="PendingCount">Items retired and not yet reclaimed.</param>
/// <param name="PendingBytes">Their bytes, as told to <c>Retire</c>; <see cref="long.MaxValue"/> if more.</param>
/// <param name="FailedCallbacks">Callbacks that threw.</param>
/// <param name="Overruns">Calls of <c>Retire</c> that went on although a limit was reached: inside of a section or a
/// callback, where waiting would never end, or after <see cref="RcuDomainOptions.BackPressureTimeout"/>.</param>
/// <param name="AbandonedSections">Threads that ended inside of a section.</param>
/// <param name="Readers">Threads that have a slot in the domain.</param>
public sealed record RcuStatistics(
    long GracePeriods,
    long Retired,
    long Reclaimed,
    long PendingCount,
    long PendingBytes,
    long FailedCallbacks,
    long Overruns,
    long AbandonedSections,
    int Readers
);
