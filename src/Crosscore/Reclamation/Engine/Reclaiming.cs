namespace Crosscore.Reclamation;

/// <summary>That the calling thread is running callbacks of a list, perhaps from inside of a callback of another one.</summary>
internal sealed class Reclaiming : IDisposable
{
    [ThreadStatic]
    private static Reclaiming? t_innermost;

    private readonly RetiredList _list;
    private readonly Reclaiming? _outer;

    public Reclaiming(RetiredList list)
    {
        _list = list;
        _outer = t_innermost;
        t_innermost = this;
    }

    public static bool ByThisThread => t_innermost is not null;

    public static bool IsRunning(RetiredList list)
    {
        for (Reclaiming? running = t_innermost; running is not null; running = running._outer)
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
