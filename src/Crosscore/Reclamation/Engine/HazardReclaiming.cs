namespace Crosscore.Reclamation;

/// <summary>That the calling thread is running callbacks of a list, perhaps from inside of a callback of another one.</summary>
internal sealed class HazardReclaiming : IDisposable
{
    [ThreadStatic]
    private static HazardReclaiming? t_innermost;

    private readonly HazardGarbageList _list;
    private readonly HazardReclaiming? _outer;

    public HazardReclaiming(HazardGarbageList list)
    {
        _list = list;
        _outer = t_innermost;
        t_innermost = this;
    }

    public static bool ByThisThread => t_innermost is not null;

    public static bool IsRunning(HazardGarbageList list)
    {
        for (HazardReclaiming? running = t_innermost; running is not null; running = running._outer)
        {
            if (running._list == list)
            {
                return true;
            }
        }

        return false;
    }

    public void Dispose() => t_innermost = _outer;
}
