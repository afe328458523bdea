using Crosscore.Threads;

namespace Crosscore.Rcu;

/// <summary>An item that is reclaimed after a grace period, linked into the queue of its domain.</summary>
internal abstract class Retired(long bytes) : Linked<Retired>
{
    public long Bytes => bytes;

    /// <summary>Calls the callback; the caller reports what it throws.</summary>
    public abstract void Reclaim();

    /// <summary>Called when the barrier was refused, so that the grace period did not end; the item stays.</summary>
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

/// <summary>
/// Marks the place in the queue behind all that was retired before it: see <see cref="RcuDomain.Barrier()"/>.
/// </summary>
/// <param name="caller">The caller that waits for the marker.</param>
/// <param name="reached">Tells the caller.</param>
internal sealed class RetiredMarker(AsyncCaller caller, Action<AsyncCaller> reached) : Retired(0)
{
    public override void Reclaim() => reached(caller);

    public override void Stalled(Exception reason) => _ = caller.TryEnd(reason);
}
