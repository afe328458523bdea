namespace Crosscore.Bench.Reclamation;

/// <summary>Runs something on a thread that stays on one processor, as the C program's threads do.</summary>
internal static class PinnedThread
{
    public static T Run<T>(int processor, Func<T> measured)
    {
        T? result = default;
        Thread thread = Start(processor, () => result = measured());
        thread.Join();
        return result!;
    }

    public static Thread Start(int processor, Action action)
    {
        var thread = new Thread(() =>
        {
            Affinity.Pin(processor);
            action();
        })
        {
            IsBackground = true,
        };
        thread.Start();
        return thread;
    }
}
