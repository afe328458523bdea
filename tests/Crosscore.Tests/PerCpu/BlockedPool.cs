using Crosscore.PerCpu;
using Crosscore.Tests.Rcu;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// Threads of a pool as small as it can be, all of which block on grace periods of per-CPU read sections, while readers
/// are inside that end on other threads. Run in a separate process: the pool stays small.
/// </summary>
internal static class BlockedPool
{
    public static void Run()
    {
        int size = Environment.ProcessorCount; // the smallest that the pool takes
        if (!ThreadPool.SetMinThreads(1, 1) || !ThreadPool.SetMaxThreads(size, size))
        {
            throw new InvalidOperationException("The pool cannot be made so small.");
        }

        using var cancellation = new CancellationTokenSource();
        _ =
            Block("SynchronizeAsync", size, sections => sections.SynchronizeAsync())
            && Block("SynchronizeAsync with a token", size, sections => sections.SynchronizeAsync(cancellation.Token))
            && Block(
                "SynchronizeAsync, asked for twice",
                size,
                sections =>
                {
                    _ = sections.SynchronizeAsync(cancellation.Token);
                    return sections.SynchronizeAsync();
                }
            );
    }

    /// <returns>Whether all came back; otherwise the pool is of no use any more.</returns>
    private static bool Block(string name, int size, Func<PerCpuReadDomain, Task> wait)
    {
        using var asked = new CountdownEvent(size);
        using var returned = new CountdownEvent(size);
        var readers = new PerCpuReadSection[size];
        for (int i = 0; i < size; i++)
        {
            var sections = new PerCpuReadDomain();
            readers[i] = sections.EnterReadSection();
            _ = ThreadPool.UnsafeQueueUserWorkItem(
                _ =>
                {
                    Task over = wait(sections);
                    asked.Signal();
                    over.Wait();
                    returned.Signal();
                },
                null
            );
        }

        // From here on no thread of the pool is free before a grace period has ended.
        bool all = asked.Wait(Background.Bound);
        for (int i = 0; i < size; i++)
        {
            readers[i].Dispose();
        }

        all = all && returned.Wait(Background.Bound);
        Console.WriteLine(all ? $"{name}: all returned" : $"{name}: {returned.CurrentCount} of {size} blocked forever");
        return all;
    }
}
