namespace Crosscore.Threads;

/// <summary>What <see cref="HeldLock"/> is for a <see cref="Lock"/>, for a monitor that threads also wait on.</summary>
internal ref struct HeldMonitor
{
    private readonly object _monitor;
    private Uninterrupted _uninterrupted;

    public HeldMonitor(object monitor)
    {
        _monitor = monitor;
        _uninterrupted.Enter(monitor);
    }

    public readonly void Dispose()
    {
        Monitor.Exit(_monitor);
        _uninterrupted.Dispose();
    }
}
