using System.Diagnostics;

namespace Crosscore.Threads;

/// <summary>
/// Work that waits without a thread: <see cref="SharedThread"/> takes one step of it after the other.
/// </summary>
internal interface IStepped
{
    /// <summary>Does what can be done now. It neither waits nor throws.</summary>
    /// <returns>
    /// After how many milliseconds the next step is due, 0 or more; or <see cref="SharedThread.Done"/>.
    /// </returns>
    int Step();
}

/// <summary>
/// The one thread of the process that waits in the place of all callers who do not block: grace periods of any number
/// of domains wait on it side by side, and none of them occupies a thread of the pool, which
/// the readers that it waits for may need. It also starts threads for callers who must not wait for that.
/// </summary>
/// <remarks>
/// A background thread that comes with the first work and then stays, so that handing it work is a lock and a wake-up.
/// In a collectible <see cref="System.Runtime.Loader.AssemblyLoadContext"/>, whose code
/// the thread would keep loaded, it goes when the context is unloaded, and afterwards whenever it has nothing to do.
/// </remarks>
internal static class SharedThread
{
    /// <summary>What a last step returns.</summary>
    public const int Done = -1;

    private static readonly object Gate = new();
    private static readonly Queue<IStepped> Added = new();
    private static Thread? s_thread;
    private static bool s_isWatching;
    private static bool s_goesWhenIdle;

    /// <summary>Whether the calling thread is the one.</summary>
    public static bool IsCurrent => Thread.CurrentThread == Volatile.Read(ref s_thread);

    /// <summary>Hands work over. Its first step is taken at once, on the thread.</summary>
    /// <exception cref="OutOfMemoryException">The thread could not be started. The work was not taken; the next call
    /// tries again.</exception>
    public static void Add(IStepped work)
    {
        using var steady = new Uninterrupted();
        steady.Enter(Gate);
        try
        {
            if (s_thread is null)
            {
                Start();
            }

            Added.Enqueue(work);
            Monitor.Pulse(Gate);
        }
        finally
        {
            Monitor.Exit(Gate);
        }
    }

    private static void Start()
    {
        if (!s_isWatching)
        {
            s_isWatching = true;
            CollectibleContext.WhenUnloading(GoWhenIdle);
        }

        var thread = new Thread(Run) { IsBackground = true, Name = "Crosscore grace periods" };
        try
        {
            thread.UnsafeStart(); // waits for the gate, and so finds itself in s_thread
        }
        catch (ThreadStartException obstacle)
        {
            // What Thread.Start throws itself for the same cause: callers have one exception to handle.
#pragma warning disable CA2201
            throw new OutOfMemoryException("The thread that waits for grace periods could not be started.", obstacle);
#pragma warning restore CA2201
        }

        s_thread = thread;
    }

    private static void GoWhenIdle()
    {
        using var steady = new Uninterrupted();
        steady.Enter(Gate);
        s_goesWhenIdle = true;
        Monitor.PulseAll(Gate);
        Monitor.Exit(Gate);
    }

    private static void Run()
    {
        var waiting = new PriorityQueue<IStepped, long>(); // by the time stamp at which each is due
        var stepped = new List<(IStepped Work, long Due)>();
        using var steady = new Uninterrupted(); // for the life of the thread, which is not the callers' to interrupt
        while (true)
        {
            steady.Enter(Gate);
            while (Added.TryDequeue(out IStepped? added))
            {
                waiting.Enqueue(added, 0);
            }

            if (!waiting.TryPeek(out _, out long next))
            {
                if (s_goesWhenIdle)
                {
                    s_thread = null; // under the gate: who adds something now starts another one
                    Monitor.Exit(Gate);
                    return;
                }

                steady.Wait(Gate);
                Monitor.Exit(Gate);
                continue;
            }

            long left = next - Stopwatch.GetTimestamp();
            if (left > 0)
            {
                steady.Wait(Gate, (int)Math.Ceiling(left * 1000.0 / Stopwatch.Frequency));
            }

            Monitor.Exit(Gate);
            StepDue(waiting, stepped);
        }
    }

    /// <summary>One step of each work that is due.</summary>
    private static void StepDue(PriorityQueue<IStepped, long> waiting, List<(IStepped Work, long Due)> stepped)
    {
        long now = Stopwatch.GetTimestamp();
        bool isAnyAtOnce = false;
        while (waiting.TryPeek(out IStepped? work, out long due) && due <= now)
        {
            _ = waiting.Dequeue();
            int pause = work.Step();
            if (pause != Done)
            {
                stepped.Add((work, now + (pause * Stopwatch.Frequency / 1000)));
                isAnyAtOnce |= pause == 0;
            }
        }

        foreach ((IStepped work, long due) in stepped)
        {
            waiting.Enqueue(work, due);
        }

        stepped.Clear();
        if (isAnyAtOnce)
        {
            _ = Thread.Yield();
        }
    }
}
