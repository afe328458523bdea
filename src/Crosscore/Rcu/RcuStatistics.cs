namespace Crosscore.Rcu;

/// <summary>
/// What a domain has done and has to do. The numbers are read one after the other while other threads continue, so they
/// are no snapshot.
/// </summary>
/// <param name="GracePeriods">Grace periods completed.</param>
/// <param name="Retired">Items ever retired.</param>
/// <param name="Reclaimed">Items whose callback has been called, those that threw included.</param>
/// <param name="PendingCount">Items retired and not yet reclaimed.</param>
/// <param name="PendingBytes">The bytes of those, as given to <c>Retire</c>; <see cref="long.MaxValue"/> if
/// more.</param>
/// <param name="FailedCallbacks">Callbacks that threw.</param>
/// <param name="Overruns">Calls of <c>Retire</c> that retired although a limit was reached: inside of a section or a
/// callback, where a wait would never end, or after <see cref="RcuDomainOptions.BackPressureTimeout"/>.</param>
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
