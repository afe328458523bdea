namespace Crosscore.Reclamation;

/// <summary>That the calling thread is running callbacks of a list, perhaps from inside of a callback of another one.</summary>
internal sealed class HazardReclaiming(HazardGarbageList list)
{
    [ThreadStatic]
    private static HazardReclaiming? t_innermost;

    private HazardReclaiming? _outer;

    public static bool ByThisThread => t_innermost is not null;

    public static bool IsRunning(HazardGarbageList list)
    {
        for (HazardReclaiming? running = t_innermost; running is not null; running = running._outer)
        {
            if (running.IsOf(list))
            {
                return true;
            }
        }

        return false;
    }

    public void Begin()
    {
        _outer = t_innermost;
        t_innermost = this;
    }

    public void End() => t_innermost = _outer;

    private bool IsOf(HazardGarbageList other) => list == other;
}
