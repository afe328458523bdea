using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>Something that is to be reclaimed after a grace period, linked into the queue of its domain.</summary>
internal abstract class Retired(long bytes)
{
    public long Bytes => bytes;

    public Retired? Next { get; set; }

    /// <summary>Calls the callback; what it throws is the caller's to report.</summary>
    public abstract void Reclaim();

    /// <summary>The barrier was refused and the grace period did not end; the item stays.</summary>
    public virtual void Stalled(Exception reason) { }
}

internal sealed class RetiredItem<TState>(TState state, Action<TState> callback, long bytes) : Retired(bytes)
{
    public override void Reclaim() => callback(state);
}

internal sealed class RetiredDisposable(IDisposable item, long bytes) : Retired(bytes)
{
    public override void Reclaim() => item.Dispose();
}

/// <summary>Stands in the queue behind all that was retired before it: see <see cref="RcuDomain.Barrier()"/>.</summary>
/// <param name="caller">Who waits for it.</param>
/// <param name="reached">Tells the caller.</param>
internal sealed class RetiredMarker(AsyncCaller caller, Action<AsyncCaller> reached) : Retired(0)
{
    public override void Reclaim() => reached(caller);

    public override void Stalled(Exception reason) => _ = caller.TryEnd(reason);
}
